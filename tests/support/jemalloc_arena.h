/* SPDX-License-Identifier: BSD-2-Clause */
/* An arena of jemalloc over anonymous memory, whose hooks count their calls. Include once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include <jemalloc/jemalloc.h>

#include "heap/jemalloc_ctl.h"
#include "heap/metadata_hooks.h"
#include "support/anonymous_extent.h"

static unsigned region_allocs;
static unsigned decommits;

static void *region_alloc(extent_hooks_t *hooks, void *addr, size_t size, size_t alignment,
                          bool *zero, bool *commit, unsigned arena)
{
    (void)hooks;
    (void)arena;
    region_allocs++;
    if (addr != NULL)
        return NULL;
    *zero = true;
    *commit = true;
    return anonymous_extent(size, alignment);
}

static bool region_decommit(extent_hooks_t *hooks, void *addr, size_t size, size_t offset,
                            size_t length, unsigned arena)
{
    (void)hooks;
    (void)size;
    (void)arena;
    decommits++;
    return madvise((char *)addr + offset, length, MADV_DONTNEED) != 0;
}

static bool region_commit(extent_hooks_t *hooks, void *addr, size_t size, size_t offset,
                          size_t length, unsigned arena)
{
    (void)hooks;
    (void)addr;
    (void)size;
    (void)offset;
    (void)length;
    (void)arena;
    return false;
}

static extent_hooks_t region_hooks = {
    .alloc = region_alloc,
    .commit = region_commit,
    .decommit = region_decommit,
};

static unsigned arena;

/* Creates `arena`, and begins to count. 0 or -errno. */
static int make_arena(void)
{
    region_allocs = decommits = 0;
    return jemalloc_ctl_arena_create(&region_hooks, &metadata_hooks, &arena);
}

/*
 * jemalloc may acquire all of its locks before a fork: more than the thread sanitizer's deadlock
 * detector can track.
 */
const char *__tsan_default_options(void);
__attribute__((visibility("default"))) const char *__tsan_default_options(void)
{
    return "detect_deadlocks=0";
}
