/* SPDX-License-Identifier: BSD-2-Clause */
/* One piece of address space, mapped over a space's backing store. */
#include "space/segment.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>

#include "space/address_map.h"
#include "space/class_map.h"
#include "space/space.h"

/* Segments double up to this size; larger ones would only hold more page tables. */
#define SEGMENT_LARGEST ((size_t)1 << 40)

/* Where a segment was unmapped last: most likely the next one fits there again. */
static _Atomic(char *) vacant;

static char *reserve_at(char *hint, size_t size)
{
    char *reserved =
        mmap(hint, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return reserved == MAP_FAILED ? NULL : reserved;
}

/*
 * Address space of size bytes, aligned to a granule: reserved a granule too long, then cut.
 *
 *    |<- head ->|<-------- size -------->|<- tail ->|
 *    reserved   base
 */
static char *reserve_and_cut(size_t size)
{
    size_t length = size + ADDRESS_MAP_GRANULE;
    char *reserved = length < size ? NULL : reserve_at(NULL, length);

    if (reserved == NULL)
        return NULL;
    size_t head = -(uintptr_t)reserved & (ADDRESS_MAP_GRANULE - 1);
    char *base = reserved + head;
    if (head != 0)
        munmap(reserved, head);
    munmap(base + size, ADDRESS_MAP_GRANULE - head);
    return base;
}

static char *reserve(size_t size)
{
    char *hint = atomic_exchange(&vacant, NULL);
    char *base = hint != NULL ? reserve_at(hint, size) : NULL;

    if (base != NULL && ((uintptr_t)base & (ADDRESS_MAP_GRANULE - 1)) != 0) {
        munmap(base, size);
        base = NULL;
    }
    if (base == NULL)
        base = reserve_and_cut(size);
    if (base == NULL)
        return NULL;
    if (!address_map_covers(base, size)) {
        munmap(base, size);
        return NULL;
    }
    return base;
}

/* The largest size that can be reserved, from `wanted` down to `least`. */
static char *reserve_between(size_t wanted, size_t least, size_t *size)
{
    for (*size = wanted;; *size = *size / 2 / ADDRESS_MAP_GRANULE * ADDRESS_MAP_GRANULE) {
        if (*size < least)
            *size = least;
        char *base = reserve(*size);
        if (base != NULL || *size == least)
            return base;
    }
}

struct segment *segment_new(struct space *space, size_t need, int *err)
{
    size_t least = (need + ADDRESS_MAP_GRANULE - 1) & ~(ADDRESS_MAP_GRANULE - 1);
    size_t wanted = space->reserved < SEGMENT_LARGEST ? space->reserved : SEGMENT_LARGEST;
    size_t size;

    *err = -ENOMEM;
    if (least < need)
        return NULL;
    char *base = reserve_between(wanted > least ? wanted : least, least, &size);
    if (base == NULL)
        return NULL;
    if (size > (size_t)(INT64_MAX - space->offset)) {
        *err = -EFBIG;
        goto unmap;
    }
    *err = space->backing->map(space, base, size, space->offset);
    if (*err != 0)
        goto unmap;
    /* Last of what can fail, since metadata cannot be given back piece by piece. */
    size_t record = sizeof(struct segment) + (size >> SPACE_CHUNK_SHIFT) * sizeof(struct region *);
    struct segment *segment = metadata_take(&space->metadata, record + class_map_bytes(size));
    if (segment == NULL) {
        *err = -ENOMEM;
        goto unmap;
    }
    class_map_set(base, size, (uint8_t *)segment + record);
    segment->base = base;
    segment->size = size;
    segment->offset = space->offset;
    address_map_set(base, size, space->owner);
    space->offset += (off_t)size;
    space->reserved += size;
    return segment;

unmap:
    munmap(base, size);
    return NULL;
}

void segment_unmap(struct segment *segment)
{
    /* First, since another thread may be given the addresses as soon as they are free. */
    address_map_set(segment->base, segment->size, ADDRESS_MAP_NONE);
    class_map_set(segment->base, segment->size, NULL);
    munmap(segment->base, segment->size);
    atomic_store(&vacant, segment->base);
}
