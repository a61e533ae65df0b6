/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a fork does to a space whose children get a copy.
 *
 * Nothing is copied. Before the fork, each chunk that has committed pages is mapped anew at its
 * place, private, over the same file: it is frozen. From then on no process writes to that part of
 * the file. Parent and child read it where it lies, and what either of them writes is copied to
 * DRAM by the kernel, page by page, for the program's own writes and for its system calls alike. A
 * later fork finds the chunks frozen, and the kernel copies what it has to, as on libc.
 *
 *    chunk of    parent                         child
 *    the file    shared    frozen               frozen   lacks_file          own file
 *
 *      has pages   [file]    [file] <--private--> [file]
 *      has none    [file]    [file]                        (never touched)     [another file]
 *
 * Chunks without committed pages stay as they are in the parent, which goes on committing there. In
 * the child they are mapped over a file of its own as soon as one of them is committed; a child
 * that executes another program makes no file. When that child forks, its own file is frozen, too:
 * so each chunk has the number of the file over which it is frozen (segment->files, plus one), and
 * the store has the files of ancestors and the space's own, of the highest number.
 *
 * In a frozen chunk:
 *
 *    commit      takes space in the frozen file, though nothing will be written there: reading a
 *                page may need it. What others see of that is that the file holds more.
 *    decommit    drops what the process has written; the file cannot give back what others read:
 *                the pages are stale.
 *
 * What the program has done to pages by mprotect(2) is read from /proc/self/maps, and is done to
 * the new mapping. Without /proc nothing is frozen, and the space is copied.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "space/space.h"

/* Whether any chunk is frozen, or the space has no file of its own: it is not all in its file. */
static inline bool freeze_is_in_effect(const struct space *space)
{
    return atomic_load_explicit(&space->frozen, memory_order_relaxed) != 0 ||
           atomic_load_explicit(&space->lacks_file, memory_order_relaxed);
}

/*
 * Before the fork, with all locks of the space held: freezes each chunk that has committed pages. 0
 * or -errno; then some may be frozen, which does no harm to the parent, and there must be a copy.
 */
int freeze_begin(struct space *space);

/* Whether a chunk was frozen since freeze_forget_maps(): what was shared is private. */
bool freeze_has_frozen(void);

/* Wakes threads that wait for a futex of the space, which is not private; see os/shared_futex.h. */
void freeze_wake(struct space *space, const void *futex);

/* Before the fork, when all spaces are frozen: forgets what was read of the process's maps. */
void freeze_forget_maps(void);

/* In the child of a fork that has a copy of the file: all of the space is to lie in that. */
void freeze_forget(struct space *space);

/* The space is about to end: other processes need not know of this one any more. */
void freeze_leave(struct space *space);
