/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks for the children of forks.
 *
 * The child of a process with one thread goes on with the thread's caches. Where a bin is empty,
 * the child gets a slab from jemalloc, and for that alone the kernel copies some thirty pages: in
 * each child again, as a rule for the same size classes. So children record in a shared page which
 * bins they find empty, and later forks of the family fill these bins before.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

struct thread_caches;

/* How many more empty bins this process records: not 0 only soon after a fork. */
extern unsigned child_needs_left;

void child_needs_record_now(unsigned size_class);

/* The calling thread has found the bin of its cache empty. Thread-safe. */
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

/* In the child of a fork. has_one_thread: the parent had. */
void child_needs_begin(bool has_one_thread);
