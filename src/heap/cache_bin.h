/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bin of a thread's cache: a stack of blocks of one size class, in the cache's slots.
 *
 * A bin has room for a few blocks at first, and for more as it grows. The slots of all small bins
 * are adjacent; a bin that has grown has a place of its own. So a thread that does little touches
 * few of its cache's pages. The caller of each function holds the cache's lock, and the cache's
 * owner is not on the fast path, except where a function says otherwise.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>

#include "heap/size_class.h"

/*
 * The limits of an open bin are the slot of the oldest block, and that slot plus the bin's present
 * capacity. A closed bin has them exchanged, so that the owner's comparisons find no block below
 * `top` and no room above. A bin of zeros is closed.
 */
struct cache_bin {
    _Atomic(void **) top;  /* behind the newest block */
    _Atomic(void **) low;  /* a block can be popped where top > low */
    _Atomic(void **) high; /* a block can be pushed where top < high */
};

/* The most blocks, and the most bytes in blocks, that a bin holds. */
#define CACHE_BIN_BLOCKS ((size_t)512)
#define CACHE_BIN_BYTES  ((size_t)64 << 10)

/* Computes the places of all bins. After size_class_init(), before the first cache. */
void cache_bin_lay_out(void);

/* The number of slots of a cache. */
size_t cache_bin_slots(void);

/* Makes the bin of the class empty, small and closed. slots are the cache's. */
void cache_bin_reset(struct cache_bin *bin, unsigned size_class, void **slots);

/* Doubles an open bin's capacity, up to its limit, and keeps its blocks. */
void cache_bin_grow(struct cache_bin *bin, unsigned size_class, void **slots);

/* Closes an open bin to its owner, who may be on the fast path. */
void cache_bin_close(struct cache_bin *bin);

/* Opens a closed bin. Called by the owner. */
void cache_bin_open(struct cache_bin *bin);

/* The slot of the oldest block. */
static inline void **cache_bin_base(const struct cache_bin *bin)
{
    void **low = atomic_load_explicit(&bin->low, memory_order_relaxed);
    void **high = atomic_load_explicit(&bin->high, memory_order_relaxed);

    return low < high ? low : high;
}

/* The present capacity. */
static inline size_t cache_bin_capacity(const struct cache_bin *bin)
{
    void **low = atomic_load_explicit(&bin->low, memory_order_relaxed);
    void **high = atomic_load_explicit(&bin->high, memory_order_relaxed);

    return (size_t)(low < high ? high - low : low - high);
}

/* Approximate while the owner is on the fast path. */
static inline size_t cache_bin_count(const struct cache_bin *bin)
{
    return (size_t)(atomic_load_explicit(&bin->top, memory_order_relaxed) - cache_bin_base(bin));
}

/* Pushes the blocks, for which there is room. */
void cache_bin_push(struct cache_bin *bin, void *const *blocks, size_t count);

/* The same, the last block first, so that the blocks are popped in the order of the array. */
void cache_bin_push_reversed(struct cache_bin *bin, void *const *blocks, size_t count);

/* Removes the oldest blocks, which are the least likely to be in a processor's cache. */
void cache_bin_take_oldest(struct cache_bin *bin, void **blocks, size_t count);
