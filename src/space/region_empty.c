/* SPDX-License-Identifier: BSD-2-Clause */
/* How pages of a region become empty. */
#include <errno.h>

#include "os/vm.h"
#include "space/page_bitmap.h"
#include "space/region.h"
#include "space/region_internal.h"
#include "space/space.h"

void region_release_empty(struct region *region, size_t first, size_t end)
{
    size_t run = page_bitmap_next_clear(region->committed, first, end);

    while (run < end) {
        size_t run_end =
            region_file_end(region, run, page_bitmap_next_set(region->committed, run, end));

        /* Where this fails, the next commit of these pages finds their memory in place. */
        if (region_file_of(region, run) == 0)
            region_release_store(region, run, run_end);
        run = page_bitmap_next_clear(region->committed, run_end, end);
    }
}

void region_release_tail(struct region *region)
{
    size_t chunk_pages = SPACE_CHUNK / region->space->page;

    if (region->pages % chunk_pages != 0 && region_file_of(region, region->pages) == 0)
        region_release_store(region, region->pages,
                             (region->pages / chunk_pages + 1) * chunk_pages);
}

/* Removes [first, end) from the committed pages; returns how many were committed. */
static size_t drop_pages(struct region *region, size_t first, size_t end)
{
    size_t count = page_bitmap_count(region->committed, first, end);

    page_bitmap_clear(region->committed, first, end);
    return count;
}

/*
 * The same for a released part of one chunk. If the chunk is a large page, the kernel has to split
 * the page, which fails while the page is busy: then the pages of the part stay, filled with
 * zeroes.
 */
static size_t drop_part(struct region *region, size_t first, size_t end)
{
    const struct space *space = region->space;
    unsigned char kept[SPACE_CHUNK_PAGES];
    size_t dropped = 0;

    if (space->store->kept == NULL ||
        !space->store->kept(space, region->offset + (off_t)(first * space->page),
                            (end - first) * space->page, kept))
        return drop_pages(region, first, end);
    for (size_t i = first; i < end; i++)
        if (kept[i - first] == 0)
            dropped += drop_pages(region, i, i + 1);
    return dropped;
}

/* The same for any range that was released. */
static size_t drop_released(struct region *region, size_t first, size_t end)
{
    size_t chunk = SPACE_CHUNK / region->space->page;
    size_t dropped = 0;

    if (first % chunk != 0) {
        size_t next = (first / chunk + 1) * chunk;

        if (next > end)
            next = end;
        dropped += drop_part(region, first, next);
        first = next;
    }
    size_t last = end / chunk * chunk;
    if (first < last) {
        dropped += drop_pages(region, first, last);
        first = last;
    }
    return first < end ? dropped + drop_part(region, first, end) : dropped;
}

bool region_may_thaw(const struct region *region, size_t first, size_t end)
{
    struct page_run chunk = region_widen(region, first, end, SPACE_CHUNK);

    return region_file_of(region, first) <= region->space->file_number && first == chunk.first &&
           end == chunk.end && page_bitmap_next_set(region->used, first, end) == end;
}

int region_empty_frozen_chunk(struct region *region, size_t first, size_t end)
{
    struct space *space = region->space;
    char *addr = region->base + first * space->page;

    if (region_may_thaw(region, first, end) && space->store->thaw_unused(space, addr) == 0) {
        region_unmark_stale(region, first, end);
        size_t bytes = drop_pages(region, first, end) * space->page;
        atomic_fetch_sub_explicit(&space->ahead, bytes, memory_order_relaxed);
        region_uncharge(space, bytes);
        return 0;
    }
    (void)vm_discard(addr, (end - first) * space->page);
    region_mark_stale(region, first, end);
    return -EBUSY;
}

static int empty_frozen(struct region *region, size_t first, size_t end)
{
    int result = 0;

    while (first < end) {
        size_t chunk_end = region_widen(region, first, first + 1, SPACE_CHUNK).end;
        size_t next = chunk_end < end ? chunk_end : end;
        int err = region_empty_frozen_chunk(region, first, next);

        if (err != 0)
            result = err;
        first = next;
    }
    return result;
}

static int empty_shared(struct region *region, size_t first, size_t end)
{
    struct space *space = region->space;
    int err = region_release_store(region, first, end);

    if (err != 0) {
        if (err != -EOPNOTSUPP)
            region_mark_stale(region, first, end);
        return err;
    }
    region_unmark_stale(region, first, end);
    size_t bytes = drop_released(region, first, end) * space->page;
    atomic_fetch_sub_explicit(&space->ahead, bytes, memory_order_relaxed);
    region_uncharge(space, bytes);
    return 0;
}

int region_empty_locked(struct region *region, size_t first, size_t end)
{
    bool is_mixed = region_file_end(region, first, end) != end;
    int result = 0;

    while (first < end) {
        size_t next = region_file_end(region, first, end);
        int err = region_file_of(region, first) != 0 ? empty_frozen(region, first, next)
                                                     : empty_shared(region, first, next);

        if (err == -EOPNOTSUPP && is_mixed) {
            region_mark_stale(region, first, next);
            err = -EBUSY;
        }
        if (err != 0)
            result = err;
        first = next;
    }
    return result;
}
