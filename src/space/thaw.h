/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frozen chunks that become ordinary ones again.
 *
 * When no other process has the file any more, what this process has written to its frozen chunks
 * is written to the file, and they are mapped over it as they were before the fork. Then DRAM is
 * free again, and what is freed goes back to the file system.
 *
 * From the moment that a page is read for that until its chunk is mapped anew, nobody may write to
 * it. So chunks are thawed a few at a time, at moments when no other thread of the program can run
 * (os/threads.h); where the kernel may write to the program's memory without a thread (see
 * process_map_is_for_transfers()), never. Chunks that hold the stacks of threads stay frozen.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct space;

/*
 * Reads MEMKIND_PMEM_THAW: manual has chunks thawed only where that is requested. Before the first
 * fork.
 */
void thaw_configure(void);

/*
 * Thaws as many chunks as it may. Takes as long as writing them does; other threads are stopped a
 * few milliseconds at a time. Does nothing where chunks are thawed only by request and
 * !is_requested. Thread-safe.
 */
void thaw_all(struct space *space, bool is_requested);

/*
 * In calls of the program: thaws some chunks, in a few milliseconds, unless the last fork or the
 * last such moment was just now. Cheap where there is nothing to do. No lock of the space is held.
 * Thread-safe.
 */
void thaw_some(struct space *space);

/*
 * The same in a thread of the library, as often as that will. Whether there is more to be thawed
 * now. While it is called, calls of the program thaw nothing.
 */
bool thaw_in_background(struct space *space);

/* Whether there is something to be thawed without request, now or later. */
bool thaw_is_due(struct space *space);

/* Before a fork: the process may fork again soon, and then chunks had better be frozen still. */
void thaw_before_fork(void);

/* In the child of a fork. */
void thaw_after_fork(void);
