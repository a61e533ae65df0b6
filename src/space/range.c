/* SPDX-License-Identifier: BSD-2-Clause */
/* A space that is one run of pages. */
#include "space/range.h"

#include <errno.h>
#include <string.h>

#include "space/page_bitmap.h"
#include "util/invariant.h"
#include "util/lock.h"

void range_init(struct range *range, struct space *space)
{
    memset(range, 0, sizeof(*range));
    range->space = space;
    space->range = range;
}

int range_open(struct range *range, char *base, size_t size)
{
    struct space *space = range->space;
    size_t pages = size / space->page;
    uint64_t *used =
        metadata_take(&space->metadata, page_bitmap_words(pages) * sizeof(*range->used));

    if (used == NULL)
        return -ENOMEM;
    range->used = used;
    range->base = base;
    range->pages = pages;
    space->max_size = size;
    return 0;
}

/* Whether the members agree. The caller holds the lock, or no other thread has the range. */
static bool is_valid_locked(const struct range *range)
{
    size_t used = range->pages != 0 ? page_bitmap_count(range->used, 0, range->pages) : 0;

    return range->lowest <= range->pages && used * range->space->page == space_held(range->space) &&
           (range->lowest == 0 ||
            page_bitmap_next_clear(range->used, 0, range->lowest) == range->lowest);
}

static void lock_range(const struct range *range)
{
    lock_acquire(&range->space->lock, LOCK_SPACE);
    INVARIANT(is_valid_locked(range));
}

static void unlock_range(const struct range *range)
{
    INVARIANT(is_valid_locked(range));
    lock_release(&range->space->lock);
}

/* -- Pages ------------------------------------------------------------------------------------- */

/* Returns the first page from `at` on whose address is aligned. */
static size_t align(const struct range *range, size_t at, size_t alignment)
{
    size_t page = range->space->page;

    return at + align_rest((uintptr_t)range->base + at * page, alignment) / page;
}

/* Returns the begin of the lowest run of so many free pages; range->pages where there is none. */
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
    __atomic_add_fetch(&range->space->held, count * range->space->page, __ATOMIC_RELAXED);
    return range->base + at * range->space->page;
}

void *range_alloc(struct range *range, size_t size, size_t alignment)
{
    lock_range(range);
    void *addr = take_locked(range, size / range->space->page, alignment);
    unlock_range(range);
    return addr;
}

bool range_is_used(const struct range *range, size_t size)
{
    size_t pages = size / range->space->page + (size % range->space->page != 0);

    if (pages > range->pages)
        return false;
    if (!lock_try_acquire(&range->space->lock, LOCK_SPACE))
        return true;
    bool used = page_bitmap_next_clear(range->used, 0, pages) == pages;
    unlock_range(range);
    return used;
}

static void insert_locked(struct range *range, size_t first, size_t count)
{
    page_bitmap_clear(range->used, first, first + count);
    if (first < range->lowest)
        range->lowest = first;
    __atomic_sub_fetch(&range->space->held, count * range->space->page, __ATOMIC_RELAXED);
}

void range_free(struct range *range, void *addr, size_t size)
{
    size_t page = range->space->page;

    /* In the child of a fork, the thread that held the lock of an ancestor's range may be gone. */
    if (atomic_load_explicit(&range->space->closing, memory_order_relaxed))
        return;
    lock_range(range);
    insert_locked(range, (size_t)((char *)addr - range->base) / page, size / page);
    unlock_range(range);
}
