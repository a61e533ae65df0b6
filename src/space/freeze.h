/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Freezing: how the child of a fork gets a copy of a space although the fork copies nothing.
 *
 * Before the fork, each chunk that has committed pages is frozen: its mapping is replaced by a
 * private one of the same part of the file. From then on no process writes to that part of the
 * file. Parent and child read the file, and when either of them writes to a page, by itself or in a
 * system call, the kernel copies the page to DRAM. A later fork finds the chunks frozen, and takes
 * as long as a fork with private memory.
 *
 *    chunk of    parent                         child
 *    the file    shared    frozen               frozen   lacks_file          own file
 *
 *      has pages   [file]    [file] <--private--> [file]
 *      has none    [file]    [file]                        (never touched)     [another file]
 *
 * Chunks without committed pages stay shared in the parent, which goes on committing there. In the
 * child, these chunks are mapped over a file of the child's own when one of them is first
 * committed; a child that only executes another program creates no file. If no other process has
 * the parent's file by then, the child has that file for its own, and clears what the parent has
 * committed there since the fork. When the child forks, its
 * own file is frozen, too. So each chunk records the number of the file over which it is frozen,
 * plus one (segment->files), and the store has the files of ancestors and the space's own file,
 * which has the highest number.
 *
 * In a frozen chunk:
 *
 *    commit      allocates space in the frozen file, although nothing will be written there: to
 *                read a page may need space. Other processes notice only that the file holds more.
 *    decommit    drops the pages that the process has written. The file cannot release pages that
 *                other processes read: the pages are stale.
 *
 * Protections that the program has set by mprotect(2) are read from /proc/self/maps, and applied to
 * the new mapping. Without /proc nothing is frozen, and the space is copied.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "space/space.h"

/* Returns whether a chunk is frozen, or the space has no file of its own yet. */
static inline bool freeze_is_in_effect(const struct space *space)
{
    return atomic_load_explicit(&space->frozen, memory_order_relaxed) != 0 ||
           atomic_load_explicit(&space->lacks_file, memory_order_relaxed);
}

/*
 * Before the fork, with all locks of the space held: freezes each chunk that has committed pages. 0
 * or -errno. After an error some chunks may be frozen, which does no harm to the parent, and the
 * space must be copied.
 */
int freeze_begin(struct space *space);

/* Whether a chunk was frozen since freeze_maps_forget(): what was shared is private. */
bool freeze_has_frozen(void);

/* Wakes threads that wait for a futex of the space, which is not private; see os/shared_futex.h. */
void freeze_wake(struct space *space, const void *futex);

/* In the child of a fork that has copied the file: no chunk is frozen any more. */
void freeze_forget(struct space *space);

/* Before the space ends: this process no longer counts among those that share the frozen files. */
void freeze_leave(struct space *space);
