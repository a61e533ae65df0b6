/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages of a region become used: what is committed for them, and how much ahead. */
#include "space/region.h"

#include <errno.h>
#include <string.h>

#include "space/page_bitmap.h"
#include "space/region_internal.h"
#include "space/space.h"
#include "util/invariant.h"

/* A large region is committed in about so many steps. */
#define REGION_STEPS 32

/* Makes the empty pages of [first, end) ahead, a run at a time: all of them or none. */
static int refill_locked(struct region *region, size_t first, size_t end)
{
    struct space *space = region->space;
    size_t missing = end - first - page_bitmap_count(region->committed, first, end);
    size_t run = page_bitmap_next_clear(region->committed, first, end);
    size_t held;
    int err = region_charge(space, missing * space->page, &held);

    if (err != 0)
        return err;
    /* Before the commit: a thread that meets the limit meanwhile knows that trimming may help. */
    atomic_fetch_add_explicit(&space->ahead, missing * space->page, memory_order_relaxed);
    while (run < end) {
        size_t run_end = page_bitmap_next_set(region->committed, run, end);

        err = region_commit_store(region, run, run_end);
        if (err != 0) {
            region_release_empty(region, first, run_end);
            atomic_fetch_sub_explicit(&space->ahead, missing * space->page, memory_order_relaxed);
            region_uncharge(space, missing * space->page);
            return err;
        }
        run = page_bitmap_next_clear(region->committed, run_end, end);
    }
    page_bitmap_set(region->committed, first, end);
    region_record_peak(space, held);
    if (atomic_load_explicit(&space->whole_chunks, memory_order_relaxed)) {
        struct page_run chunks = region_widen(region, first, end, SPACE_CHUNK);

        region_release_empty(region, chunks.first, chunks.end);
        if (chunks.end == region->pages)
            region_release_tail(region);
    }
    return 0;
}

/*
 * Returns how much to commit at once. An arena begins with small steps, since many arenas stay
 * small, and a page that no block uses costs time, too. In a large region, a step has several
 * chunks.
 */
static size_t usual_step(const struct region *region)
{
    const struct space *space = region->space;
    size_t step = space->first_step;

    if (space->chunk_steps || atomic_load_explicit(&space->whole_chunks, memory_order_relaxed))
        step = SPACE_CHUNK;
    /* An arena's first region has one chunk; later regions are larger. */
    size_t has = region->pages * space->page <= SPACE_CHUNK
                     ? page_bitmap_count(region->committed, 0, region->pages) * space->page
                     : space_held(space);
    while (step < SPACE_CHUNK && step < has / 2)
        step *= 2;
    while (step >= SPACE_CHUNK && step < region->pages * space->page / REGION_STEPS)
        step *= 2;
    return step;
}

/* Commits more than [first, end): whole steps, or smallest steps where whole steps do not fit. */
static int refill_ahead_locked(struct region *region, size_t first, size_t end)
{
    size_t small = region->space->first_step;
    size_t step = usual_step(region);
    struct page_run range = region_widen(region, first, end, step);
    int err = refill_locked(region, range.first, range.end);

    if (err != 0 && step != small) {
        range = region_widen(region, first, end, small);
        err = refill_locked(region, range.first, range.end);
    }
    return err;
}

/* Makes a run of stale pages in one chunk ahead. The store may hold all of the run, or a part. */
static int clean_run(struct region *region, size_t first, size_t end)
{
    size_t page = region->space->page;
    int err = region_commit_store(region, first, end);

    if (err != 0)
        return err;
    memset(region->base + first * page, 0, (end - first) * page);
    region_unmark_stale(region, first, end);
    return 0;
}

/*
 * Makes the stale pages of [first, end) ahead. A chunk at a time: a store without room for a long
 * range rejects the range, although its pages may all be there.
 */
static int clean_locked(struct region *region, size_t first, size_t end)
{
    size_t run = page_bitmap_next_set(region->stale, first, end);
    int err = 0;

    while (run < end && err == 0) {
        size_t chunk_end = region_widen(region, run, run + 1, SPACE_CHUNK).end;
        size_t limit = chunk_end < end ? chunk_end : end;
        size_t run_end = page_bitmap_next_clear(region->stale, run, limit);

        err = clean_run(region, run, run_end);
        run = page_bitmap_next_set(region->stale, run_end, end);
    }
    return err;
}

static int commit_locked(struct region *region, size_t first, size_t end, bool ahead)
{
    INVARIANT(page_bitmap_next_set(region->used, first, end) == end);
    int err = clean_locked(region, first, end);
    if (err != 0)
        return err;
    err = -ENOMEM;
    if (page_bitmap_next_clear(region->committed, first, end) == end)
        err = 0;
    else if (region_file_of(region, first) != 0 || region_file_of(region, end - 1) != 0)
        err = -ENOMEM; /* what is committed ahead of a frozen page would be in DRAM */
    else if (ahead || atomic_load_explicit(&region->space->whole_chunks, memory_order_relaxed))
        err = refill_ahead_locked(region, first, end);
    if (err != 0)
        err = refill_locked(region, first, end);
    if (err != 0)
        return err;
    page_bitmap_set(region->used, first, end);
    atomic_fetch_sub_explicit(&region->space->ahead, (end - first) * region->space->page,
                              memory_order_relaxed);
    return 0;
}

int region_commit(struct region *region, size_t first, size_t end, bool ahead)
{
    region_lock(region);
    int err = commit_locked(region, first, end, ahead);
    region_unlock(region);
    return err;
}
