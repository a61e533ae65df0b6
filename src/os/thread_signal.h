/* SPDX-License-Identifier: BSD-2-Clause */
/* How other threads are made to wait: the part of threads.h that deals with signals. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Most threads that a process may have for them to be stopped. */
#define THREAD_SIGNAL_MOST 1024u

/* Where a thread was, before it gets the signal. */
struct thread_place {
    long call; /* the number of the system call that it waits in; -1: none, or not known */
    uintptr_t first_argument;
    uintptr_t stack;
    uintptr_t next; /* instruction after the call */
};

/* A signal that the program has no handler for, and a handler of ours for it; 0. */
int thread_signal_prepare(void);

/* Begins a moment: threads that get the signal wait. */
void thread_signal_begin(void);

/* Sends it to a thread, the index-th in this moment. 0 or -errno: -ESRCH where it has ended. */
int thread_signal_send(pid_t thread, unsigned index, const struct thread_place *place);

/* Waits until so many threads wait, for some milliseconds; whether they do. */
bool thread_signal_wait(unsigned threads);

/* Whether one of the first `threads` that wait has its stack or its data near the range. */
bool thread_signal_is_near(unsigned threads, uintptr_t first, uintptr_t end, uintptr_t distance);

/* Ends the moment. */
void thread_signal_end(void);

/* Whether a call of this number that was left with EINTR has had no effect, so that it can be made
 * again. */
bool thread_signal_repeats(long call);
