/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a space reserves addresses. Regions are taken from a segment one behind another; a returned
 * region is kept, or, if it is large and the last of its segment, taken back. The space's lock
 * guards segments and regions that are not handed out.
 */
#include "space/space.h"

#include <errno.h>
#include <stdint.h>

#include "space/region.h"
#include "space/segment.h"
#include "util/invariant.h"
#include "util/lock.h"
#include "util/signals_off.h"

/* A returned region of this size is not kept for the next reservation. */
#define LARGE_REGION ((size_t)64 << 20)

/* A segment of this size is unmapped when its last region is returned; smaller ones are kept. */
#define LARGE_SEGMENT ((size_t)1 << 30)

/* The properties of a region to reserve. */
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

/* Maps a new segment with room for the region. NULL: *err is -errno. */
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

/* Returns a segment with room for the region, a new one if need be. NULL: *err is -errno. */
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
    if (size > SIZE_MAX / 4 || alignment > SIZE_MAX / 4 || !space_has_own_store(space))
        return -ENOMEM;
    size = align_up(size, space->page);
    if (alignment < SPACE_CHUNK)
        alignment = SPACE_CHUNK;
    signals_off();
    lock_acquire(&space->lock, LOCK_SPACE);
    int err = reserve_locked(space, size, alignment, addr);
    lock_release(&space->lock);
    signals_on();
    return err;
}

bool space_contains(const struct space *space, const void *addr)
{
    return segment_of(space, addr) != NULL;
}

/* Removes the pages of the region, whose chunks other regions get. */
static void forget_region(struct region *region)
{
    lock_acquire(&region->lock, LOCK_REGION);
    region->pages = 0;
    lock_release(&region->lock);
}

/* Removes the region if it is the last of its segment. Returns whether it was. */
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

    /* A small region is kept for the next reservation of its size. */
    if (region->pages * space->page >= LARGE_REGION && undo_reserve_locked(space, segment, region))
        return;
    region->spare = space->spare;
    space->spare = region;
}

void space_return(struct space *space, void *addr)
{
    struct region *region = segment_region_of(space, addr);

    signals_off();
    lock_acquire(&space->lock, LOCK_SPACE);
    return_locked(space, region);
    lock_release(&space->lock);
    signals_on();
}

bool space_is_region_start(const struct space *space, const void *addr)
{
    return segment_region_of(space, addr)->base == addr;
}
