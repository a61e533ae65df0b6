/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Thawing: frozen chunks (freeze.h) return to the file.
 *
 * When no other process shares the file any more, the pages that this process has written to its
 * frozen chunks are written to the file, and the chunks are mapped shared again. This releases
 * their DRAM, and the file can release pages that the program frees later.
 *
 * No thread may write to a page after the page was written to the file and before its chunk is
 * mapped shared. So chunks are thawed a few at a time, while no other thread of the program can run
 * (os/threads.h). No chunk is thawed if the kernel may write to the program's memory without a
 * thread (process_map_is_for_transfers()), and none that holds the calling thread's stack.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct space;

/*
 * Reads MEMKIND_PMEM_THAW. "manual": chunks are thawed only by request. Call before the first fork.
 */
void thaw_configure(void);

/*
 * Thaws all chunks that can be thawed. Takes as long as to write their pages; other threads are
 * stopped for a few milliseconds at a time. Without is_requested, has no effect if chunks are
 * thawed only by request. Thread-safe.
 */
void thaw_all(struct space *space, bool is_requested);

/*
 * Thaws all chunks without stopping other threads: the program ensures that none of them uses the
 * space's memory meanwhile, not even by a system call. Returns whether no chunk is frozen any more.
 * Thread-safe.
 */
bool thaw_all_trusted(struct space *space);

/*
 * In calls of the program: thaws some chunks, in a few milliseconds, unless the last fork or the
 * last thawing was a moment ago. One load if no chunk is frozen. The caller holds no lock of the
 * space. Thread-safe.
 */
void thaw_some(struct space *space);

/*
 * The same in a thread of the library, without a pause after the last thawing. Returns whether more
 * chunks can be thawed now. For some seconds after each call, thaw_some() thaws nothing.
 */
bool thaw_in_background(struct space *space);

/* Whether chunks of the space are to be thawed without request, now or later. */
bool thaw_is_due(struct space *space);

/*
 * Before a fork: delays thawing, because a process that forks again soon needs its chunks frozen.
 */
void thaw_before_fork(void);

/* In the child of a fork. */
void thaw_after_fork(void);
