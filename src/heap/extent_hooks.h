/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What jemalloc calls for memory: its regions come from a space, its metadata from anonymous maps.
 *
 * jemalloc's extents take these ways through the hooks:
 *
 *    alloc      a region, as large as jemalloc wants to grow, without file space
 *    commit     file space for the part of a region that jemalloc is about to use
 *    decommit   the file space of a part that has not been used for the decay time
 *    dalloc     there is none: part of a region must never go, or extents of two arenas could
 *               merge; regions go when the space does
 *    merge      within a region only
 *
 * jemalloc's convention for results is that true means failure; it stays in this file.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include <jemalloc/jemalloc.h>

struct space;

/*
 * Regions begin at multiples of a chunk. Where a file must not become long (RLIMIT_FSIZE), what
 * blocks of 5 MiB leave between them would be a sixth of it. So one region is for a row of blocks
 * of an arena, and these are handed out one by one.
 */
struct region_row {
    unsigned arena;
    char *next;   /* place in the row, */
    size_t size;  /* as large, */
    size_t count; /* and how many of them are left */
};

#define REGION_ROWS 16

/* The hooks of one heap: jemalloc hands them back to each call, which finds the space from them. */
struct extent_hooks {
    extent_hooks_t table;
    struct space *space;
    bool hold;            /* never give file space back */
    pthread_mutex_t lock; /* guards the rows */
    struct region_row rows[REGION_ROWS];
};

/* 0, or -errno. */
int extent_hooks_init(struct extent_hooks *hooks, struct space *space, bool hold);

/* The arenas that had the hooks are gone. */
void extent_hooks_end(struct extent_hooks *hooks);

/* In the child of a fork: makes the lock anew. */
void extent_hooks_adopt(struct extent_hooks *hooks);

/*
 * To be called before this thread asks jemalloc for a block of this size and alignment: forgets
 * what failed the last time. Who goes on to another arena for the same block need not know whether
 * there was room for it in a new region.
 */
void extent_hooks_begin(size_t size, size_t alignment);

/* Hooks for jemalloc's metadata: private anonymous memory, unmapped when the arena ends. */
extern extent_hooks_t extent_hooks_metadata;

/* In the child of a fork. */
void metadata_hooks_after_fork(void);
