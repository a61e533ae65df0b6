/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Allocates the library's own data from libc's heap, even where the process replaces malloc. The
 * replacement may itself allocate from a kind, as the preload library does: data of one kind would
 * then lie in another, and the child of a fork would change its parent's data.
 *
 * The libraries are linked with --wrap for the functions below: a call of malloc in the library's
 * objects calls __wrap_malloc. glibc exports its heap under the __libc_ names. With another libc,
 * the process's functions are called. Sanitizer builds leave this file out, because a sanitizer
 * must intercept each allocation.
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
