/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread that releases freed memory while the program makes no calls.
 *
 * Arenas and caches learn that time has passed from calls of the library. In a process that frees
 * and then sleeps, only another thread can release memory. A thread has a price: the process is no
 * longer single-threaded for unshare(2), for setns(2) and for libc. So the thread starts when a
 * heap holds much that no block uses, or when a process with several threads has forked. One thread
 * serves all heaps: once a second it maintains them, and thaws what the fork has frozen. A few
 * seconds after the last heap has nothing left to release or to thaw, the thread ends.
 *
 *    none --idle_thread_start()--> running --nothing to do, or the main thread has ended--> none
 *
 * The thread blocks all signals. Where it cannot be started, only the program's calls maintain the
 * heaps. The child of a fork has no such thread until it needs one.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

extern atomic_bool idle_thread_running;

/* Whether the thread runs, or is forbidden: then it need not be started. */
static inline bool idle_thread_is_running(void)
{
    return atomic_load_explicit(&idle_thread_running, memory_order_relaxed);
}

/* Reads MEMKIND_IDLE_THREAD, once: 0 forbids the thread. */
void idle_thread_configure(void);

/*
 * Starts the thread, if there is none. The caller holds no lock of the library. errno is kept.
 * Thread-safe.
 */
void idle_thread_start(void);

/*
 * In the parent of a fork: starts the thread where chunks were frozen, which it is to thaw. In a
 * process with one thread they are thawed by the program's calls alone, so that it remains the only
 * one.
 */
void idle_thread_after_fork_in_parent(void);

/* In the child of a fork, which does not have the thread. */
void idle_thread_after_fork(void);
