/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages of a region become empty: by request, once more after a failure, and unused ones. */
#include "space/region.h"

#include <errno.h>

#include "space/page_bitmap.h"
#include "space/region_internal.h"
#include "space/space.h"
#include "util/invariant.h"

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
    region_lock(region);
    retry_locked(region);
    region_unlock(region);
}

int region_decommit(struct region *region, size_t first, size_t end)
{
    region_lock(region);
    int err = decommit_locked(region, first, end);
    region_unlock(region);
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
    region_lock(region);
    size_t released = trim_locked(region);
    region_unlock(region);
    return released;
}

void region_release_surplus_in(struct region *region, size_t first, size_t end)
{
    region_lock(region);
    region_release_empty(region, first, end < region->pages ? end : region->pages);
    region_unlock(region);
}

void region_release_surplus(struct region *region)
{
    region_lock(region);
    region_release_empty(region, 0, region->pages);
    region_release_tail(region);
    region_unlock(region);
}
