/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A space's copy for the child of a fork.
 *
 * The copy is made before the fork, while no thread is inside jemalloc and no page changes its
 * state. So the copy agrees with the child's copy of all other memory.
 *
 * A space that can be frozen (freeze.h) is not copied: the kernel copies pages to DRAM when they
 * are written to. Otherwise, and if the program prefers a copy, every byte is copied to a new file,
 * or to DRAM if no file can be created in the directory. Writes of other threads to blocks
 * meanwhile may be in the copy or not.
 *
 * Rejected alternatives: after a reflink (FICLONE), the parent's next write to each page needs file
 * space again, and raises SIGBUS if there is none; DAX does not support write protection by
 * userfaultfd(2).
 */
#pragma once

#include <stdbool.h>

struct space;

/* The outcome of the last fork. */
enum space_snapshot {
    SPACE_SNAPSHOT_NONE,   /* no copy was requested */
    SPACE_SNAPSHOT_COPY,   /* the child has a copy */
    SPACE_SNAPSHOT_FAILED, /* there is no copy: the child can read nothing */
};

/*
 * From now on, children get a copy of the space, whose file exists. always_copies: the file is
 * copied at each fork; otherwise only if the space cannot be frozen.
 */
void space_snapshot_enable(struct space *space, bool always_copies);

/* Whether copies are enabled for the space, and whether they were ever for any. Thread-safe. */
bool space_snapshot_is_enabled(const struct space *space);
bool space_snapshot_is_enabled_for_any(void);

/*
 * Before the fork, while no thread is inside jemalloc. space_snapshot_hold() acquires the lock of
 * the space. After that call for all spaces, space_snapshot_begin() acquires the locks of the
 * regions, and freezes or copies the space. No effect on a space that was not held: meanwhile, a
 * thread that creates a kind may enable its copies.
 */
void space_snapshot_hold(struct space *space);
void space_snapshot_begin(struct space *space);

/*
 * Replaces both in a process with one thread: acquires no lock, and writes only to those fields of
 * the space whose values have changed since the last fork.
 */
void space_snapshot_begin_alone(struct space *space);

/*
 * After the fork, before other threads may enter jemalloc: in the child, the copy replaces the
 * store. No effect on a space that was not held.
 */
void space_snapshot_end(struct space *space, bool child);
void space_snapshot_end_alone(struct space *space, bool child);

/* Whether the last fork has made a copy of the space for the child. */
bool space_snapshot_is_made(const struct space *space);
