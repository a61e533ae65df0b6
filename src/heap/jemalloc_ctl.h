/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * jemalloc's mallctl(3), with types instead of strings: arenas, counters, settings.
 *
 * Arena numbers are jemalloc's. All functions are thread-safe.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct extent_hooks_s extent_hooks_t;

/* -- Arenas ------------------------------------------------------------------------------------ */

/* The number of arenas that the process can have beside jemalloc's own. */
unsigned jemalloc_ctl_arena_limit(void);

/*
 * Creates an arena that takes memory for blocks from hooks, and metadata from metadata_hooks; both
 * outlive the arena. 0, -EAGAIN where jemalloc has no number left, -ENOMEM, or another -errno.
 */
int jemalloc_ctl_arena_create(extent_hooks_t *hooks, extent_hooks_t *metadata_hooks,
                              unsigned *arena);

/* Sets the size up to which the arena's regions double. Larger blocks get larger regions. */
void jemalloc_ctl_arena_set_growth(unsigned arena, size_t limit);

/* Destroys the arena with all of its blocks. No other thread uses the arena. */
void jemalloc_ctl_arena_destroy(unsigned arena);

/*
 * Returns unused pages of the arena through its hooks: all of them, or those that have been unused
 * for the decay time.
 */
void jemalloc_ctl_arena_purge(unsigned arena);
void jemalloc_ctl_arena_decay(unsigned arena);

/* The arena's counter of pages in use, to be read atomically while the arena lives. */
const size_t *jemalloc_ctl_arena_active_pages(unsigned arena);

/* Bytes in one of jemalloc's pages, a multiple of the kernel's; 0 where jemalloc does not start. */
size_t jemalloc_ctl_page(void);

/* Sets the decay time, in milliseconds; 0: pages are returned at once, -1: never. 0 or -errno. */
int jemalloc_ctl_arena_set_decay(unsigned arena, ssize_t ms);

/* -- Queries about blocks ---------------------------------------------------------------------- */

/* The use of a block's slab, and of all slabs of its class in its arena. */
struct jemalloc_use {
    void *slab_being_filled; /* by the arena for the class; NULL: there is none */
    size_t slab_free, slab_blocks, slab_size;
    size_t class_free, class_blocks;
};

/*
 * The use of the slab of the block at ptr. A large block is a slab of one block; slab_blocks is 0
 * where ptr is in no block. ptr must have been an address of jemalloc's: for any other, jemalloc
 * may read unmapped memory. 0 or -errno.
 */
int jemalloc_ctl_use_of(const void *ptr, struct jemalloc_use *use);

/*
 * Whether ptr lies in a slab that is emptier than the average of its class, and is not being
 * filled.
 */
bool jemalloc_ctl_moving_helps(const void *ptr);

/*
 * The arena that owns ptr. 0; -ENOENT where ptr is neither in a block nor in memory that jemalloc
 * keeps. Acquires a global lock. jemalloc must have memory in the same aligned GiB: else jemalloc
 * may read unmapped memory.
 */
int jemalloc_ctl_arena_of(const void *ptr, unsigned *arena);

/* -- Counters and settings --------------------------------------------------------------------- */

struct jemalloc_stats {
    size_t resident;
    size_t active;
    size_t allocated;
};

/*
 * The number of that name in jemalloc(3), and the size of its type in bytes: 8 or 4. 0; -ENOENT
 * where there is none, or another -errno.
 */
int jemalloc_ctl_number(const char *name, uint64_t *value, size_t *size);

/* The number stats.arenas.<arena>.NAME. Results as above. */
int jemalloc_ctl_arena_number(unsigned arena, const char *name, uint64_t *value, size_t *size);

/* Updates the counters. 0 or -errno. */
int jemalloc_ctl_update_stats(void);

/*
 * The first adds the counters of the arena to *stats; the second sets *stats to those of all
 * arenas together. 0; -ENOENT where the arena was created since the last update, or another -errno.
 */
int jemalloc_ctl_add_arena_stats(unsigned arena, struct jemalloc_stats *stats);
int jemalloc_ctl_total_stats(struct jemalloc_stats *stats);

/*
 * Writes jemalloc's report in pieces. The letters of `options` are those of malloc_stats_print(3).
 * No lock is held while write_cb runs, which may call the library. 0; -ENOMEM, and nothing is
 * written.
 */
int jemalloc_ctl_print_stats(void (*write_cb)(void *, const char *), void *opaque,
                             const char *options);

/*
 * Held by a fork, so that the child can acquire the lock: no report is being made, and no arena
 * destroyed, from hold to release.
 */
void jemalloc_ctl_hold_report(void);
void jemalloc_ctl_release_report(void);

/* Whether threads of jemalloc's return pages in the background. */
bool jemalloc_ctl_has_background_threads(void);

/* Starts or ends the threads that return pages in the background. 0 or -errno. */
int jemalloc_ctl_set_background_threads(bool on);

/* Limits their number to `limit`, or to what jemalloc allows if that is less. 0 or -errno. */
int jemalloc_ctl_limit_background_threads(size_t limit);
