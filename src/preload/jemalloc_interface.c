/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * jemalloc's own functions for blocks, for programs that are linked with their system's
 * libjemalloc: since malloc(3) is this library's, these must be too. The heap chooses arenas and
 * thread caches: flags that select them have no effect. But a caller that excludes the cache moves
 * blocks to reduce memory: see utilization.c. mallctl(3) is in mallctl.c.
 *
 * A program that keeps its allocator also keeps that one's functions: then the next library's are
 * called.
 */
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "preload/preload.h"

/* From jemalloc(3): the logarithm of the alignment, and whether bytes must be zero. */
#define FLAG_LG_ALIGN_MASK 0x3f
#define FLAG_ZERO          0x40
#define FLAG_CACHE_MASK    0xfff00 /* the index of a cache plus two, */
#define FLAG_NO_CACHE      0x100   /* or none */

EXPORT void *mallocx(size_t size, int flags);
EXPORT void *rallocx(void *ptr, size_t size, int flags);
EXPORT size_t xallocx(void *ptr, size_t size, size_t extra, int flags);
EXPORT size_t sallocx(const void *ptr, int flags);
EXPORT size_t nallocx(size_t size, int flags);
EXPORT void dallocx(void *ptr, int flags);
EXPORT void sdallocx(void *ptr, size_t size, int flags);

static size_t alignment_of(int flags)
{
    return (size_t)1 << (flags & FLAG_LG_ALIGN_MASK);
}

static bool is_uncached(int flags)
{
    return (flags & FLAG_CACHE_MASK) == FLAG_NO_CACHE;
}

void *mallocx(size_t size, int flags)
{
    __typeof__(mallocx) *next = PRELOAD_NEXT(mallocx);

    if (next != NULL)
        return next(size, flags);
    bool zero = (flags & FLAG_ZERO) != 0;
    size_t alignment = alignment_of(flags);
    if (alignment <= PRELOAD_LEAST_BLOCK && is_uncached(flags) && !zero)
        return preload_malloc_uncached(size, CALLER());
    if (alignment <= PRELOAD_LEAST_BLOCK)
        return zero ? calloc(1, size) : malloc(size);
    void *block = memalign(alignment, size);
    return zero && block != NULL ? memset(block, 0, size) : block;
}

/* Moves a block to another size, with an alignment that realloc(3) would not keep. */
static void *move_aligned(void *ptr, size_t size, size_t alignment)
{
    size_t before = malloc_usable_size(ptr);
    void *block = memalign(alignment, size);

    if (block != NULL) {
        memcpy(block, ptr, before < size ? before : size);
        free(ptr);
    }
    return block;
}

void *rallocx(void *ptr, size_t size, int flags)
{
    __typeof__(rallocx) *next = PRELOAD_NEXT(rallocx);

    if (next != NULL)
        return next(ptr, size, flags);
    size_t alignment = alignment_of(flags);
    size_t before = malloc_usable_size(ptr);
    void *block =
        alignment <= PRELOAD_LEAST_BLOCK ? realloc(ptr, size) : move_aligned(ptr, size, alignment);
    if (block != NULL && (flags & FLAG_ZERO) != 0 && size > before)
        memset((char *)block + before, 0, size - before);
    return block;
}

/* No block is resized in place: returns the size that the block keeps. */
size_t xallocx(void *ptr, size_t size, size_t extra, int flags)
{
    __typeof__(xallocx) *next = PRELOAD_NEXT(xallocx);

    if (next != NULL)
        return next(ptr, size, extra, flags);
    return malloc_usable_size(ptr);
}

size_t sallocx(const void *ptr, int flags)
{
    __typeof__(sallocx) *next = PRELOAD_NEXT(sallocx);

    if (next != NULL)
        return next(ptr, flags);
    return malloc_usable_size((void *)(uintptr_t)ptr);
}

/*
 * Returns the size of a request's class: multiples of the least block up to eight of them, then
 * four classes in each doubling. 0: too large.
 */
static size_t class_size(size_t size)
{
    enum { CLASSES_LOG2 = 2 };

    if (size <= PRELOAD_LEAST_BLOCK)
        return PRELOAD_LEAST_BLOCK;
    if (size > PTRDIFF_MAX)
        return 0;
    size_t power =
        (size_t)1 << (63 - __builtin_clzll(size - 1)); /* the largest power of two below the size */
    size_t step = power >> CLASSES_LOG2;
    if (step < PRELOAD_LEAST_BLOCK)
        step = PRELOAD_LEAST_BLOCK;
    return (size + step - 1) & ~(step - 1);
}

size_t nallocx(size_t size, int flags)
{
    __typeof__(nallocx) *next = PRELOAD_NEXT(nallocx);

    if (next != NULL)
        return next(size, flags);
    size_t alignment = alignment_of(flags);
    if (alignment > PRELOAD_LEAST_BLOCK) {
        if (__builtin_add_overflow(size, alignment - 1, &size))
            return 0;
        size &= ~(alignment - 1);
    }
    return class_size(size);
}

void dallocx(void *ptr, int flags)
{
    __typeof__(dallocx) *next = PRELOAD_NEXT(dallocx);

    if (next != NULL)
        next(ptr, flags);
    else if (is_uncached(flags))
        preload_free_uncached(ptr);
    else
        free(ptr);
}

void sdallocx(void *ptr, size_t size, int flags)
{
    __typeof__(sdallocx) *next = PRELOAD_NEXT(sdallocx);

    if (next != NULL)
        next(ptr, size, flags);
    else if (is_uncached(flags))
        preload_free_uncached(ptr);
    else
        free(ptr);
}
