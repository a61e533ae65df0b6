/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One kind's heap: its arenas over its space, the threads' caches in front of them, and the record
 * of a shortage of space.
 *
 * heap.c allocates and frees; heap_life.c creates, destroys and sets; shortage.h is what happens
 * when there is no room, heap_unused.h what is done about unused memory, heap_stats.h the counters.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heap/arena_set.h"
#include "heap/block_source.h"
#include "heap/extent_hooks.h"
#include "heap/heap_list.h"
#include "heap/page_blocks.h"
#include "heap/range_hooks.h"
#include "heap/shortage.h"
#include "heap/size_class.h"
#include "heap/thread_caches.h"
#include "util/fork_child.h"
#include "util/fork_generation.h"

struct space;

struct heap {
    struct arena_set arenas;
    struct extent_hooks hooks;      /* where the space has regions */
    struct range_hooks range_hooks; /* where it is a range */
    struct space *space;            /* NULL where the caller's hooks provide the memory */
    struct block_source source;     /* of the caches: the arenas */
    struct thread_caches caches;
    struct page_blocks page_blocks;
    struct shortage shortage;
    atomic_size_t cached_bytes;    /* in caches and page_blocks at the last heap_stats_update() */
    atomic_size_t free_page_bytes; /* in page_blocks alone, at the same time */
    atomic_uint generation;        /* fork_generation, when the heap was created or adopted */
    struct heap_list_entry entry;
    size_t unused_before;  /* bytes that no block used at the idle thread's last check */
    unsigned quiet_checks; /* checks of the idle thread in a row that found the same number */
    atomic_size_t settled; /* unused bytes that the idle thread has given up releasing */
};

/*
 * Initializes a heap of up to `slots` arenas, a power of two, over the space, or, where that is
 * NULL, over hooks; either outlives the heap. hold: file space is never returned. 0; -EAGAIN where
 * jemalloc has no arena left, -ENOMEM, or another -errno.
 */
int heap_init(struct heap *heap, struct space *space, extent_hooks_t *hooks, unsigned slots,
              bool hold);

/* Destroys the heap with all of its blocks. No other thread uses the heap. The space stays. */
void heap_destroy(struct heap *heap);

static inline bool heap_is_of_generation(const struct heap *heap, unsigned generation)
{
    /* A report may read while another thread adopts the heap. */
    return atomic_load_explicit(&heap->generation, memory_order_acquire) == generation;
}

/*
 * Whether an ancestor of this process created the heap, and this process has not adopted the heap:
 * then it must be neither used nor counted, only adopted or destroyed. In a child, adopts the heaps
 * that the child has a copy of.
 */
static inline bool heap_is_inherited(const struct heap *heap)
{
    if (__builtin_expect(heap_is_of_generation(heap, fork_generation), 1))
        return false;
    fork_child_finish();
    return !heap_is_of_generation(heap, fork_generation);
}

/*
 * Around the fork(2) of a process with one thread. Before: fills the thread's caches for the child,
 * as child_needs.h has it. In the child: the thread keeps its caches of heaps whose memory is the
 * child's own, and has none of the others.
 */
void heap_fill_caches_for_child(void);
void heap_keep_own_caches(void);

/*
 * Makes an inherited heap this process's own: its memory is a copy of the ancestor's. Where the
 * ancestor had several threads, the blocks in their caches are lost.
 */
void heap_adopt(struct heap *heap);

/*
 * A block of size bytes; alignment is a power of two or 0, size is not 0. NULL with errno ENOMEM;
 * otherwise errno is unchanged. Thread-safe, as are all functions below.
 */
void *heap_alloc(struct heap *heap, size_t size, size_t alignment, bool zero);

/*
 * Resizes the block at ptr, of this heap, to size, which is not 0; the block may move. NULL with
 * errno ENOMEM: the block is unchanged.
 */
void *heap_realloc(struct heap *heap, void *ptr, size_t size);

/* Frees the block at ptr, of this heap. */
void heap_free(struct heap *heap, void *ptr);

/* A new block of an arena, of size bytes; NULL with errno ENOMEM. For heap_source.c. */
void *heap_alloc_in_arena(struct heap *heap, size_t size);

/* heap_alloc() without alignment and heap_free(), past the threads' caches. */
void *heap_alloc_uncached(struct heap *heap, size_t size);
void heap_free_uncached(struct heap *heap, void *ptr);

/* The usable size of the block at ptr, of any heap. */
size_t heap_usable_size(const void *ptr);

/*
 * Moves the block within its arena if that reduces fragmentation, and returns the new block; else
 * NULL. heap is the block's; NULL where the block is in none.
 */
void *heap_move(struct heap *heap, void *ptr);

/*
 * Conservative: free pages are returned at once, and no page is committed ahead of need. Else they
 * are returned after ten seconds. 0 or -errno.
 */
int heap_set_conservative(struct heap *heap, bool conservative);
