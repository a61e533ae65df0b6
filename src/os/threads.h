/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Moments at which no thread of the program runs but the calling one.
 *
 * A process with one thread blocks its signals, and that is all. Where there are others, a helper
 * process traces them for the moment (os/thread_trace.h). They write to nothing meanwhile, and no
 * system call is seen to fail or to return early. epoll_wait(2), sigtimedwait(2), semtimedop(2) and
 * sockets with a timeout begin the timeout anew.
 *
 * There is no such moment while a thread is traced by a debugger, has a child of vfork(2), or waits
 * for space to write to, and none where tracing is forbidden.
 *
 * The library's own threads go on: they write to no block of the program's. io_uring(7) and others
 * that write for the program without a thread are not stopped. One moment at a time: the caller
 * ensures that.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The calling thread is the library's own, from now on or no longer. */
void threads_enter(void);
void threads_leave(void);

/* Before the first moment, and before the program adds filters of system calls (seccomp(2)). */
void threads_configure(void);

/* In the child of a fork, which has none of them, and no moment. */
void threads_after_fork(void);

/* Whether the program has other threads than the calling one. True where that is not known. */
bool threads_are_several(void);

struct threads_stop {
    sigset_t mask;   /* of the calling thread, as it was */
    uintptr_t stack; /* an address on its stack */
    uintptr_t local; /* and one of its thread-local data */
    bool others;     /* whether other threads are stopped */
};

/*
 * Whether no other thread of the program can run until threads_continue(), nor a signal handler on
 * this one. False, and nothing has changed, where that cannot be, or where there are other threads
 * and others is false. Takes some milliseconds at most.
 */
bool threads_stop(struct threads_stop *stop, bool others);
void threads_continue(const struct threads_stop *stop);

/*
 * Whether the range has what is written to even now: the stack or the thread-local data of the
 * calling thread, which a program may have taken from malloc(3).
 */
bool threads_use(const struct threads_stop *stop, const char *addr, size_t size);
