/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The heap that the library's own data lies in: libc's, whatever the process calls malloc. That may
 * be an allocator which takes its memory from a kind, as the preload library does. Then data of one
 * kind would lie in another, and the child of a fork would change its parent's.
 *
 * The libraries are linked with --wrap for the functions below: each call of malloc in the
 * library's objects is one of __wrap_malloc. A glibc exports its heap under the names used here;
 * another libc does not, and there the process's functions serve. Builds for sanitizers, which want
 * to see each block, do without all of this.
 */
#include <stddef.h>

void *__libc_malloc(size_t size) __attribute__((weak));
void *__libc_calloc(size_t num, size_t size) __attribute__((weak));
void __libc_free(void *ptr) __attribute__((weak));

void *__real_malloc(size_t size);
void *__real_calloc(size_t num, size_t size);
void __real_free(void *ptr);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t num, size_t size);
void __wrap_free(void *ptr);

void *__wrap_malloc(size_t size)
{
    return __libc_malloc != NULL ? __libc_malloc(size) : __real_malloc(size);
}

void *__wrap_calloc(size_t num, size_t size)
{
    return __libc_calloc != NULL ? __libc_calloc(num, size) : __real_calloc(num, size);
}

void __wrap_free(void *ptr)
{
    if (__libc_free != NULL)
        __libc_free(ptr);
    else
        __real_free(ptr);
}
