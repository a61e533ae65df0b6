/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks for the children of forks.
 *
 * The child of a process with one thread goes on with the thread's caches. If a bin is empty, the
 * child takes a slab from jemalloc, for which the kernel copies some thirty pages. Each child does
 * so again, mostly for the same size classes. So children record in a shared page which bins they
 * find empty, and the process fills these bins before later forks.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

struct thread_caches;

/* The number of empty bins that this process will still record. 0 except soon after a fork. */
extern unsigned child_needs_left;

/* child_needs_record() without its check. */
void child_needs_record_now(unsigned size_class);

/* Records that the calling thread has found the bin of this class empty. Thread-safe. */
static inline void child_needs_record(unsigned size_class)
{
    if (__builtin_expect(child_needs_left != 0, 0))
        child_needs_record_now(size_class);
}

/*
 * Before the fork of a process with one thread: fills the empty bins of recorded classes in this
 * thread's cache, which exists. Does nothing in a signal handler that may have interrupted the
 * allocator. errno is kept.
 */
void child_needs_fill(struct thread_caches *caches);

/* In the child of a fork: starts to record if the parent had one thread. */
void child_needs_begin(bool has_one_thread);
