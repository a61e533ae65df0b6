/* SPDX-License-Identifier: BSD-2-Clause */
/* One piece of address space, mapped over a space's store. */
#include "space/segment.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "os/vm.h"
#include "space/address_map.h"
#include "space/page_map.h"
#include "space/range_map.h"
#include "space/space.h"
#include "util/invariant.h"
#include "util/lock.h"

/* Segments double up to this size; larger ones would only hold more page tables. */
#define SEGMENT_LARGEST ((size_t)1 << 40)

/* What a segment leaves under a limit of addresses. */
#define ADDRESSES_LEFT ((size_t)6 << 20)

/* A small segment is as large as this part of what the space has reserved, if that is enough. */
#define SMALL_SHARE 4

/* Where a segment was unmapped last: the next one probably fits there. */
static _Atomic(char *) vacant;

static char *reserve(size_t size, size_t alignment)
{
    char *hint = atomic_exchange(&vacant, NULL);
    char *base = hint != NULL ? vm_reserve(hint, size) : NULL;

    if (base != NULL && !is_aligned_ptr(base, alignment)) {
        (void)vm_unmap(base, size);
        base = NULL;
    }
    if (base == NULL)
        base = vm_reserve_aligned(size, alignment);
    /* Below, there may be no addresses that the process can use. */
    if (base == NULL && alignment <= ADDRESS_MAP_GRANULE)
        base = vm_reserve_exactly(size, alignment);
    if (base == NULL)
        return NULL;
    if (!address_map_covers(base, size)) {
        (void)vm_unmap(base, size);
        return NULL;
    }
    return base;
}

/*
 * Returns whether a limit of addresses leaves as many as jemalloc's records for new regions and the
 * program's own maps need at least.
 */
static bool leaves_addresses(void)
{
    if (!vm_has_limit())
        return true;
    void *probe = vm_reserve(NULL, ADDRESSES_LEFT);
    if (probe != NULL)
        (void)vm_unmap(probe, ADDRESSES_LEFT);
    return probe != NULL;
}

/* The same as reserve(), but NULL where that would leave too few addresses. */
static char *reserve_sparingly(size_t size, size_t alignment)
{
    char *base = reserve(size, alignment);

    if (base == NULL || leaves_addresses())
        return base;
    (void)vm_unmap(base, size);
    return NULL;
}

/* Reserves the largest *size that is possible, in whole units, from `wanted` down to `least`. */
static char *reserve_between(size_t wanted, size_t least, size_t unit, size_t alignment,
                             size_t *size)
{
    for (*size = wanted; *size > least; *size = *size / 2 / unit * unit) {
        char *base = reserve_sparingly(*size, alignment);
        if (base != NULL)
            return base;
    }
    *size = least;
    /* A small segment of the least size is the last attempt. */
    return unit == SPACE_CHUNK ? reserve(least, alignment) : reserve_sparingly(least, alignment);
}

/* From the segment's beginning to the byte of its first chunk in `files`. */
static size_t files_offset(size_t size)
{
    return sizeof(struct segment) + (size >> SPACE_CHUNK_SHIFT) * sizeof(struct region *);
}

/* Returns the size of the segment's record, without the bytes for the page map. */
static size_t record_size(size_t size)
{
    return files_offset(size) + (size >> SPACE_CHUNK_SHIFT);
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Reserves whole granules, or else a small segment. */
static char *reserve_addresses(const struct space *space, size_t need, size_t alignment,
                               size_t *size, bool *is_small)
{
    size_t least = align_up(need, ADDRESS_MAP_GRANULE);
    size_t wanted = space->reserved < SEGMENT_LARGEST ? space->reserved : SEGMENT_LARGEST;

    if (least < need)
        return NULL;
    /* Small segments among those reserved make no whole granules. */
    wanted -= wanted % ADDRESS_MAP_GRANULE;
    /* A segment of large alignment is not made larger than needed. */
    if (alignment > ADDRESS_MAP_GRANULE)
        wanted = 0;
    *is_small = false;
    char *base = reserve_between(larger(wanted, least), least, ADDRESS_MAP_GRANULE,
                                 larger(alignment, ADDRESS_MAP_GRANULE), size);
    if (base != NULL)
        return base;
    *is_small = true;
    least = align_up(need, SPACE_CHUNK);
    /* The program needs some of the few addresses too. */
    wanted = align_up(space->reserved / SMALL_SHARE, SPACE_CHUNK);
    return reserve_between(larger(wanted, least), least, SPACE_CHUNK,
                           larger(alignment, SPACE_CHUNK), size);
}

/* Enters the segment with the bytes of its page map into the maps. 0 or -errno. */
static int enter(const struct space *space, const struct segment *segment, size_t size,
                 uint8_t *classes)
{
    INVARIANT(segment->is_small || size % ADDRESS_MAP_GRANULE == 0);
    if (segment->is_small)
        return range_map_add(segment->base, size, space->owner, (_Atomic uint8_t *)classes);
    page_map_set(segment->base, size, classes);
    address_map_set(segment->base, size, space->owner);
    return 0;
}

/* Makes the record, and enters the segment into the maps. NULL with *err. */
static struct segment *record_segment(struct space *space, char *base, size_t size, bool is_small,
                                      int *err)
{
    size_t record = record_size(size);
    struct segment *segment = metadata_take(&space->metadata, record + page_map_bytes(size));

    *err = -ENOMEM;
    if (segment == NULL)
        return NULL;
    segment->base = base;
    segment->files = (atomic_uchar *)segment + files_offset(size);
    segment->is_small = is_small;
    atomic_init(&segment->size, size);
    segment->offset = space->offset;
    *err = enter(space, segment, size, (uint8_t *)segment + record);
    return *err == 0 ? segment : NULL;
}

static bool is_valid(const struct segment *segment)
{
    size_t size = atomic_load(&segment->size);
    size_t unit = segment->is_small ? SPACE_CHUNK : ADDRESS_MAP_GRANULE;

    return is_aligned_ptr(segment->base, unit) && is_aligned(size, unit) &&
           segment->taken <= size && atomic_load(&segment->open) <= size;
}

struct segment *segment_new(struct space *space, size_t need, size_t alignment, int *err)
{
    size_t size;
    bool is_small;
    struct segment *segment;

    /* First: where addresses are few, the tables would not fit beside the segment. */
    *err = address_map_begin();
    if (*err != 0)
        return NULL;
    *err = -ENOMEM;
    char *base = reserve_addresses(space, need, alignment, &size, &is_small);
    if (base == NULL)
        return NULL;
    *err = size > (size_t)(INT64_MAX - space->offset) ? -EFBIG : address_map_open(base, size);
    if (*err == 0)
        *err = space->store->map(space, base, size, space->offset);
    if (*err != 0)
        goto unmap;
    /* Late, since metadata cannot be given back piece by piece. */
    segment = record_segment(space, base, size, is_small, err);
    if (segment == NULL)
        goto unmap;
    INVARIANT(is_valid(segment));
    space->offset += (off_t)size;
    space->reserved += size;
    return segment;

unmap:
    (void)vm_unmap(base, size);
    return NULL;
}

struct segment *segment_of(const struct space *space, const void *addr)
{
    struct segment *segment = atomic_load_explicit(&space->segments, memory_order_acquire);

    while (segment != NULL && (uintptr_t)addr - (uintptr_t)segment->base >= segment->size)
        segment = segment->next;
    return segment;
}

/* -- Access ------------------------------------------------------------------------------------ */

/* Needs no lock: each thread makes the whole range accessible before it raises `open`. */
int segment_open(const struct space *space, const void *addr, size_t size)
{
    struct segment *segment = segment_of(space, addr);
    size_t end = (size_t)((const char *)addr - segment->base) + size;
    size_t open = atomic_load_explicit(&segment->open, memory_order_acquire);

    if (open >= end)
        return 0;
    if (vm_protect(segment->base + open, end - open, VM_WRITE) != 0)
        return -ENOMEM;
    while (open < end &&
           !atomic_compare_exchange_weak_explicit(&segment->open, &open, end, memory_order_acq_rel,
                                                  memory_order_acquire))
        ;
    return 0;
}

int segment_reopen(const struct segment *segment)
{
    size_t open = atomic_load(&segment->open);

    return open == 0 || vm_protect(segment->base, open, VM_WRITE) == 0 ? 0 : -ENOMEM;
}

bool segment_is_frozen(const struct segment *segment)
{
    for (size_t i = 0; i < segment->size >> SPACE_CHUNK_SHIFT; i++)
        if (atomic_load_explicit(&segment->files[i], memory_order_relaxed) != 0)
            return true;
    return false;
}

/* -- The end ----------------------------------------------------------------------------------- */

void segment_retire(const struct segment *segment)
{
    /* Blocks of a small segment take the slow way in any case. */
    if (!segment->is_small)
        page_map_set(segment->base, segment->size, NULL);
}

void segment_unmap(const struct space *space, struct segment *segment)
{
    INVARIANT(is_valid(segment));
    /* First, since another thread may be given the addresses as soon as they are free. */
    if (segment->is_small) {
        range_map_remove(segment->base, space->owner);
    } else {
        address_map_set(segment->base, segment->size, ADDRESS_MAP_NONE);
        page_map_set(segment->base, segment->size, NULL);
    }
    (void)vm_unmap(segment->base, segment->size);
    atomic_store(&vacant, segment->base);
}

/* Discards the whole pages of the record behind its fixed part. */
static void forget_record(struct segment *segment, size_t page, size_t size)
{
    char *first = align_ptr_up(segment->regions, page);
    char *end = align_ptr_down((char *)segment + record_size(size), page);

    if (first < end)
        (void)vm_discard(first, (size_t)(end - first));
}

void segment_abandon(struct space *space, struct segment *segment)
{
    size_t size = atomic_load(&segment->size);

    INVARIANT(segment->taken == 0);
    segment_unmap(space, segment);
    atomic_store(&segment->size, 0);
    forget_record(segment, space->page, size);
    if (space->offset == segment->offset + (off_t)size)
        space->offset = segment->offset;
    space->reserved -= size;
}
