/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bin of a thread's cache: a stack of blocks of one size class, in slots that the cache brings
 * along.
 *
 * A bin holds a few blocks at first, and more as it grows. The slots for a few blocks are close
 * together for all bins of a cache; a bin that has grown has a place of its own. So a thread that
 * does little touches few of its cache's pages. Whoever calls holds the cache's lock, and the owner
 * is not on its fast way.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>

#include "heap/size_class.h"

struct cache_bin {
    _Atomic(void **) top; /* behind the newest block */
    void **base;          /* the oldest block is here */
    void **end;           /* base + how many blocks there may be at present */
};

/* Most that a bin holds, besides 64 KiB. */
#define CACHE_BIN_BLOCKS ((size_t)256)

/* Decides on the places of all bins. After size_class_init(), before the first cache. */
void cache_bin_lay_out(void);

/* How many slots a cache needs. */
size_t cache_bin_slots(void);

/* Makes the bin of the class empty and small. slots are its cache's. */
void cache_bin_reset(struct cache_bin *bin, unsigned size_class, void **slots);

/* Makes the bin larger, if it may be, with the blocks that it has. */
void cache_bin_grow(struct cache_bin *bin, unsigned size_class, void **slots);

static inline size_t cache_bin_count(const struct cache_bin *bin)
{
    return (size_t)(atomic_load_explicit(&bin->top, memory_order_relaxed) - bin->base);
}

/* There is room for them. */
void cache_bin_push(struct cache_bin *bin, void *const *blocks, size_t count);

/* The same, the last of the blocks first, so that they are popped in their order. */
void cache_bin_push_reversed(struct cache_bin *bin, void *const *blocks, size_t count);

/* Takes the oldest blocks out: they are the least likely to be in a processor's cache. */
void cache_bin_take_oldest(struct cache_bin *bin, void **blocks, size_t count);
