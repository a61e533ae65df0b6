/* SPDX-License-Identifier: BSD-2-Clause */
/* The pages of one region and their states. */
#include "space/region.h"

#include <errno.h>
#include <string.h>

#include "os/vm.h"
#include "space/page_bitmap.h"
#include "space/region_internal.h"
#include "space/space.h"
#include "util/invariant.h"
#include "util/lock.h"
#include "util/signals_off.h"

/* A large region is committed in about so many steps. */
#define REGION_STEPS 32

struct region *region_new(struct space *space, char *base, off_t offset, size_t size)
{
    size_t pages = size / space->page;
    size_t map_size = page_bitmap_words(pages) * sizeof(uint64_t);
    struct region *region = metadata_take(&space->metadata, sizeof(*region));
    uint64_t *maps = metadata_take(&space->metadata, 3 * map_size);

    if (region == NULL || maps == NULL || lock_init(&region->lock) != 0)
        return NULL;
    region->space = space;
    region->base = base;
    region->offset = offset;
    region->pages = pages;
    region->committed = maps;
    region->used = maps + page_bitmap_words(pages);
    region->stale = maps + 2 * page_bitmap_words(pages);
    return region;
}

/* Whether the bitmaps agree. The caller holds the lock. */
static bool is_valid_locked(const struct region *region)
{
    size_t end = page_bitmap_words(region->pages) * PAGE_BITMAP_WORD_PAGES;

    return page_bitmap_is_subset(region->used, region->committed, region->pages) &&
           page_bitmap_is_subset(region->stale, region->committed, region->pages) &&
           page_bitmap_is_disjoint(region->stale, region->used, region->pages) &&
           page_bitmap_count(region->committed, region->pages, end) == 0;
}

/* All changes of the bitmaps are between these two. */
static void lock_region(struct region *region)
{
    signals_off();
    lock_acquire(&region->lock, LOCK_REGION);
    INVARIANT(is_valid_locked(region));
}

static void unlock_region(struct region *region)
{
    INVARIANT(is_valid_locked(region));
    lock_release(&region->lock);
    signals_on();
}

void region_count(const struct region *region, struct region_counts *counts)
{
    size_t committed = page_bitmap_count(region->committed, 0, region->pages);

    counts->held += committed * region->space->page;
    counts->ahead +=
        (committed - page_bitmap_count(region->used, 0, region->pages)) * region->space->page;
    counts->stale += page_bitmap_count(region->stale, 0, region->pages) * region->space->page;
}

struct page_run region_widen(const struct region *region, size_t first, size_t end, size_t size)
{
    size_t step = size / region->space->page;
    size_t rounded = align_up(end, step);

    return (struct page_run){
        .first = align_down(first, step),
        .end = rounded < region->pages ? rounded : region->pages,
    };
}

bool region_has_pages(const struct region *region, const char *addr)
{
    size_t page = (size_t)(addr - region->base) / region->space->page;
    size_t end = page + SPACE_CHUNK / region->space->page;

    if (end > region->pages)
        end = region->pages;
    return page < end && page_bitmap_next_set(region->committed, page, end) < end;
}

/* -- States ------------------------------------------------------------------------------------ */

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
 * small; in a large region, a step has several chunks.
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
    while (step < SPACE_CHUNK && step < has)
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
    lock_region(region);
    int err = commit_locked(region, first, end, ahead);
    unlock_region(region);
    return err;
}

/* Whether any page of the chunk that `page` lies in is used. */
static bool is_chunk_in_use(const struct region *region, size_t page)
{
    struct page_run chunk = region_widen(region, page, page + 1, SPACE_CHUNK);

    return page_bitmap_next_set(region->used, chunk.first, chunk.end) < chunk.end;
}

static int decommit_locked(struct region *region, size_t first, size_t end)
{
    struct page_run range = region_widen(region, first, end, SPACE_CHUNK);

    INVARIANT(page_bitmap_next_clear(region->used, first, end) == end);
    page_bitmap_clear(region->used, first, end);
    if (is_chunk_in_use(region, first))
        range.first = first;
    if (is_chunk_in_use(region, end - 1))
        range.end = end;
    atomic_fetch_add_explicit(&region->space->ahead, (end - first) * region->space->page,
                              memory_order_relaxed);
    int err = region_empty_locked(region, range.first, range.end);
    if (err != -EOPNOTSUPP)
        return err;
    page_bitmap_set(region->used, first, end);
    atomic_fetch_sub_explicit(&region->space->ahead, (end - first) * region->space->page,
                              memory_order_relaxed);
    return err;
}

/* The first stale page from `first` on whose chunk is not frozen. */
static size_t next_stale_shared(const struct region *region, size_t first)
{
    size_t page = page_bitmap_next_set(region->stale, first, region->pages);

    while (page < region->pages && region_file_of(region, page) != 0) {
        page = region_next_shared(region, page, region->pages);
        page = page_bitmap_next_set(region->stale, page, region->pages);
    }
    return page;
}

static void retry_locked(struct region *region)
{
    size_t run = next_stale_shared(region, 0);

    while (run < region->pages) {
        size_t run_end = page_bitmap_next_clear(region->stale, run, region->pages);

        run_end = region_file_end(region, run, run_end);
        if (region_empty_locked(region, run, run_end) != 0)
            return;
        run = next_stale_shared(region, run_end);
    }
}

void region_retry(struct region *region)
{
    lock_region(region);
    retry_locked(region);
    unlock_region(region);
}

int region_decommit(struct region *region, size_t first, size_t end)
{
    lock_region(region);
    int err = decommit_locked(region, first, end);
    unlock_region(region);
    return err;
}

/* The next run of pages that can be trimmed, at `*run`, committed and not used; its end. */
static size_t next_trim_run(const struct region *region, size_t *run)
{
    size_t pages = region->pages;
    size_t page = *run;

    for (;;) {
        page = page_bitmap_next_set(region->committed, page, pages);
        if (page >= pages)
            break;
        if (region_file_of(region, page) != 0)
            page = region_next_shared(region, page, pages);
        else if (page_bitmap_next_set(region->used, page, page + 1) == page)
            page = page_bitmap_next_clear(region->used, page, pages);
        else
            break;
    }
    *run = page;
    if (page >= pages)
        return pages;
    size_t end = page_bitmap_next_set(region->used, page, pages);
    return region_file_end(region, page, page_bitmap_next_clear(region->committed, page, end));
}

/* Thaws the chunks of which no page is used any more; returns how many bytes these had. */
static size_t thaw_unused(struct region *region)
{
    const struct space *space = region->space;
    size_t chunk = SPACE_CHUNK / space->page;
    size_t released = 0;

    if (atomic_load_explicit(&space->frozen, memory_order_relaxed) == 0)
        return 0;
    for (size_t first = 0; first < region->pages; first += chunk) {
        size_t end = first + chunk < region->pages ? first + chunk : region->pages;
        size_t bytes = page_bitmap_count(region->committed, first, end) * space->page;

        if (bytes != 0 && region_file_of(region, first) != 0 &&
            region_may_thaw(region, first, end) &&
            region_empty_frozen_chunk(region, first, end) == 0)
            released += bytes;
    }
    return released;
}

static size_t trim_locked(struct region *region)
{
    size_t released = thaw_unused(region);
    size_t run = 0;
    size_t end = next_trim_run(region, &run);

    while (run < region->pages) {
        if (region_empty_locked(region, run, end) == 0)
            released += (end - run) * region->space->page;
        run = end;
        end = next_trim_run(region, &run);
    }
    return released;
}

size_t region_trim(struct region *region)
{
    lock_region(region);
    size_t released = trim_locked(region);
    unlock_region(region);
    return released;
}

void region_release_surplus_in(struct region *region, size_t first, size_t end)
{
    lock_region(region);
    region_release_empty(region, first, end < region->pages ? end : region->pages);
    unlock_region(region);
}

void region_release_surplus(struct region *region)
{
    lock_region(region);
    region_release_empty(region, 0, region->pages);
    region_release_tail(region);
    unlock_region(region);
}

int region_for_each_run(const struct region *region, bool ahead,
                        int (*call)(void *arg, char *addr, off_t offset, size_t size), void *arg)
{
    const uint64_t *pages = ahead ? region->committed : region->used;
    size_t run = page_bitmap_next_set(pages, 0, region->pages);
    int result = 0;

    while (run < region->pages && result == 0) {
        size_t run_end = page_bitmap_next_clear(pages, run, region->pages);
        size_t start = run * region->space->page;

        result = call(arg, region->base + start, region->offset + (off_t)start,
                      (run_end - run) * region->space->page);
        run = page_bitmap_next_set(pages, run_end, region->pages);
    }
    return result;
}

size_t region_chunks(struct region *region)
{
    size_t chunks = 0;

    lock_region(region);
    size_t page = page_bitmap_next_set(region->committed, 0, region->pages);
    while (page < region->pages) {
        chunks++;
        page = region_widen(region, page, page + 1, SPACE_CHUNK).end;
        page = page_bitmap_next_set(region->committed, page, region->pages);
    }
    unlock_region(region);
    return chunks;
}
