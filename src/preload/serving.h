/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which kinds serve the process's malloc, and how they are asked: what a setting chooses.
 *
 * The functions are called with the calling thread BUSY (preload.h), so that what they allocate
 * for themselves is libc's. They return NULL where there is no room.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "memkind.h"

#define SERVING_MOST_KINDS 16

struct serving {
    memkind_t kinds[SERVING_MOST_KINDS]; /* that blocks may be of */
    unsigned count;

    /*
     * The fast way of threads that may ask for all sizes: called without further ado once the
     * thread has had a block by the functions below. The first two get the thread's own kind, the
     * last one that of the block. NULL: there is no fast way.
     */
    void *(*fast_malloc)(memkind_t own, size_t size);
    void *(*fast_calloc)(memkind_t own, size_t num, size_t size);
    void (*fast_free)(memkind_t kind, void *ptr);
    bool fast_frees_all; /* for blocks of all kinds; else for those of the thread's own */

    /* Called before a thread's first block, and in the child of a fork again; or NULL. */
    void (*begin_thread)(void);
    void *(*malloc)(size_t size);
    void *(*calloc)(size_t size); /* all bytes are zero */
    void *(*memalign)(size_t alignment, size_t size);
    /* For a block of one of the kinds. */
    void *(*realloc)(memkind_t kind, void *ptr, size_t size);
    void (*free)(memkind_t kind, void *ptr);
    /* The same as malloc and free, past the thread's cache where there is one. */
    void *(*malloc_uncached)(size_t size);
    void (*free_uncached)(memkind_t kind, void *ptr);
};

/* One kind, by the functions of memkind(3). */
struct serving serving_by_kind(memkind_t kind);

/* The fast way of a thread is to call the operations of its own kind, as those of this one are. */
void serving_be_fast(struct serving *serving, memkind_t kind);
