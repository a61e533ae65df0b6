/* SPDX-License-Identifier: BSD-2-Clause */
/* The pages of one region and their states; see space.h for the model. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct space;

struct region {
    struct region *next;  /* older region of the space */
    struct region *spare; /* next returned region, of a returned one; guarded by the space's lock */
    struct space *space;
    char *base;
    off_t offset; /* of base in the store */
    size_t pages;
    pthread_mutex_t lock; /* guards the bitmaps */
    uint64_t *committed;  /* pages that are used or ahead */
    uint64_t *used;       /* a subset of committed */
    uint64_t *stale;      /* committed, not used, with their old contents */
    atomic_uchar *files;  /* of each chunk, of the segment's; NULL: all 0 */
};

/*
 * Creates a region of `size` bytes, all empty, in the space's metadata. The caller holds the
 * space's lock. NULL: no memory.
 */
struct region *region_new(struct space *space, char *base, off_t offset, size_t size);

/*
 * Makes the pages [first, end) used. With ahead, empty pages around them become ahead: those of the
 * same chunks, or of the same small steps where chunks do not fit or the space holds less than a
 * chunk. 0 or -errno.
 */
int region_commit(struct region *region, size_t first, size_t end, bool ahead);

/*
 * Makes the used pages [first, end) empty, and with the last used page of a chunk also the pages of
 * the chunk that are ahead. -EOPNOTSUPP where the store never releases: the pages stay used. On any
 * other error, the pages are stale.
 */
int region_decommit(struct region *region, size_t first, size_t end);

/*
 * Calls `call` for each run of used pages, or with `ahead` of pages that are used or ahead, until a
 * call returns a value other than 0. Returns that value. The caller holds the region's lock.
 */
int region_for_each_run(const struct region *region, bool ahead,
                        int (*call)(void *arg, char *addr, off_t offset, size_t size), void *arg);

/* Whether any page of the chunk at addr is committed. */
bool region_has_pages(const struct region *region, const char *addr);

/* Makes all pages that are ahead or stale empty; returns their bytes. */
size_t region_trim(struct region *region);

/* Makes the stale pages empty, up to the first that fails again. */
void region_retry(struct region *region);

/* Releases what the store holds in empty pages, and in the rest of the region's last chunk. */
void region_release_surplus(struct region *region);

/* The first for the pages [first, end) alone. */
void region_release_surplus_in(struct region *region, size_t first, size_t end);

/* The counters of a space, in bytes. */
struct region_counts {
    size_t held;
    size_t ahead;
    size_t stale;
};

/* Adds the region's pages. The caller holds the region's lock, or no thread uses the region. */
void region_count(const struct region *region, struct region_counts *counts);

/* Returns how many chunks have committed pages. */
size_t region_chunks(struct region *region);
