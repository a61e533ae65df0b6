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

/* How many arenas the process can have beside jemalloc's own. */
unsigned jemalloc_ctl_arena_limit(void);

/*
 * A new arena that takes its memory from hooks, and its metadata from metadata_hooks; both outlive
 * the arena. 0, -EAGAIN where jemalloc has no number left, -ENOMEM, or another -errno.
 */
int jemalloc_ctl_arena_create(extent_hooks_t *hooks, extent_hooks_t *metadata_hooks,
                              unsigned *arena);

/* The regions that the arena asks for double up to this size; larger blocks get larger ones. */
void jemalloc_ctl_arena_set_growth(unsigned arena, size_t limit);

/* Ends the arena with all of its blocks. No other thread uses it any more. */
void jemalloc_ctl_arena_destroy(unsigned arena);

/* Gives unused pages of the arena back through its hooks: all of them, or those whose time has
 * come. */
void jemalloc_ctl_arena_purge(unsigned arena);
void jemalloc_ctl_arena_decay(unsigned arena);

/* The arena's counter of pages in use, for reading while the arena lives. */
const size_t *jemalloc_ctl_arena_active_pages(unsigned arena);

/*
 * Bytes in one of jemalloc's pages, which are the kernel's or a multiple of these; 0 where it does
 * not start.
 */
size_t jemalloc_ctl_page(void);

/* Unused pages go back after so many milliseconds; 0: at once, -1: never. 0 or -errno. */
int jemalloc_ctl_arena_set_decay(unsigned arena, ssize_t ms);

/* -- Queries about blocks ---------------------------------------------------------------------- */

/* How the slab of a block is used, and all slabs of its class in its arena. */
struct jemalloc_use {
    void *slab_being_filled; /* by which arena and class; NULL: there is none */
    size_t slab_free, slab_blocks, slab_size;
    size_t class_free, class_blocks;
};

/*
 * Of the block at ptr. A large one is a slab of one block, and what is no block has none. 0 or
 * -errno. The address has been jemalloc's, or it follows a pointer that is not there.
 */
int jemalloc_ctl_use_of(const void *ptr, struct jemalloc_use *use);

/* Whether ptr lies in a slab that is emptier than the others of its size, and is not the one being
 * filled. */
bool jemalloc_ctl_moving_helps(const void *ptr);

/*
 * The arena that owns ptr. -ENOENT where it is in no block, nor in memory that jemalloc keeps.
 * Takes a global lock; jemalloc must have memory in the same GiB, from a multiple of a GiB on, or
 * it follows a pointer that is not there.
 */
int jemalloc_ctl_arena_of(const void *ptr, unsigned *arena);

/* -- Counters and settings --------------------------------------------------------------------- */

struct jemalloc_stats {
    size_t resident;
    size_t active;
    size_t allocated;
};

/*
 * The number of that name in jemalloc(3), and how many bytes its type has: 8 or 4. 0; -ENOENT
 * where there is none, or another -errno.
 */
int jemalloc_ctl_number(const char *name, uint64_t *value, size_t *size);

/* The same of an arena: the number stats.arenas.<arena>.NAME. */
int jemalloc_ctl_arena_number(unsigned arena, const char *name, uint64_t *value, size_t *size);

/* Brings the counters up to date. 0 or -errno. */
int jemalloc_ctl_update_stats(void);

/*
 * Adds the counters of the arena to *stats; or, for all arenas together, sets them. 0; -ENOENT
 * where the arena has come since the last update, or another -errno.
 */
int jemalloc_ctl_add_arena_stats(unsigned arena, struct jemalloc_stats *stats);
int jemalloc_ctl_total_stats(struct jemalloc_stats *stats);

/*
 * jemalloc's report, in pieces, with its letters for what to leave out. The report is made before
 * the first piece is written, and no lock is held while write_cb runs, which may do as it likes. 0;
 * -ENOMEM, and nothing is written.
 */
int jemalloc_ctl_print_stats(void (*write_cb)(void *, const char *), void *opaque,
                             const char *options);

/*
 * Held by a fork, so that the child can acquire the lock: no report is being made, and no arena
 * destroyed, from hold to release.
 */
void jemalloc_ctl_hold_report(void);
void jemalloc_ctl_release_report(void);

/* Whether threads of jemalloc's give pages back in the background. */
bool jemalloc_ctl_has_background_threads(void);

/* Starts or ends the threads that give pages back in the background. 0 or -errno. */
int jemalloc_ctl_set_background_threads(bool on);

/* How many of these there may be: `limit`, or as many as jemalloc allows if that is less. 0 or
 * -errno. */
int jemalloc_ctl_limit_background_threads(size_t limit);
