/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Work of a fork's child that is put off until the child uses the library.
 *
 * The kernel copies each page that a child writes to, and many children only execute a program or
 * exit. In a process with one thread, no other thread holds a lock or is in the middle of a change.
 * So the child of such a process keeps the thread's caches, and writes to nothing else of the
 * library. The remaining work is done when the child first finds a heap of its parent
 * (heap_is_inherited()).
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

/* Whether fork_child_finish() has work to do. Only the functions below write this variable. */
extern atomic_bool fork_child_is_pending;

/*
 * fork_generation after the last fork of a process with several threads. An object that was created
 * under an earlier number, and not adopted since, may be in the middle of a change.
 */
extern unsigned fork_child_intact_since;

/* In the child of a fork: the first fork_child_finish() will call `finish`. */
void fork_child_begin(void (*finish)(void));

/* fork_child_finish() without its check. */
void fork_child_finish_now(void);

/* Calls `finish`, once after a fork, with all signals blocked. Thread-safe. */
static inline void fork_child_finish(void)
{
    if (__builtin_expect(atomic_load_explicit(&fork_child_is_pending, memory_order_acquire), 0))
        fork_child_finish_now();
}
