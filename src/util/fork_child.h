/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the child of a fork does late.
 *
 * The kernel copies each page that the child writes to. Many children only execute a program or
 * exit. So the child of a process with one thread leaves the library's memory as it is: no other
 * thread holds a lock, or was changing anything. The thread goes on with its caches. The rest is
 * done when the child first finds a heap that is not its own (heap_is_inherited()).
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

/* fork_child_finish() has something to do. Written only by the two functions below. */
extern atomic_bool fork_child_is_pending;

/*
 * The number of the last fork of a process with several threads. What was created under an earlier
 * number and not adopted since may be half changed.
 */
extern unsigned fork_child_intact_since;

/* In the child of a fork: has `finish` called by the first fork_child_finish(). */
void fork_child_begin(void (*finish)(void));

void fork_child_finish_now(void);

/* Does what is left to do. `finish` is called once, with all signals blocked. Thread-safe. */
static inline void fork_child_finish(void)
{
    if (__builtin_expect(atomic_load_explicit(&fork_child_is_pending, memory_order_acquire), 0))
        fork_child_finish_now();
}
