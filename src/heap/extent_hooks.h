/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hooks by which jemalloc's arenas get memory from a space.
 *
 *    alloc      reserves a region, as large as jemalloc grows by, without file space
 *    commit     takes file space for the part of a region that jemalloc is about to use
 *    decommit   returns the file space of a part that was unused for the decay time
 *    dalloc     does not exist: if a part of a region were returned, extents of two arenas could
 *               become adjacent and merge; regions end with the space
 *    merge      succeeds within a region only
 *
 * The hooks return true for failure, as jemalloc expects.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include <jemalloc/jemalloc.h>

struct space;

/*
 * Regions begin at multiples of a chunk. Where a file must not become long (RLIMIT_FSIZE), the gaps
 * between regions for blocks of 5 MiB would be a sixth of the file. So one region is a row of
 * places for blocks of one size and arena, which the hooks hand out one by one.
 */
struct region_row {
    unsigned arena;
    char *next;   /* the next place in the row */
    size_t size;  /* bytes in a place */
    size_t count; /* places that are left */
};

#define REGION_ROWS 16

/* The hooks of one heap. jemalloc passes the table to each hook, which finds the space by it. */
struct extent_hooks {
    extent_hooks_t table;
    struct space *space;
    bool hold;            /* never return file space */
    pthread_mutex_t lock; /* guards the rows */
    struct region_row rows[REGION_ROWS];
};

/* hold: file space is never returned. 0 or -errno. */
int extent_hooks_init(struct extent_hooks *hooks, struct space *space, bool hold);

/* After the arenas that used the hooks were destroyed. */
void extent_hooks_fini(struct extent_hooks *hooks);

/* In the child of a fork: initializes the lock anew. */
void extent_hooks_adopt(struct extent_hooks *hooks);

/*
 * Called before this thread requests a block of this size and alignment from jemalloc: forgets what
 * failed the last time. Not called before a request for the same block from another arena: if there
 * was no store for a new region, that arena does not try a new region either.
 */
void extent_hooks_begin(size_t size, size_t alignment);

/* Hooks of jemalloc that permit each split, and each merge: they return false. */
bool extent_hooks_split(extent_hooks_t *table, void *addr, size_t size, size_t size_a,
                        size_t size_b, bool committed, unsigned arena);
bool extent_hooks_merge(extent_hooks_t *table, void *addr_a, size_t size_a, void *addr_b,
                        size_t size_b, bool committed, unsigned arena);
