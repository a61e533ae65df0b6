/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One kind's heap: its arenas over its space, caches for threads in front of them, and what happens
 * when there is no room.
 *
 * Before an allocation fails, the caches of all threads are emptied, the unused pages of all arenas
 * are given back and every arena is asked; and if it is the store that has no room, other heaps
 * over the same store give back what they do not use. That is worth doing again only when a block
 * has been freed since, or others may have given something back to the store. So the sizes that
 * were refused in vain are noted, by class; a free makes all of them worth a try again, and so do
 * some milliseconds where the limit is not the heap's own. From the moment that there is no room
 * until the next free, threads keep no blocks, so that this free is seen; while there is room,
 * threads only read what says so, and share no written line.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heap/arena_set.h"
#include "heap/extent_hooks.h"
#include "heap/heap_list.h"
#include "heap/range_hooks.h"
#include "heap/size_class.h"
#include "heap/thread_cache.h"
#include "util/fork_generation.h"

struct space;

/* A bit for each class of sizes: four in each doubling of an address's 64 bits. */
#define HEAP_REFUSED_WORDS 4

/* When a thread has given so many bytes to arenas, it looks whether a heap holds much unused. */
#define HEAP_CONSIDER_EVERY ((size_t)256 << 10)

struct heap {
    struct arena_set arenas;
    struct extent_hooks hooks;      /* where the space has regions */
    struct range_hooks range_hooks; /* where it is a range */
    struct space *space;            /* NULL where the caller's hooks provide the memory */
    _Atomic uint64_t refused[HEAP_REFUSED_WORDS]; /* classes of sizes that were asked for in vain */
    atomic_long refused_at;                       /* when the first of them was, in milliseconds */
    atomic_ulong frees_before;                    /* that came while there was no room */
    atomic_ulong retries; /* of allocations that found no room, when all unused was given back */
    atomic_bool has_fallback; /* of the program's: what is unused is not looked for each time, */
    atomic_long searched_at;  /* but that was done then, in milliseconds */
    pthread_mutex_t reclaim_lock; /* held while everything unused is given back */
    struct thread_caches caches;
    atomic_size_t cached_bytes; /* in caches when the counters were last brought up to date */
    atomic_uint generation;     /* fork_generation, when the heap was made or adopted */
    struct heap_list_entry entry;
    size_t unused_before;  /* bytes that no block used at the last look of the idle thread, */
    unsigned quiet_checks; /* and how many looks before it saw the same */
    atomic_size_t settled; /* bytes that do not come back, however long nothing happens */
};

/*
 * Makes a heap of up to `slots` arenas, a power of two, over the space, or, where that is NULL,
 * over hooks; either outlives it. hold: file space is never given back. 0; -EAGAIN where there is
 * no arena, -ENOMEM.
 */
int heap_init(struct heap *heap, struct space *space, extent_hooks_t *hooks, unsigned slots,
              bool hold);

/* Ends the heap with all of its blocks. No other thread uses it any more. The space stays. */
void heap_destroy(struct heap *heap);

/*
 * Whether the heap was made by an ancestor of this process and not adopted since: then it must be
 * neither used nor counted, only adopted or destroyed.
 */
static inline bool heap_is_inherited(const struct heap *heap)
{
    /* A report may be looking while another thread adopts the heap. */
    return atomic_load_explicit(&heap->generation, memory_order_acquire) != fork_generation;
}

/*
 * Makes an inherited heap this process's own: its memory is a copy of what the ancestor has. What
 * the ancestor's threads kept in caches is lost.
 */
void heap_adopt(struct heap *heap);

/*
 * A block of size bytes; alignment is a power of two or 0, size is not 0. NULL with errno ENOMEM;
 * otherwise errno is unchanged. Thread-safe, as are all below.
 */
void *heap_alloc(struct heap *heap, size_t size, size_t alignment, bool zero);

/* The block at ptr, of this heap, grown or shrunk to size, not 0; NULL with errno ENOMEM and ptr as
 * it was. */
void *heap_realloc(struct heap *heap, void *ptr, size_t size);

/* Frees the block at ptr, of this heap. */
void heap_free(struct heap *heap, void *ptr);

/* heap_alloc() without alignment and heap_free(), past the threads' caches. */
void *heap_alloc_uncached(struct heap *heap, size_t size);
void heap_free_uncached(struct heap *heap, void *ptr);

/* The sum of numbers of the heap's arenas, stats.arenas.<i>.NAME of jemalloc(3). */
uint64_t heap_sum(const struct heap *heap, const char *name);

/* The usable size of the block at ptr, of any heap. */
size_t heap_usable_size(const void *ptr);

/*
 * Moves the block within its arena where that helps against fragmentation; else NULL. The default
 * heap is NULL.
 */
void *heap_move(struct heap *heap, void *ptr);

/*
 * The program has other memory for what the heap has no room for: then an allocation that finds no
 * room may be refused at once, though threads keep blocks, if one has looked everywhere lately.
 */
void heap_set_fallback(struct heap *heap, bool has_fallback);

/* Conservative: free pages go back at once, and only what is needed is committed. Else after ten
 * seconds. */
int heap_set_conservative(struct heap *heap, bool conservative);

/* Gives back what no block uses, now. What another thread is giving back at this moment may take
 * longer. */
void heap_purge(struct heap *heap);

/* Whether what is unused can go back, some time or other. */
bool heap_can_release(const struct heap *heap);

/*
 * Bytes in pages that were handed out and that no block uses, at about this time. Of a heap that
 * can give back. Takes no lock.
 */
size_t heap_unused_bytes(const struct heap *heap);

/*
 * Tells caches and arenas that time has passed, so that they give back what has been unused for
 * long enough. Whether there may be more to give back later. For one thread, the idle thread.
 */
bool heap_maintain(struct heap *heap);

/* Whether the heap holds so much that no block uses that the idle thread is worth its price. */
bool heap_has_much_unused(const struct heap *heap);

/* Notes what the caches hold now, for heap_stats(). */
void heap_update_stats(struct heap *heap);

/* The counters of the heap as of the last update. 0 or -errno. */
int heap_stats(const struct heap *heap, struct jemalloc_stats *stats);
