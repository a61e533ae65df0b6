/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keeps threads out of jemalloc while the process forks.
 *
 * jemalloc's own fork handlers acquire and release each lock of each arena. The parent then writes
 * to all pages with locks while the child has them too, and the kernel copies each page: some ten
 * pages for an arena. While no thread is inside jemalloc, no lock is held, and the parent need not
 * write to any.
 *
 * A thread that calls jemalloc is between enter and leave. There it waits for no lock that a
 * forking thread holds when it closes the gate (see kinds/fork.c). Enter and leave may be nested.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "util/lock.h"

enum fork_gate_state {
    FORK_GATE_UNREGISTERED, /* has never entered, like jemalloc's own threads */
    FORK_GATE_LISTED,
    FORK_GATE_UNLISTED, /* about to end, or without a destructor that would remove it */
};

struct fork_gate_thread {
    enum fork_gate_state state;
    unsigned depth;     /* of nested enters; 0: outside */
    atomic_uint inside; /* 1 or 0; of a listed thread also a futex */
    struct fork_gate_thread *next, **link;
    /*
     * jemalloc's destructor of this thread has run: see jemalloc_block_alloc(). Kept here to save a
     * second lookup of thread-local data.
     */
    bool has_left_jemalloc;
};

extern _Thread_local struct fork_gate_thread fork_gate_thread;
extern atomic_bool fork_gate_is_closed;

/* The slow paths of enter and leave, where a thread is not listed, or the gate is closed. */
void fork_gate_enter_slowly(struct fork_gate_thread *thread);
void fork_gate_leave_slowly(struct fork_gate_thread *thread);

/*
 * Marks a listed thread as inside, and returns whether the gate is open. Needs no atomic
 * read-modify-write and no fence: the thread that closes the gate calls membarrier(2). Either this
 * thread reads that the gate is closed, or the closing thread reads that this one is inside.
 */
static inline bool fork_gate_try(struct fork_gate_thread *thread)
{
    atomic_store_explicit(&thread->inside, 1, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    return !atomic_load_explicit(&fork_gate_is_closed, memory_order_acquire);
}

static inline struct fork_gate_thread *fork_gate_enter(void)
{
    struct fork_gate_thread *thread = &fork_gate_thread;

    /* Without the barrier, compilers compute the address, by a call, for each use. */
    __asm__("" : "+r"(thread));
    if (thread->depth++ != 0)
        return thread;
    lock_check_order(LOCK_FORK_GATE);
    if (__builtin_expect(thread->state != FORK_GATE_LISTED || !fork_gate_try(thread), 0))
        fork_gate_enter_slowly(thread);
    lock_record_held(thread, LOCK_JEMALLOC);
    return thread;
}

/* `thread` is what fork_gate_enter() has returned. */
static inline void fork_gate_leave(struct fork_gate_thread *thread)
{
    if (--thread->depth != 0)
        return;
    lock_record_released(thread);
    if (__builtin_expect(thread->state == FORK_GATE_LISTED, 1)) {
        atomic_store_explicit(&thread->inside, 0, memory_order_release);
        atomic_signal_fence(memory_order_seq_cst);
        if (__builtin_expect(!atomic_load_explicit(&fork_gate_is_closed, memory_order_relaxed), 1))
            return;
    }
    fork_gate_leave_slowly(thread);
}

/*
 * Whether the calling thread is inside, enters or leaves: a signal handler may have interrupted
 * jemalloc.
 */
static inline bool fork_gate_is_inside(void)
{
    return fork_gate_thread.depth != 0 ||
           atomic_load_explicit(&fork_gate_thread.inside, memory_order_relaxed) != 0;
}

/*
 * Closes the gate and waits until no other thread is inside. This thread may enter and leave until
 * it opens the gate again. Only one thread at a time can close the gate. False where the kernel has
 * no membarrier: then the gate is open.
 */
bool fork_gate_close(void);
void fork_gate_open(void);

/* In the child of a fork, after fork_gate_open() where the gate was closed. */
void fork_gate_adopt(void);
