/* SPDX-License-Identifier: BSD-2-Clause */
/* One piece of address space, mapped over a space's store; see space.h for the model. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct space;
struct region;

struct segment {
    struct segment *next; /* older segment of the space */
    char *base;           /* a multiple of the address map's granule, or small */
    _Atomic size_t size;  /* the same; 0 once it was given back */
    bool is_small;        /* both are multiples of a chunk; entered into the range map */
    off_t offset;         /* of base in the store */
    size_t taken;         /* bytes from base on that regions have; guarded by the space's lock */
    atomic_size_t open;   /* bytes from base on that segment_open() has opened */
    atomic_uchar *files;  /* of each chunk: 0, or frozen over which file, see freeze.h */
    struct region *regions[]; /* of each chunk; written before the chunk's address is handed out */
};

/*
 * Maps a segment of at least size bytes over the store from space->offset on, aligned to the larger
 * of alignment and a granule, and enters it into the address map; the space's lock is held. NULL
 * with *err -errno, and nothing left, where that fails.
 *
 * Where the process may not have whole granules (RLIMIT_AS), the segment is small: it has whole
 * chunks, is aligned to a chunk or to alignment, and is found by the range map. A free of its
 * blocks takes the slow way.
 */
struct segment *segment_new(struct space *space, size_t size, size_t alignment, int *err);

/*
 * Makes the segment of the range, which a store has mapped without access, readable and writable up
 * to the range's end, where it is not yet. So nobody who reads all that can be read, as memcheck
 * does at exit, gets beyond the end of a file. 0 or -ENOMEM. Thread-safe.
 */
int segment_open(const struct space *space, const void *addr, size_t size);

/* Does the same again with a segment that was mapped anew. 0 or -ENOMEM. */
int segment_reopen(const struct segment *segment);

/* The segment of the space that addr lies in; NULL. Thread-safe. */
struct segment *segment_of(const struct space *space, const void *addr);

/* The space goes on elsewhere: its blocks here are found, but no cache of a thread takes them. */
void segment_retire(const struct segment *segment);

/* Whether any chunk of the segment is frozen; see freeze.h. */
bool segment_is_frozen(const struct segment *segment);

/* Takes the segment out of the address map and unmaps it. */
void segment_unmap(const struct space *space, struct segment *segment);

/*
 * The same with one that no region is in, whose space lives on and whose lock is held: no address
 * is in it any more, and the memory of its record is given back but for what others may be reading.
 */
void segment_abandon(struct space *space, struct segment *segment);
