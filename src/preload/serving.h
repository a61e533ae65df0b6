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
    bool fast; /* a thread may call the operations of its own kind; they are the same for all */

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
