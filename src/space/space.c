/* SPDX-License-Identifier: BSD-2-Clause */
/* The address space and the file space of one kind. */
#include "space/space.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "space/freeze.h"
#include "space/region.h"
#include "space/segment.h"
#include "space/thaw.h"
#include "util/fork_generation.h"
#include "util/invariant.h"
#include "util/lock.h"

/* From this size on, a query of the store's capacity costs little beside an attempt. */
#define LARGE_NEED ((size_t)1 << 30)

/* Address space of this size that was reserved in vain is not kept for the next region. */
#define LARGE_REGION ((size_t)64 << 20)

/* A segment of this size that was reserved in vain goes back; smaller ones are used again. */
#define LARGE_SEGMENT ((size_t)1 << 30)

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

/* -- Address space ----------------------------------------------------------------------------- */

/* A region that is to be made. */
struct request {
    size_t size;      /* in whole pages */
    size_t span;      /* the same in whole chunks */
    size_t alignment; /* a chunk or more */
    size_t longest;   /* offsets end here */
};

/* Returns where in the segment the region can begin; SIZE_MAX: nowhere. */
static size_t place_in_segment(const struct segment *segment, const struct request *request)
{
    size_t size = segment->size;
    size_t at = segment->taken;

    at += align_rest((uintptr_t)segment->base + at, request->alignment);

    if (at > size || request->span > size - at ||
        (size_t)segment->offset + at + request->size > request->longest)
        return SIZE_MAX;
    return at;
}

/* Makes a segment that has room for the region. */
static struct segment *add_segment(struct space *space, const struct request *request, int *err)
{
    *err = -EFBIG;
    if (request->size > request->longest ||
        (size_t)space->offset > request->longest - request->size)
        return NULL;
    struct segment *segment = segment_new(space, request->span, request->alignment, err);
    if (segment == NULL)
        return NULL;
    segment->next = atomic_load_explicit(&space->segments, memory_order_relaxed);
    atomic_store_explicit(&space->segments, segment, memory_order_release);
    return segment;
}

static struct segment *find_segment(struct space *space, const struct request *request, int *err)
{
    struct segment *segment = atomic_load_explicit(&space->segments, memory_order_relaxed);

    while (segment != NULL && place_in_segment(segment, request) == SIZE_MAX)
        segment = segment->next;
    return segment != NULL ? segment : add_segment(space, request, err);
}

/* Takes a returned region that is large enough, and of which at least half is needed. */
static struct region *take_spare(struct space *space, size_t size, size_t alignment)
{
    struct region **link = &space->spare;

    for (; *link != NULL; link = &(*link)->spare) {
        struct region *region = *link;
        size_t region_size = region->pages * space->page;

        if (region_size >= size && region_size / 2 <= size &&
            is_aligned_ptr(region->base, alignment)) {
            *link = region->spare;
            return region;
        }
    }
    return NULL;
}

static int reserve_locked(struct space *space, size_t size, size_t alignment, void **addr)
{
    struct region *spare = take_spare(space, size, alignment);

    if (spare != NULL) {
        *addr = spare->base;
        return 0;
    }
    const struct request request = {
        .size = size,
        .span = align_up(size, SPACE_CHUNK),
        .alignment = alignment,
        .longest = space_longest(space),
    };
    int err = 0;
    struct segment *segment = find_segment(space, &request, &err);

    if (segment == NULL)
        return err;
    size_t at = place_in_segment(segment, &request);
    struct region *region =
        region_new(space, segment->base + at, segment->offset + (off_t)at, size);
    if (region == NULL)
        return -ENOMEM;
    for (size_t i = at; i < at + request.span; i += SPACE_CHUNK)
        segment->regions[i >> SPACE_CHUNK_SHIFT] = region;
    region->files = &segment->files[at >> SPACE_CHUNK_SHIFT];
    segment->taken = at + request.span;
    INVARIANT(segment->taken <= segment->size);
    region->next = atomic_load_explicit(&space->regions, memory_order_relaxed);
    atomic_store_explicit(&space->regions, region, memory_order_release);
    *addr = region->base;
    return 0;
}

int space_reserve(struct space *space, size_t size, size_t alignment, void **addr)
{
    if (size == 0)
        return -EINVAL;
    if (size > SIZE_MAX / 4 || alignment > SIZE_MAX / 4)
        return -ENOMEM;
    size = align_up(size, space->page);
    if (alignment < SPACE_CHUNK)
        alignment = SPACE_CHUNK;
    lock_acquire(&space->lock, LOCK_SPACE);
    int err = reserve_locked(space, size, alignment, addr);
    lock_release(&space->lock);
    return err;
}

bool space_contains(const struct space *space, const void *addr)
{
    return segment_of(space, addr) != NULL;
}

static struct region *region_of(const struct space *space, const void *addr)
{
    const struct segment *segment = segment_of(space, addr);

    return segment->regions[((uintptr_t)addr - (uintptr_t)segment->base) >> SPACE_CHUNK_SHIFT];
}

/* Lets the region have no pages: other regions get its chunks. */
static void forget_region(struct region *region)
{
    lock_acquire(&region->lock, LOCK_REGION);
    region->pages = 0;
    lock_release(&region->lock);
}

/* Removes the region where it is the last of its segment; whether that is so. */
static bool undo_reserve_locked(struct space *space, struct segment *segment, struct region *region)
{
    size_t at = (size_t)(region->base - segment->base);
    size_t size = region->pages * space->page;

    if (at + align_up(size, SPACE_CHUNK) != segment->taken)
        return false;
    forget_region(region);
    segment->taken = at;
    if (at == 0 && segment->size >= LARGE_SEGMENT && !segment_is_frozen(segment))
        segment_abandon(space, segment);
    return true;
}

static void return_locked(struct space *space, struct region *region)
{
    struct segment *segment = segment_of(space, region->base);

    /* A small region is kept: one of its size will soon be needed, and its record is there. */
    if (region->pages * space->page >= LARGE_REGION && undo_reserve_locked(space, segment, region))
        return;
    region->spare = space->spare;
    space->spare = region;
}

void space_return(struct space *space, void *addr)
{
    struct region *region = region_of(space, addr);

    lock_acquire(&space->lock, LOCK_SPACE);
    return_locked(space, region);
    lock_release(&space->lock);
}

bool space_is_region_start(const struct space *space, const void *addr)
{
    return region_of(space, addr)->base == addr;
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
    thaw_some(space);
    struct region *region = region_of(space, addr);
    size_t first = (size_t)((char *)addr - region->base) / space->page;
    size_t end = first + size / space->page;
    int err = region_commit(region, first, end, may_commit_ahead(space));

    return err == 0 ? 0 : commit_in_need(space, region, first, end);
}

int space_decommit(struct space *space, void *addr, size_t size)
{
    if (atomic_load_explicit(&space->closing, memory_order_relaxed))
        return -EOPNOTSUPP;
    thaw_some(space);
    struct region *region = region_of(space, addr);
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
