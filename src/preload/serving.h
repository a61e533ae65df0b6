/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kinds that serve the process's malloc, and how they are called. Each setting fills in its
 * own.
 *
 * The functions are called with the calling thread BUSY (preload.h), so that their own allocations
 * are libc's. NULL: there is no room.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "memkind.h"

#define SERVING_MOST_KINDS 16

struct serving {
    memkind_t kinds[SERVING_MOST_KINDS]; /* the kinds of the blocks */
    unsigned count;

    /*
     * The fast path of threads that may request all sizes: called directly once the thread has had
     * a block from the functions below. The first two get the thread's own kind, the last one that
     * of the block. NULL: no fast path.
     */
    void *(*fast_malloc)(memkind_t own, size_t size);
    void *(*fast_calloc)(memkind_t own, size_t num, size_t size);
    void (*fast_free)(memkind_t kind, void *ptr);
    bool fast_frees_all; /* for blocks of all kinds; otherwise for those of the thread's own */

    /* Called before a thread's first block, and again in the child of a fork; may be NULL. */
    void (*begin_thread)(void);
    void *(*malloc)(size_t size);
    void *(*calloc)(size_t size); /* all bytes are zero */
    void *(*memalign)(size_t alignment, size_t size);
    /* For a block of one of the kinds. */
    void *(*realloc)(memkind_t kind, void *ptr, size_t size);
    void (*free)(memkind_t kind, void *ptr);
    /* As malloc and free, but bypass the thread's cache if there is one. */
    void *(*malloc_uncached)(size_t size);
    void (*free_uncached)(memkind_t kind, void *ptr);
};

/* Whether the kind has one heap. A kind on memory nodes has a heap for each set of nodes. */
bool serving_has_one_heap(memkind_t kind);

/* One kind, by the functions of memkind(3). */
struct serving serving_by_kind(memkind_t kind);

/*
 * Sets the fast path: threads call the operations of their own kind, which are those of this one.
 */
void serving_be_fast(struct serving *serving, memkind_t kind);
