/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bin of a thread's cache: a stack of blocks of one size class, in the cache's slots.
 *
 * A bin has room for a few blocks at first, and for more as it grows. The slots of all small bins
 * are adjacent; a bin that has grown has a place of its own. So a thread that does little touches
 * few of its cache's pages. The caller of each function holds the cache's lock, and the cache's
 * owner is not on the fast path.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>

#include "heap/size_class.h"

struct cache_bin {
    _Atomic(void **) top; /* behind the newest block */
    void **base;          /* the oldest block */
    void **end;           /* base + the bin's present capacity */
};

/* A bin holds at most so many blocks, and at most 64 KiB. */
#define CACHE_BIN_BLOCKS ((size_t)256)

/* Computes the places of all bins. After size_class_init(), before the first cache. */
void cache_bin_lay_out(void);

/* The number of slots of a cache. */
size_t cache_bin_slots(void);

/* Makes the bin of the class empty and small. slots are the cache's. */
void cache_bin_reset(struct cache_bin *bin, unsigned size_class, void **slots);

/* Doubles the bin's capacity, up to its limit, and keeps its blocks. */
void cache_bin_grow(struct cache_bin *bin, unsigned size_class, void **slots);

static inline size_t cache_bin_count(const struct cache_bin *bin)
{
    return (size_t)(atomic_load_explicit(&bin->top, memory_order_relaxed) - bin->base);
}

/* Pushes the blocks, for which there is room. */
void cache_bin_push(struct cache_bin *bin, void *const *blocks, size_t count);

/* The same, the last block first, so that the blocks are popped in the order of the array. */
void cache_bin_push_reversed(struct cache_bin *bin, void *const *blocks, size_t count);

/* Removes the oldest blocks, which are the least likely to be in a processor's cache. */
void cache_bin_take_oldest(struct cache_bin *bin, void **blocks, size_t count);
