/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Freed blocks of one, two or three whole pages.
 *
 * jemalloc has a record of 128 bytes in DRAM for each slab, and by default a slab for each such
 * block. So the slabs of these classes are larger. But jemalloc returns the pages of a slab when
 * all of its blocks are free, and the pages of each of these blocks are to be returned after the
 * decay time, or at once under the CONSERVATIVE policy. So these blocks do not go back to jemalloc,
 * and a slab is taken from jemalloc whole. Free blocks are kept here, in two states:
 *
 *    dirty   the pages are committed
 *    clean   the pages are decommitted; committed again before the block is handed out
 *
 *    put --> dirty --decay time, purge, or at once if the space is `exact`--> clean
 *              |                                                                |
 *              +----------------------------> take <----------------------------+
 *
 * `lock` guards the stacks, and is held for no system call.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heap/size_class.h"
#include "util/decay.h"

struct space;

#define PAGE_BLOCKS_PAGE    ((size_t)4096)
#define PAGE_BLOCKS_LARGEST (3 * PAGE_BLOCKS_PAGE)
#define PAGE_BLOCKS_CLASSES (PAGE_BLOCKS_LARGEST / PAGE_BLOCKS_PAGE)

/* jemalloc's slabs for these classes, for malloc_conf. */
#define PAGE_BLOCKS_SLAB_SIZES "4096-4096:8|8192-8192:8|12288-12288:6"
#define PAGE_BLOCKS_IN_SLAB    ((size_t)8) /* at most */

struct page_stack {
    void **blocks;   /* clean ones, then dirty ones, the oldest first */
    size_t clean;    /* number of clean blocks */
    size_t count;    /* number of all blocks in the stack */
    size_t total;    /* the same, and the blocks that are being decommitted or committed */
    size_t capacity; /* at least total */
    size_t low;      /* the fewest dirty blocks since the last page_blocks_age() */
    size_t lows[DECAY_SECONDS]; /* the fewest in each of the seconds before */
};

struct page_blocks {
    struct space *space;       /* NULL: none are kept */
    pthread_mutex_t lock;      /* guards the stacks */
    pthread_mutex_t slab_lock; /* held while a slab is taken from jemalloc */
    struct page_stack stacks[PAGE_BLOCKS_CLASSES];
    unsigned second;           /* index of the next of `lows` */
    int64_t aged_at;           /* time of the last page_blocks_age(), in seconds */
    atomic_size_t bytes;       /* in all blocks */
    atomic_size_t clean_bytes; /* in clean blocks */
};

/*
 * Blocks are kept where the space has pages of PAGE_BLOCKS_PAGE bytes and many addresses. space:
 * NULL where the heap has none, or never returns file space; outlives *blocks. 0 or -errno.
 */
int page_blocks_init(struct page_blocks *blocks, struct space *space);

/* The blocks end with their arenas. No other thread uses *blocks. */
void page_blocks_destroy(struct page_blocks *blocks);

/*
 * In the child of a fork: keeps the blocks that no other thread was moving. Forgets all blocks if
 * another thread held the lock.
 */
void page_blocks_adopt(struct page_blocks *blocks);

/* Whether blocks of the class are kept. size_class may be 0, of which none are. */
static inline bool page_blocks_keep(const struct page_blocks *blocks, unsigned size_class)
{
    size_t size = size_class_size(size_class);

    return blocks->space != NULL && size - 1 < PAGE_BLOCKS_LARGEST && size % PAGE_BLOCKS_PAGE == 0;
}

/*
 * Takes blocks of a class that is kept. False where there is no memory for their addresses, or the
 * store never returns pages: then the blocks are jemalloc's to free. Thread-safe, as are all
 * functions below.
 */
bool page_blocks_put(struct page_blocks *blocks, unsigned size_class, void *const *freed,
                     size_t count);

/* Stores up to `wanted` blocks of a class that is kept, committed, and returns how many. */
size_t page_blocks_take(struct page_blocks *blocks, unsigned size_class, void **taken,
                        size_t wanted);

/* Decommits the blocks that have been dirty for the decay time. Called about once a second. */
void page_blocks_age(struct page_blocks *blocks);

/* Decommits all dirty blocks. */
void page_blocks_purge(struct page_blocks *blocks);

/* Bytes in all blocks, and in clean ones. Approximate while other threads use *blocks. */
static inline size_t page_blocks_bytes(const struct page_blocks *blocks)
{
    return atomic_load_explicit(&blocks->bytes, memory_order_relaxed);
}

static inline size_t page_blocks_clean_bytes(const struct page_blocks *blocks)
{
    return atomic_load_explicit(&blocks->clean_bytes, memory_order_relaxed);
}
