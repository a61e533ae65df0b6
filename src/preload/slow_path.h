/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests for which the thread has no fast path: each chooses the heap, counts, and falls back to
 * libc's heap.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "memkind.h"
#include "memkind/internal/memkind_arena.h"
#include "preload/preload.h"
#include "util/hot.h"

/* Names of libc's heap functions, which libc exports like __libc_malloc(). */
extern void *__libc_calloc(size_t num, size_t size);
extern void *__libc_realloc(void *ptr, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *ptr);

struct request {
    const void *caller;
    size_t size;
    size_t alignment; /* a power of two, or 0 */
    bool zero;
    bool uncached; /* for a block to which another one is moved; neither aligned nor zero */
};

/* As memkind_detect_kind(); NULL with another libmemkind, which serves nothing here. */
static inline memkind_t detect(void *ptr)
{
    return LIKELY(memkind_arena_free_or != NULL) ? memkind_detect_kind(ptr) : NULL;
}

/* Returns our kind of the block; NULL: the block is libc's, or of a kind of the program. */
static inline memkind_t kind_of(void *ptr)
{
    memkind_t kind = detect(ptr);

    return preload_has(kind) ? kind : NULL;
}

static inline size_t block_size(size_t size)
{
    return size < PRELOAD_LEAST_BLOCK ? PRELOAD_LEAST_BLOCK : size;
}

/* Returns the usable size of a block of this kind; NULL: the block is libc's. */
size_t slow_usable_size(void *ptr, memkind_t kind);

/* As malloc(3), calloc(3) and memalign(3). */
void *slow_alloc(const struct request *request);
void *slow_malloc(size_t size, const void *caller);

/* As free(3). */
void slow_free(void *ptr);

/* As realloc(3), with the caller and the size of the request. */
void *slow_realloc(void *ptr, const struct request *request);
