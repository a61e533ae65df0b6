/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stores 16 bytes at once, by SSE or NEON, to a block of malloc(8). Report: SIGSEGV, as the block
 * was not aligned to 16.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 500

static int failures;

static void check(const void *ptr, const char *what, size_t size)
{
    if (ptr != NULL && (uintptr_t)ptr % alignof(max_align_t) == 0)
        return;
    if (failures++ == 0)
        fprintf(stderr, "%s of %zu bytes: %p\n", what, size, ptr);
}

static void look_at(size_t size)
{
    void *blocks[BLOCKS];

    for (size_t i = 0; i < BLOCKS; i++) {
        check(blocks[i] = malloc(size), "malloc", size);
        if (malloc_usable_size(blocks[i]) < size)
            failures++;
    }
    for (size_t i = 0; i < BLOCKS; i++)
        check(blocks[i] = realloc(blocks[i], size + 1), "realloc, growing", size + 1);
    for (size_t i = 0; i < BLOCKS; i++)
        check(blocks[i] = realloc(blocks[i], size != 0 ? size : 1), "realloc, shrinking", size);
    for (size_t i = 0; i < BLOCKS; i++)
        free(blocks[i]);
    for (size_t i = 0; i < BLOCKS; i++)
        check(blocks[i] = calloc(1, size), "calloc", size);
    for (size_t i = 0; i < BLOCKS; i++)
        free(blocks[i]);
    for (size_t i = 0; i < BLOCKS; i++)
        check(blocks[i] = memalign(sizeof(void *), size), "memalign", size);
    for (size_t i = 0; i < BLOCKS; i++)
        free(blocks[i]);
}

static void *look_at_all(void *unused)
{
    for (size_t size = 0; size <= 40; size++)
        look_at(size);
    return unused;
}

int main(void)
{
    pthread_t thread;

    look_at_all(NULL);
    if (pthread_create(&thread, NULL, look_at_all, NULL) != 0)
        return 1;
    pthread_join(thread, NULL);
    return failures != 0;
}
