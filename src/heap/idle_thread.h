/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread that gives back what was freed when the program does nothing more.
 *
 * Time passes for arenas and caches when the program calls the library. A process that frees and
 * then sleeps makes no call, and only another thread can give its memory back. A thread has a
 * price: the process is no longer single-threaded for unshare(2), for setns(2) and for libc. So
 * there is none until a heap holds much that no block uses; then there is one for all heaps. That
 * thread looks at the heaps once a second, and ends a few seconds after there is nothing left to
 * give back.
 *
 *    none --idle_thread_start()--> running --nothing to do, or the main thread has ended--> none
 *
 * The thread blocks all signals. Where it cannot be started, heaps are looked after by the
 * program's own calls alone. The child of a fork has none until it needs one.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

extern atomic_bool idle_thread_running;

/* Whether there is a thread, or is to be none: then it need not be started. */
static inline bool idle_thread_is_running(void)
{
    return atomic_load_explicit(&idle_thread_running, memory_order_relaxed);
}

/* Reads MEMKIND_IDLE_THREAD, once: 0 means that there shall never be a thread. */
void idle_thread_configure(void);

/*
 * Starts the thread, if there is none. No lock of the library is held. errno is kept. Thread-safe.
 */
void idle_thread_start(void);

/* In the child of a fork: the thread is the parent's. */
void idle_thread_after_fork(void);
