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

#include <stdbool.h>

#include <jemalloc/jemalloc.h>

struct space;

/* The hooks of one heap: jemalloc hands them back to each call, which finds the space from them. */
struct extent_hooks {
    extent_hooks_t table;
    struct space *space;
    bool hold; /* never give file space back */
};

void extent_hooks_init(struct extent_hooks *hooks, struct space *space, bool hold);

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
