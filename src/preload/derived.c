/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions of libc that are made of malloc, realloc and free: those of the process, whoever
 * provides them. A program that has an allocator of its own frees with it what strdup(3) returns.
 *
 * libc's own versions would not do, since the blocks that libc asks for are libc's. They are not in
 * the file with malloc, where a compiler might call that one directly.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define EXPORT __attribute__((visibility("default")))

/* C23; not yet in every libc's headers. */
EXPORT void free_sized(void *ptr, size_t size);
EXPORT void free_aligned_sized(void *ptr, size_t alignment, size_t size);

/* Not in headers any more: what older ones make of strdup and strndup. */
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
