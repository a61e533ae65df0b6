/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A space's copy for the child of a fork.
 *
 * It is made before the fork, while nobody is inside jemalloc and no page changes its state, so
 * that it fits the child's copy of everything else.
 *
 * Nothing is copied where the space can be frozen, see freeze.h. The kernel then copies what is
 * written to, into DRAM. Elsewhere, and where the program prefers that, every byte is copied, and
 * the copy has file space of its own. What other threads write into blocks meanwhile may be in it
 * or not. Where no file can be made in the directory any more, the copy is in DRAM.
 *
 * Other ways were not taken: after a reflink (FICLONE), the parent's next write to a page that it
 * has needs space again, and is a SIGBUS where there is none; write protection by userfaultfd(2) is
 * not to be had on DAX.
 */
#pragma once

#include <stdbool.h>

struct space;

/* The outcome of the last fork. */
enum space_snapshot {
    SPACE_SNAPSHOT_NONE,   /* no copy was requested */
    SPACE_SNAPSHOT_COPY,   /* the child has it */
    SPACE_SNAPSHOT_FAILED, /* there is no copy: the child can read nothing */
};

/*
 * Lets children get a copy of the space, which has its file. always_copies: one whose file is a
 * copy, too, at each fork; else such a one where the space cannot be frozen.
 */
void space_snapshot_enable(struct space *space, bool always_copies);

/* Whether copies are enabled for the space, and whether they ever were for any space. Thread-safe.
 */
bool space_snapshot_is_enabled(const struct space *space);
bool space_snapshot_is_enabled_for_any(void);

/*
 * Before the fork, when nobody is inside jemalloc any more: the first stops changes of what the
 * space consists of, for all spaces of which there are to be copies; then the second, for each of
 * them, stops all changes and makes the copy.
 */
void space_snapshot_hold(struct space *space);
void space_snapshot_begin(struct space *space);

/* In place of both where the process has one thread: acquires no lock, and writes to no memory of
 * the space that is as it was at the fork before. */
void space_snapshot_begin_alone(struct space *space);

/*
 * After the fork, before anybody is let in again: in the child, the copy takes the place of the
 * store. Nothing where space_snapshot_begin() has not been called, as for a space that came since.
 */
void space_snapshot_end(struct space *space, bool child);
void space_snapshot_end_alone(struct space *space, bool child);

/* Whether the last fork has made a copy of the space for the child. */
bool space_snapshot_is_made(const struct space *space);
