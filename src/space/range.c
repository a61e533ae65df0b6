/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that is all there from the beginning, in pages. */
#include "space/range.h"

#include <errno.h>
#include <string.h>

#include "space/page_bitmap.h"
#include "space/page_map.h"
#include "space/range_map.h"
#include "util/lock.h"

/* No segment is ever made, so nothing is asked of the store. */
static const struct store_ops no_store = {.map = NULL};

int range_init(struct range *range, unsigned owner)
{
    memset(range, 0, sizeof(*range));
    int err = space_init(&range->space, &no_store, 0, owner);
    range->space.is_range = true;
    return err;
}

int range_open_segment(struct range *range, char *base, size_t size)
{
    struct space *space = &range->space;
    size_t pages = size / space->page;
    uint64_t *used =
        metadata_take(&space->metadata, page_bitmap_words(pages) * sizeof(*range->used));

    if (used == NULL)
        return -ENOMEM;
    range->used = used;
    range->base = base;
    range->pages = pages;
    range->size = size;
    space->max_size = size;
    return 0;
}

static int open_pages(struct range *range, uintptr_t base, size_t size)
{
    struct space *space = &range->space;
    _Atomic uint8_t *classes =
        (_Atomic uint8_t *)metadata_take(&space->metadata, page_map_bytes(size));

    if (classes == NULL)
        return -ENOMEM;
    int err = range_map_add((void *)base, size, space->owner, classes);
    if (err != 0)
        return err;
    err = range_open_segment(range, (char *)base, size);
    if (err != 0)
        range_map_remove((void *)base, space->owner);
    return err;
}

int range_open(struct range *range, void *addr, size_t size)
{
    size_t page = range->space.page;
    uintptr_t first = (uintptr_t)addr;

    if (size > UINTPTR_MAX - first || first > UINTPTR_MAX - page)
        return -EINVAL;
    uintptr_t base = (first + page - 1) & ~(page - 1);
    uintptr_t end = (first + size) & ~(page - 1);
    int err = base < end ? open_pages(range, base, end - base) : 0;
    if (err == 0)
        range->size = size;
    return err;
}

void range_fini(struct range *range)
{
    if (range->base != NULL)
        range_map_remove(range->base, range->space.owner);
    space_fini(&range->space);
}

/* -- Pages ------------------------------------------------------------------------------------- */

/* The next page from `at` on whose address is aligned. */
static size_t align(const struct range *range, size_t at, size_t alignment)
{
    uintptr_t address = (uintptr_t)range->base + at * range->space.page;

    return at + (-address & (alignment - 1)) / range->space.page;
}

/* Where the lowest run of so many free pages begins; range->pages where there is none. */
static size_t find_locked(struct range *range, size_t count, size_t alignment)
{
    size_t at = page_bitmap_next_clear(range->used, range->lowest, range->pages);

    range->lowest = at;
    for (;;) {
        at = align(range, at, alignment);
        if (at >= range->pages || count > range->pages - at)
            return range->pages;
        size_t taken = page_bitmap_next_set(range->used, at, at + count);
        if (taken == at + count)
            return at;
        at = page_bitmap_next_clear(range->used, taken, range->pages);
    }
}

static void *take_locked(struct range *range, size_t count, size_t alignment)
{
    size_t at = find_locked(range, count, alignment);

    if (at == range->pages)
        return NULL;
    page_bitmap_set(range->used, at, at + count);
    __atomic_add_fetch(&range->space.held, count * range->space.page, __ATOMIC_RELAXED);
    return range->base + at * range->space.page;
}

void *range_alloc(struct range *range, size_t size, size_t alignment)
{
    lock_acquire(&range->space.lock, LOCK_SPACE);
    void *addr = take_locked(range, size / range->space.page, alignment);
    lock_release(&range->space.lock);
    return addr;
}

static void insert_locked(struct range *range, size_t first, size_t count)
{
    page_bitmap_clear(range->used, first, first + count);
    if (first < range->lowest)
        range->lowest = first;
    __atomic_sub_fetch(&range->space.held, count * range->space.page, __ATOMIC_RELAXED);
}

void range_free(struct range *range, void *addr, size_t size)
{
    size_t page = range->space.page;

    /* In the child of a fork, nobody may be left to let go of the lock of an ancestor's range. */
    if (atomic_load_explicit(&range->space.closing, memory_order_relaxed))
        return;
    lock_acquire(&range->space.lock, LOCK_SPACE);
    insert_locked(range, (size_t)((char *)addr - range->base) / page, size / page);
    lock_release(&range->space.lock);
}
