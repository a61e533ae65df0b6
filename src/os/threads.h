/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Moments at which no thread of the program runs but the calling one.
 *
 * A process with one thread blocks its signals, and that is all. Where there are others, each gets
 * a real-time signal whose handler waits until the moment is over. The program sees nothing of
 * that:
 *
 *    - The signal is one that the program has no handler for. Where another process sends it, the
 *      process ends, as it would without the handler.
 *    - System calls that the kernel does not make again after a signal, as poll(2) and
 * epoll_wait(2), are made again by the handler, so none fails with EINTR. A timeout begins anew.
 *
 * There is no such moment while a thread blocks the signal, is stopped, or waits in a system call
 * that can neither be left nor made again.
 *
 * The library's own threads go on: they write to no block of the program's. io_uring(7) and others
 * that write for the program without a thread are not stopped. One moment at a time: the caller
 * sees to that.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The calling thread is the library's own, from now on or no longer. */
void threads_enter(void);
void threads_leave(void);

/* In the child of a fork, which has none of them, and no moment. */
void threads_after_fork(void);

struct threads_stop {
    sigset_t mask;   /* of the calling thread, as it was */
    uintptr_t stack; /* an address on its stack */
    uintptr_t local; /* and one of its thread-local data */
    unsigned others; /* threads that wait */
};

/*
 * Whether no other thread of the program can run until threads_continue(), nor a signal handler on
 * this one. False, and nothing has changed, where that cannot be, or where there are other threads
 * and others is false. Takes some milliseconds at most.
 */
bool threads_stop(struct threads_stop *stop, bool others);
void threads_continue(const struct threads_stop *stop);

/*
 * Whether the range has what is written to even now: the stack or the thread-local data of one of
 * the threads, which a program may have taken from malloc(3).
 */
bool threads_use(const struct threads_stop *stop, const char *addr, size_t size);
