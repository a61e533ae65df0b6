/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that is all there from the beginning, in pages. */
#include "space/area.h"

#include <errno.h>
#include <string.h>

#include "space/area_map.h"
#include "space/class_map.h"
#include "space/page_bitmap.h"
#include "util/lock.h"

/* No segment is ever made, so nothing is asked of the backing. */
static const struct space_backing no_backing = {.map = NULL};

int area_init(struct area *area, unsigned owner)
{
    memset(area, 0, sizeof(*area));
    int err = space_init(&area->space, &no_backing, 0, owner);
    area->space.is_area = true;
    return err;
}

int area_open_segment(struct area *area, char *base, size_t size)
{
    struct space *space = &area->space;
    size_t pages = size / space->page;
    uint64_t *used =
        metadata_take(&space->metadata, page_bitmap_words(pages) * sizeof(*area->used));

    if (used == NULL)
        return -ENOMEM;
    area->used = used;
    area->base = base;
    area->pages = pages;
    area->size = size;
    space->max_size = size;
    return 0;
}

static int open_pages(struct area *area, uintptr_t base, size_t size)
{
    struct space *space = &area->space;
    _Atomic uint8_t *classes =
        (_Atomic uint8_t *)metadata_take(&space->metadata, class_map_bytes(size));

    if (classes == NULL)
        return -ENOMEM;
    int err = area_map_add((void *)base, size, space->owner, classes);
    if (err != 0)
        return err;
    err = area_open_segment(area, (char *)base, size);
    if (err != 0)
        area_map_remove((void *)base, space->owner);
    return err;
}

int area_open(struct area *area, void *addr, size_t size)
{
    size_t page = area->space.page;
    uintptr_t first = (uintptr_t)addr;

    if (size > UINTPTR_MAX - first || first > UINTPTR_MAX - page)
        return -EINVAL;
    uintptr_t base = (first + page - 1) & ~(page - 1);
    uintptr_t end = (first + size) & ~(page - 1);
    int err = base < end ? open_pages(area, base, end - base) : 0;
    if (err == 0)
        area->size = size;
    return err;
}

void area_destroy(struct area *area)
{
    if (area->base != NULL)
        area_map_remove(area->base, area->space.owner);
    space_destroy(&area->space);
}

/* -- Pages ------------------------------------------------------------------------------------- */

/* The next page from `at` on whose address is aligned. */
static size_t align(const struct area *area, size_t at, size_t alignment)
{
    uintptr_t address = (uintptr_t)area->base + at * area->space.page;

    return at + (-address & (alignment - 1)) / area->space.page;
}

/* Where the lowest run of so many free pages begins; area->pages where there is none. */
static size_t find_locked(struct area *area, size_t count, size_t alignment)
{
    size_t at = page_bitmap_next_clear(area->used, area->lowest, area->pages);

    area->lowest = at;
    for (;;) {
        at = align(area, at, alignment);
        if (at >= area->pages || count > area->pages - at)
            return area->pages;
        size_t taken = page_bitmap_next_set(area->used, at, at + count);
        if (taken == at + count)
            return at;
        at = page_bitmap_next_clear(area->used, taken, area->pages);
    }
}

static void *take_locked(struct area *area, size_t count, size_t alignment)
{
    size_t at = find_locked(area, count, alignment);

    if (at == area->pages)
        return NULL;
    page_bitmap_set(area->used, at, at + count);
    __atomic_add_fetch(&area->space.held, count * area->space.page, __ATOMIC_RELAXED);
    return area->base + at * area->space.page;
}

void *area_take(struct area *area, size_t size, size_t alignment)
{
    lock_acquire(&area->space.lock, LOCK_SPACE);
    void *addr = take_locked(area, size / area->space.page, alignment);
    lock_release(&area->space.lock);
    return addr;
}

static void give_locked(struct area *area, size_t first, size_t count)
{
    page_bitmap_clear(area->used, first, first + count);
    if (first < area->lowest)
        area->lowest = first;
    __atomic_sub_fetch(&area->space.held, count * area->space.page, __ATOMIC_RELAXED);
}

void area_give(struct area *area, void *addr, size_t size)
{
    size_t page = area->space.page;

    /* In the child of a fork, nobody may be left to let go of the lock of an ancestor's area. */
    if (atomic_load_explicit(&area->space.closing, memory_order_relaxed))
        return;
    lock_acquire(&area->space.lock, LOCK_SPACE);
    give_locked(area, (size_t)((char *)addr - area->base) / page, size / page);
    lock_release(&area->space.lock);
}
