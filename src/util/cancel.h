/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keeps a thread from being cancelled inside the library.
 *
 * open(2), close(2), write(2) and fallocate(2) are cancellation points, but an allocation is none
 * (pthreads(7)): a thread cancelled below malloc would unwind with the allocator's locks held.
 */
#pragma once

#include <pthread.h>

/* Holds cancellation back for this thread. Returns the state that cancel_restore() takes. Nests. */
static inline int cancel_hold(void)
{
    int state;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    return state;
}

/* Puts back the state that the matching cancel_hold() returned. */
static inline void cancel_restore(int state)
{
    pthread_setcancelstate(state, NULL);
}
