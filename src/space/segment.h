/* SPDX-License-Identifier: BSD-2-Clause */
/* One piece of address space, mapped over a space's store; see space.h for the model. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "space/space.h"

struct region;

struct segment {
    struct segment *next; /* older segment of the space */
    char *base;           /* a multiple of the address map's granule, unless small */
    _Atomic size_t size;  /* the same; 0 after segment_abandon() */
    bool is_small;        /* base and size are multiples of a chunk; in the range map */
    off_t offset;         /* of base in the store */
    size_t taken;         /* bytes from base on that regions have; guarded by the space's lock */
    atomic_size_t open;   /* bytes from base on that segment_open() has opened */
    atomic_uchar *files;  /* of each chunk: 0, or frozen over which file, see freeze.h */
    struct region *regions[]; /* of each chunk; written before the chunk's address is handed out */
};

/*
 * Maps a segment of at least size bytes over the store from space->offset on, aligned to the larger
 * of alignment and a granule, and enters the segment into the address map. The caller holds the
 * space's lock. On failure NULL and *err -errno; nothing is left.
 *
 * Where the process cannot have whole granules (RLIMIT_AS), the segment is small: whole chunks,
 * aligned to the larger of alignment and a chunk, in the range map. A free of a block there takes
 * the slow way.
 */
struct segment *segment_new(struct space *space, size_t size, size_t alignment, int *err);

/*
 * Makes the segment of the range, which the store has mapped without access, readable and writable
 * up to the end of the range. A reader of all accessible memory, as memcheck is at exit, thus stays
 * within the file. 0 or -ENOMEM. Thread-safe.
 */
int segment_open(const struct space *space, const void *addr, size_t size);

/* Does the same again for a segment that was mapped anew. 0 or -ENOMEM. */
int segment_reopen(const struct segment *segment);

/* Returns the segment of the space that addr lies in; NULL: none. Thread-safe. */
struct segment *segment_of(const struct space *space, const void *addr);

/* Returns the region that addr, an address in a region of the space, lies in. Thread-safe. */
static inline struct region *segment_region_of(const struct space *space, const void *addr)
{
    const struct segment *segment = segment_of(space, addr);

    return segment->regions[((uintptr_t)addr - (uintptr_t)segment->base) >> SPACE_CHUNK_SHIFT];
}

/* Removes the page map's bytes, so that no cache takes the blocks. The owner stays. */
void segment_retire(const struct segment *segment);

/* Whether any chunk of the segment is frozen; see freeze.h. */
bool segment_is_frozen(const struct segment *segment);

/* Takes the segment out of the address map and unmaps it. */
void segment_unmap(const struct space *space, struct segment *segment);

/*
 * The same for a segment without regions, whose space lives on. The caller holds the space's lock.
 * The record stays in the list, with size 0, since others may read it; its other pages are given
 * back.
 */
void segment_abandon(struct space *space, struct segment *segment);
