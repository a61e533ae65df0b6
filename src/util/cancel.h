/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keeps a thread from being cancelled inside the library.
 *
 * open(2), close(2), write(2) and fallocate(2) are cancellation points, and malloc(3) is none
 * (pthreads(7)). A thread cancelled below malloc would unwind while it holds the allocator's locks.
 */
#pragma once

#include <pthread.h>

/* Disables cancellation of the calling thread. Returns the state for cancel_restore(). Nests. */
static inline int cancel_hold(void)
{
    int state;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    return state;
}

/* Restores the state that the matching cancel_hold() returned. */
static inline void cancel_restore(int state)
{
    pthread_setcancelstate(state, NULL);
}
