/* SPDX-License-Identifier: BSD-2-Clause */
/* A region: its creation, its lock, and queries of its pages. */
#include "space/region.h"

#include "os/vm.h"
#include "space/page_bitmap.h"
#include "space/region_internal.h"
#include "space/space.h"
#include "util/invariant.h"
#include "util/lock.h"
#include "util/signals_off.h"

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

void region_lock(struct region *region)
{
    signals_off();
    lock_acquire(&region->lock, LOCK_REGION);
    INVARIANT(is_valid_locked(region));
}

void region_unlock(struct region *region)
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

    region_lock(region);
    size_t page = page_bitmap_next_set(region->committed, 0, region->pages);
    while (page < region->pages) {
        chunks++;
        page = region_widen(region, page, page + 1, SPACE_CHUNK).end;
        page = page_bitmap_next_set(region->committed, page, region->pages);
    }
    region_unlock(region);
    return chunks;
}
