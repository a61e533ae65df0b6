/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program with an allocator of its own. Report: it got another allocator's strdup(3), and free
 * raised SIGSEGV.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#define EXPORT     __attribute__((visibility("default")))
#define ARENA_SIZE ((size_t)16 << 20)
#define ALIGNMENT  ((size_t)16)

static _Alignas(ALIGNMENT) unsigned char arena[ARENA_SIZE];
static size_t used;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int is_own(const void *ptr)
{
    return (uintptr_t)ptr - (uintptr_t)arena < ARENA_SIZE;
}

/* Allocates a block after its size, from an array. */
EXPORT void *malloc(size_t size)
{
    unsigned char *block = NULL;

    pthread_mutex_lock(&lock);
    if (size < ARENA_SIZE - used - 2 * ALIGNMENT) {
        block = arena + used + ALIGNMENT;
        memcpy(arena + used, &size, sizeof(size));
        used += (ALIGNMENT + size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    }
    pthread_mutex_unlock(&lock);
    if (block == NULL)
        errno = ENOMEM;
    return block;
}

EXPORT void free(void *ptr)
{
    static const char message[] = "a block of somebody else is freed\n";

    if (ptr == NULL || is_own(ptr))
        return;
    (void)!write(STDERR_FILENO, message, sizeof(message) - 1);
    _exit(1);
}

EXPORT void *calloc(size_t num, size_t size)
{
    void *block = size == 0 || num < ARENA_SIZE / size ? malloc(num * size) : NULL;

    return block != NULL ? memset(block, 0, num * size) : NULL;
}

EXPORT void *realloc(void *ptr, size_t size)
{
    void *block = malloc(size);
    size_t before;

    if (block != NULL && ptr != NULL) {
        memcpy(&before, (unsigned char *)ptr - ALIGNMENT, sizeof(before));
        memcpy(block, ptr, before < size ? before : size);
    }
    return block;
}

static void check(void *block, const char *what)
{
    if (!is_own(block)) {
        fprintf(stderr, "%s: the block is somebody else's\n", what);
        _exit(1);
    }
    free(block);
}

int main(void)
{
    char *line = NULL;

    check(malloc(100), "malloc");
    check(strdup("text"), "strdup");
    check(strndup("text", 2), "strndup");
    check(wcsdup(L"text"), "wcsdup");
    check(calloc(10, 10), "calloc");
    check(reallocarray(malloc(10), 10, 10), "reallocarray");
    check(realloc(strdup("text"), 1000), "realloc");
    if (asprintf(&line, "%d", 1) != 1)
        return 1;
    check(line, "asprintf");
    puts("done");
    return 0;
}
