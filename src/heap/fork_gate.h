/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keeps threads out of jemalloc while the process forks.
 *
 * jemalloc's own fork handlers take and leave each lock of each arena. In the parent, all pages
 * with locks have then been written to while the child has them too, and each is copied: some ten
 * pages for an arena. With nobody inside no lock is held, and the parent writes to none.
 *
 * Whoever calls jemalloc is between enter and leave, and waits there for no lock that the thread
 * which forks has taken before (kinds/fork.c). Enter and leave may be nested.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "util/lock.h"

enum fork_gate_state {
    FORK_GATE_UNREGISTERED, /* has never been inside, as jemalloc's own threads */
    FORK_GATE_LISTED,
    FORK_GATE_UNLISTED, /* about to end, or nobody would hear of its end */
};

struct fork_gate_thread {
    enum fork_gate_state state;
    unsigned depth;     /* 0: outside */
    atomic_uint inside; /* of one that is listed: 1 or 0; also a futex */
    struct fork_gate_thread *next, **link;
    /*
     * jemalloc's destructor of this thread has run: see jemalloc_block_alloc(). Kept here to save a
     * second lookup of thread-local data.
     */
    bool has_left_jemalloc;
};

extern _Thread_local struct fork_gate_thread fork_gate_thread;
extern atomic_bool fork_gate_is_closed;

/* The ways in and out of a thread that is not listed, or finds the gate closed. */
void fork_gate_enter_slowly(struct fork_gate_thread *thread);
void fork_gate_leave_slowly(struct fork_gate_thread *thread);

/*
 * Counts a listed thread in, and says whether the gate is open. No locked instruction and no fence:
 * the thread that closes the gate has the kernel order what the others do. Either this sees that it
 * is closed, or that thread sees that this one is inside.
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

    /* The compiler would find its address, by a call, for each use. */
    __asm__("" : "+r"(thread));
    if (thread->depth++ != 0)
        return thread;
    lock_check_order(LOCK_FORK_GATE);
    if (__builtin_expect(thread->state != FORK_GATE_LISTED || !fork_gate_try(thread), 0))
        fork_gate_enter_slowly(thread);
    lock_record_held(thread, LOCK_JEMALLOC);
    return thread;
}

/* With what the way in has returned. */
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
 * Closes the gate and waits until nobody is inside but this thread, which may go in and out until
 * it opens the gate again. One thread at a time. False where the kernel does not help: then it is
 * open.
 */
bool fork_gate_close(void);
void fork_gate_open(void);

/* In the child of a fork, whether the gate was closed and has been opened, or not. */
void fork_gate_adopt(void);
