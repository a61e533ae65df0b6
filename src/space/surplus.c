/* SPDX-License-Identifier: BSD-2-Clause */
/* The surplus of a space: what its store holds beyond the bytes held by the space. */
#include "space/surplus.h"

#include "space/freeze.h"
#include "space/region.h"
#include "space/segment.h"
#include "space/space.h"
#include "util/lock.h"
#include "util/signals_off.h"

/* Less than this may be metadata of the file system. */
#define LITTLE ((size_t)64 << 10)

/* Returns the bytes that the store holds beyond those held by the space. */
static size_t excess(const struct space *space)
{
    size_t bytes;

    if (space->store->holds == NULL || freeze_is_in_effect(space) ||
        atomic_load_explicit(&space->cannot_release, memory_order_relaxed) ||
        space->store->holds(space, &bytes) != 0)
        return 0;
    size_t held = space_held(space);
    return bytes > held ? bytes - held : 0;
}

size_t surplus_bytes(const struct space *space)
{
    size_t bytes = excess(space);
    size_t in_vain = atomic_load_explicit(&space->surplus_kept, memory_order_relaxed);

    return bytes >= LITTLE && bytes - LITTLE >= in_vain ? bytes - in_vain : 0;
}

static void release_between(struct space *space, const struct segment *segment, size_t from,
                            size_t to)
{
    if (from < to)
        (void)space->store->release(space, segment->base + from, segment->offset + (off_t)from,
                                    to - from);
}

/*
 * Releases the chunks without a region: between two regions because of alignment, and behind the
 * last, as far as the segment is open.
 */
static void release_without_region(struct space *space, const struct segment *segment)
{
    size_t open = atomic_load_explicit(&segment->open, memory_order_acquire);
    size_t end = align_up(open, SPACE_CHUNK);
    size_t from = 0;

    if (end > segment->size)
        end = segment->size;
    for (size_t at = 0; at < end && at < segment->taken; at += SPACE_CHUNK)
        if (segment->regions[at >> SPACE_CHUNK_SHIFT] != NULL ||
            segment->files[at >> SPACE_CHUNK_SHIFT] != 0) {
            release_between(space, segment, from, at);
            from = at + SPACE_CHUNK;
        }
    release_between(space, segment, from, end);
}

/* The space's lock keeps chunks from becoming a region's meanwhile. */
static void release_locked(struct space *space)
{
    for (const struct segment *segment = atomic_load(&space->segments); segment != NULL;
         segment = segment->next)
        release_without_region(space, segment);
    for (struct region *region = atomic_load(&space->regions); region != NULL;
         region = region->next)
        region_release_surplus(region);
}

void surplus_release(struct space *space)
{
    if (surplus_bytes(space) == 0) {
        /* Other processes may have released a part. */
        size_t bytes = excess(space);

        if (bytes < atomic_load_explicit(&space->surplus_kept, memory_order_relaxed))
            atomic_store_explicit(&space->surplus_kept, bytes, memory_order_relaxed);
        return;
    }
    signals_off();
    lock_acquire(&space->lock, LOCK_SPACE);
    release_locked(space);
    lock_release(&space->lock);
    signals_on();
    atomic_store_explicit(&space->surplus_kept, excess(space), memory_order_relaxed);
}
