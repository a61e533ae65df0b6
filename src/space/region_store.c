/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a region takes file space within the space's limit, and records the files over which its
 * chunks are frozen.
 */
#include <errno.h>

#include "space/page_bitmap.h"
#include "space/region.h"
#include "space/region_internal.h"
#include "space/space.h"

unsigned region_file_of(const struct region *region, size_t page)
{
    if (region->files == NULL)
        return 0;
    return atomic_load_explicit(&region->files[page * region->space->page >> SPACE_CHUNK_SHIFT],
                                memory_order_relaxed);
}

size_t region_file_end(const struct region *region, size_t first, size_t end)
{
    size_t chunk = SPACE_CHUNK / region->space->page;
    unsigned file = region_file_of(region, first);
    size_t next = (first / chunk + 1) * chunk;

    while (next < end && region_file_of(region, next) == file)
        next += chunk;
    return next < end ? next : end;
}

size_t region_next_shared(const struct region *region, size_t first, size_t end)
{
    while (first < end && region_file_of(region, first) != 0)
        first = region_file_end(region, first, end);
    return first;
}

int region_charge(struct space *space, size_t bytes, size_t *total)
{
    size_t held = __atomic_load_n(&space->held, __ATOMIC_RELAXED);

    do {
        if (space->max_size != 0 && (held > space->max_size || bytes > space->max_size - held))
            return -ENOMEM;
    } while (!__atomic_compare_exchange_n(&space->held, &held, held + bytes, true, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    *total = held + bytes;
    return 0;
}

void region_record_peak(struct space *space, size_t held)
{
    size_t peak = atomic_load_explicit(&space->peak, memory_order_relaxed);

    while (peak < held &&
           !atomic_compare_exchange_weak_explicit(&space->peak, &peak, held, memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
}

void region_uncharge(struct space *space, size_t bytes)
{
    __atomic_sub_fetch(&space->held, bytes, __ATOMIC_RELAXED);
}

void region_mark_stale(struct region *region, size_t first, size_t end)
{
    size_t before = page_bitmap_count(region->stale, first, end);
    size_t run = page_bitmap_next_set(region->committed, first, end);

    while (run < end) {
        size_t run_end = page_bitmap_next_clear(region->committed, run, end);

        page_bitmap_set(region->stale, run, run_end);
        run = page_bitmap_next_set(region->committed, run_end, end);
    }
    size_t added = page_bitmap_count(region->stale, first, end) - before;
    atomic_fetch_add_explicit(&region->space->stale, added * region->space->page,
                              memory_order_relaxed);
}

void region_unmark_stale(struct region *region, size_t first, size_t end)
{
    size_t count = page_bitmap_count(region->stale, first, end);

    page_bitmap_clear(region->stale, first, end);
    atomic_fetch_sub_explicit(&region->space->stale, count * region->space->page,
                              memory_order_relaxed);
}

/* Pages whose chunks lie in the same file. */
static int commit_in_file(struct region *region, size_t first, size_t end)
{
    struct space *space = region->space;
    char *addr = region->base + first * space->page;
    off_t offset = region->offset + (off_t)(first * space->page);
    size_t size = (end - first) * space->page;
    unsigned file = region_file_of(region, first);

    return file == 0 ? space->store->commit(space, addr, offset, size)
                     : space->store->commit_frozen(space, file - 1, addr, offset, size);
}

int region_commit_store(struct region *region, size_t first, size_t end)
{
    int err = 0;

    while (first < end && err == 0) {
        size_t next = region_file_end(region, first, end);

        err = commit_in_file(region, first, next);
        first = next;
    }
    return err;
}

int region_release_store(struct region *region, size_t first, size_t end)
{
    struct space *space = region->space;

    if (atomic_load_explicit(&space->cannot_release, memory_order_relaxed))
        return -EOPNOTSUPP;
    int err = space->store->release(space, region->base + first * space->page,
                                    region->offset + (off_t)(first * space->page),
                                    (end - first) * space->page);
    if (err == 0)
        atomic_fetch_add_explicit(&space->purges, 1, memory_order_relaxed);
    if (err == -EOPNOTSUPP)
        atomic_store_explicit(&space->cannot_release, true, memory_order_relaxed);
    return err;
}
