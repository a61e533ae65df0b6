/* SPDX-License-Identifier: BSD-2-Clause */
/* A space: its life, and its file space within the limit. space_reserve.c has its addresses. */
#include "space/space.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "space/freeze.h"
#include "space/region.h"
#include "space/segment.h"
#include "space/thaw.h"
#include "util/fork_child.h"
#include "util/fork_generation.h"
#include "util/invariant.h"
#include "util/lock.h"

/* From this size on, a query of the store's capacity costs little beside an attempt. */
#define LARGE_NEED ((size_t)1 << 30)

/* Attempts to commit where trimming does not give enough back. */
#define TRIM_TRIES 8

/* A small kind begins in steps of this size, or of a page where pages are larger. */
#define FIRST_STEP ((size_t)16 << 10)

int space_init(struct space *space, const struct store_ops *store, size_t max_size, unsigned owner)
{
    memset(space, 0, sizeof(*space));
    space->fd = -1;
    space->max_size = max_size;
    space->store = store;
    space->owner = owner;
    space->generation = fork_generation;
    space->page = (size_t)sysconf(_SC_PAGESIZE);
    space->first_step = FIRST_STEP > space->page ? FIRST_STEP : space->page;
    return lock_init(&space->lock);
}

/* Whether the counters agree with the bitmaps. No thread uses the space. */
static bool are_counts_exact(const struct space *space)
{
    struct region_counts counts = {0};

    for (const struct region *region = atomic_load(&space->regions); region != NULL;
         region = region->next)
        region_count(region, &counts);
    return counts.held == space_held(space) && counts.ahead == atomic_load(&space->ahead) &&
           counts.stale == atomic_load(&space->stale);
}

void space_fini(struct space *space)
{
    /* A fork may have left the counters of an inherited space between two changes. */
    INVARIANT(space->range != NULL || fork_generation != 0 || are_counts_exact(space));
    struct region *region = atomic_load(&space->regions);
    struct segment *segment = atomic_load(&space->segments);

    for (; region != NULL; region = region->next)
        lock_destroy(&region->lock);
    for (; segment != NULL; segment = segment->next)
        if (segment->size != 0)
            segment_unmap(space, segment);
    freeze_leave(space);
    metadata_release(&space->metadata);
    lock_destroy(&space->lock);
}

void space_destroy(struct space *space)
{
    if (space != NULL)
        space->store->destroy(space);
}

/* -- Fork -------------------------------------------------------------------------------------- */

void space_adopt(struct space *space)
{
    (void)lock_init(&space->lock);
    for (struct region *region = atomic_load(&space->regions); region != NULL;
         region = region->next)
        (void)lock_init(&region->lock);
    atomic_store(&space->in_need, 0);
}

void space_retire(struct space *space)
{
    for (const struct segment *segment = atomic_load(&space->segments); segment != NULL;
         segment = segment->next)
        segment_retire(segment);
    freeze_leave(space);
    space->store->close(space);
}

bool space_has_own_store(const struct space *space)
{
    fork_child_finish();
    return space->generation == fork_generation || !space_is_shared(space);
}

/* -- File space -------------------------------------------------------------------------------- */

static bool may_commit_ahead(const struct space *space)
{
    return !atomic_load_explicit(&space->exact, memory_order_relaxed) &&
           atomic_load_explicit(&space->in_need, memory_order_relaxed) == 0;
}

/*
 * Commits what is needed, after all regions have released pages that are ahead. Where another
 * thread releases them at this moment, space_trim() waits and then finds none, so an attempt
 * follows in any case. Threads that have decided to commit ahead before this thread raised in_need
 * may make further attempts necessary.
 */
static int commit_in_need(struct space *space, struct region *region, size_t first, size_t end)
{
    unsigned tries = 0;
    int err;

    atomic_fetch_add(&space->in_need, 1);
    thaw_all(space, false);
    do {
        space_trim(space);
        err = region_commit(region, first, end, false);
    } while (err != 0 && atomic_load(&space->ahead) != 0 && ++tries < TRIM_TRIES);
    atomic_fetch_sub(&space->in_need, 1);
    return err;
}

int space_commit(struct space *space, void *addr, size_t size)
{
    if (!space_has_own_store(space))
        return -ENOMEM;
    thaw_some(space);
    struct region *region = segment_region_of(space, addr);
    size_t first = (size_t)((char *)addr - region->base) / space->page;
    size_t end = first + size / space->page;
    int err = region_commit(region, first, end, may_commit_ahead(space));

    return err == 0 ? 0 : commit_in_need(space, region, first, end);
}

int space_decommit(struct space *space, void *addr, size_t size)
{
    if (atomic_load_explicit(&space->closing, memory_order_relaxed) || !space_has_own_store(space))
        return -EOPNOTSUPP;
    thaw_some(space);
    struct region *region = segment_region_of(space, addr);
    size_t first = (size_t)((char *)addr - region->base) / space->page;

    int err = region_decommit(region, first, first + size / space->page);
    /* Where this release succeeded, an earlier one that failed may succeed now. */
    if (err == 0)
        space_retry(space);
    return err == -EOPNOTSUPP ? err : 0;
}

size_t space_trim(struct space *space)
{
    struct region *region = atomic_load_explicit(&space->regions, memory_order_acquire);
    size_t released = 0;

    while (region != NULL && atomic_load_explicit(&space->ahead, memory_order_relaxed) != 0) {
        released += region_trim(region);
        region = region->next;
    }
    return released;
}

void space_retry(struct space *space)
{
    struct region *region = atomic_load_explicit(&space->regions, memory_order_acquire);

    while (region != NULL && atomic_load_explicit(&space->stale, memory_order_relaxed) != 0) {
        region_retry(region);
        region = region->next;
    }
}

size_t space_capacity(const struct space *space, size_t needed)
{
    size_t limit = space->max_size != 0 ? space->max_size : SIZE_MAX;
    size_t size;

    if (needed < LARGE_NEED || space->store->capacity == NULL ||
        space->store->capacity(space, &size) != 0)
        return limit;
    return size < limit ? size : limit;
}

bool space_has_room(const struct space *space, size_t size)
{
    /* Pages that are ahead go to whoever needs them. */
    size_t ahead = atomic_load_explicit(&space->ahead, memory_order_relaxed);
    size_t held = space_held(space);
    size_t used = held > ahead ? held - ahead : 0;
    size_t room;

    if (space->max_size != 0 && (used > space->max_size || size > space->max_size - used))
        return false;
    if (space->store->room == NULL || space->store->room(space, size, &room) != 0)
        return true;
    return size <= room || size - room <= ahead;
}

bool space_shares_store(const struct space *one, const struct space *other)
{
    struct store_source of_one, of_other;

    return one->store->source != NULL && other->store->source != NULL &&
           one->store->source(one, &of_one) == 0 && other->store->source(other, &of_other) == 0 &&
           of_one.pool == of_other.pool && of_one.device == of_other.device;
}

struct directory *space_directory(const struct space *space)
{
    return space->store->directory != NULL ? space->store->directory(space) : NULL;
}

size_t space_longest(const struct space *space)
{
    return space->store->longest != NULL ? space->store->longest(space) : SIZE_MAX;
}

size_t space_held(const struct space *space)
{
    return __atomic_load_n(&space->held, __ATOMIC_RELAXED);
}

size_t space_chunks(const struct space *space)
{
    struct region *region = atomic_load_explicit(&space->regions, memory_order_acquire);
    size_t chunks = 0;

    for (; region != NULL; region = region->next)
        chunks += region_chunks(region);
    return chunks;
}
