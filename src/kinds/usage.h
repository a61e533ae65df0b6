/* SPDX-License-Identifier: BSD-2-Clause */
/* How much memory the heaps of the kinds hold and use. All functions are thread-safe. */
#pragma once

#include "memkind/internal/memkind_private.h"

/*
 * Empties the caches that count as pages in use though no block lies in them, except those of other
 * threads. To be called before jemalloc's counters are refreshed.
 */
void usage_settle(void);

/* Refreshes the counters of all kinds, except those of jemalloc. */
void usage_update(void);

/* Bytes in the caches of all threads and kinds at the last usage_update(). */
size_t usage_cached_bytes(void);

/* Usage of a kind whose memory lies in a file; in bytes unless a comment gives another unit. */
struct usage {
    char name[MEMKIND_NAME_LENGTH_PRIV];
    struct directory *directory; /* of the file: a reference, for the caller to close; or NULL */
    size_t max_size;
    size_t held;
    size_t peak;
    size_t chunks; /* number of chunks in which something is held */
    size_t frozen; /* in chunks that a fork has frozen: what was written there since is in DRAM */
    size_t cached; /* in caches of threads, at the last usage_update() */
    unsigned long purges;
    unsigned long retries;
};

/* False where the partition has no kind in a file. */
bool usage_get(unsigned partition, struct usage *usage);
