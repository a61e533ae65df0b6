/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions of libc that use malloc, realloc and free, based on the functions of the process,
 * whoever provides them: a program with an allocator of its own frees the result of strdup(3) with
 * that allocator.
 *
 * libc's own versions do not serve, because blocks that libc requests come from libc's heap. The
 * functions are not in the file with malloc, where a compiler might call that one directly.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>
#include <wchar.h>

#include "preload/preload.h"

/* From C23; missing in some libcs' headers. */
EXPORT void free_sized(void *ptr, size_t size);
EXPORT void free_aligned_sized(void *ptr, size_t alignment, size_t size);

/* Names that older headers use for strdup and strndup. */
EXPORT char *__strdup(const char *text);
EXPORT char *__strndup(const char *text, size_t most);

void free_sized(void *ptr, size_t size)
{
    (void)size;
    free(ptr);
}

void free_aligned_sized(void *ptr, size_t alignment, size_t size)
{
    (void)alignment;
    (void)size;
    free(ptr);
}

EXPORT void *reallocarray(void *ptr, size_t num, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(num, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(ptr, bytes);
}

static char *copy(const char *text, size_t length)
{
    char *block = malloc(length + 1);

    if (block == NULL)
        return NULL;
    memcpy(block, text, length);
    block[length] = '\0';
    return block;
}

EXPORT char *strdup(const char *text)
{
    return copy(text, strlen(text));
}

EXPORT char *strndup(const char *text, size_t most)
{
    return copy(text, strnlen(text, most));
}

char *__strdup(const char *text)
{
    return copy(text, strlen(text));
}

char *__strndup(const char *text, size_t most)
{
    return copy(text, strnlen(text, most));
}

EXPORT wchar_t *wcsdup(const wchar_t *text)
{
    size_t size = (wcslen(text) + 1) * sizeof(*text);
    wchar_t *block = malloc(size);

    return block != NULL ? memcpy(block, text, size) : NULL;
}

/* -- Of malloc and free ------------------------------------------------------------------------ */

void *preload_calloc_derived(size_t num, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(num, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    void *block = malloc(bytes);
    return block != NULL ? memset(block, 0, bytes) : NULL;
}

/*
 * Copies bytes of a page, if the page is mapped. The kernel copies, so that a missing page raises
 * no SIGSEGV.
 */
static bool copy_if_there(void *to, const void *from, size_t bytes)
{
    const struct iovec there = {.iov_base = (void *)(uintptr_t)from, .iov_len = bytes};
    const struct iovec here = {.iov_base = to, .iov_len = bytes};

    if (process_vm_readv(getpid(), &here, 1, &there, 1, 0) == (ssize_t)bytes)
        return true;
    if (errno == EFAULT)
        return false;
    /* A filter refuses the call. The page nearly always exists. */
    memcpy(to, from, bytes);
    return true;
}

/*
 * Copies a block of unknown size, and what follows it, up to the size of the new block. The next
 * page may not be mapped.
 */
static void copy_block(char *to, const char *from, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t rest = page - (uintptr_t)from % page;
    size_t done = size < rest ? size : rest;

    memcpy(to, from, done);
    while (done < size) {
        size_t bytes = size - done < page ? size - done : page;
        if (!copy_if_there(to + done, from + done, bytes))
            return;
        done += bytes;
    }
}

void *preload_realloc_derived(void *ptr, size_t size)
{
    int saved_errno = errno;

    if (ptr != NULL && size == 0) {
        free(ptr);
        return NULL;
    }
    char *block = malloc(size);
    if (block == NULL || ptr == NULL)
        return block;
    copy_block(block, ptr, size);
    free(ptr);
    errno = saved_errno;
    return block;
}
