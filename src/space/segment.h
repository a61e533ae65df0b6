/* SPDX-License-Identifier: BSD-2-Clause */
/* One piece of address space, mapped over a space's backing store; see space.h for the model. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

struct space;
struct region;

struct segment {
    struct segment *next; /* older segment of the space */
    char *base;           /* a multiple of the address map's granule */
    size_t size;          /* the same */
    off_t offset;         /* of base in the backing store */
    size_t taken;         /* bytes from base on that regions have; guarded by the space's lock */
    struct region *regions[]; /* of each chunk; written before the chunk's address is handed out */
};

/*
 * Maps a segment of at least size bytes over the store from space->offset on and enters it into the
 * address map; the space's lock is held. NULL with *err -errno, and nothing left, where that fails.
 */
struct segment *segment_new(struct space *space, size_t size, int *err);

/* Takes the segment out of the address map and unmaps it. */
void segment_unmap(struct segment *segment);
