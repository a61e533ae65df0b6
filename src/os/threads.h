/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Moments at which no thread of the program runs but the calling one.
 *
 * In a process with one thread, the thread blocks its signals. If there are other threads, a helper
 * process stops them by ptrace(2) (os/thread_trace.h). The stopped threads write to no memory, and
 * none of their system calls fails or returns early for that reason. epoll_wait(2),
 * sigtimedwait(2), semtimedop(2) and sockets with a timeout begin the timeout anew.
 *
 * Threads cannot be stopped while a debugger traces one, or while one has a child of vfork(2) or
 * waits for space to write to. They cannot be stopped at all where tracing is forbidden.
 *
 * The library's own threads go on: they write to no block of the program. io_uring(7) and other
 * interfaces that write to memory without a thread are not stopped. The caller ensures that there
 * is one moment at a time.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Record that the calling thread is the library's own from now on, and that it is so no longer. */
void threads_enter(void);
void threads_leave(void);

/* Call before the first moment, and before the program adds system call filters (seccomp(2)). */
void threads_configure(void);

/* In the child of a fork, which has no other threads and is at no moment. */
void threads_after_fork(void);

/* Whether the program has other threads than the calling one. True if that is unknown. */
bool threads_are_several(void);

/* What is done with other threads at a moment. */
enum threads_others {
    THREADS_LEAVE,   /* nothing: there is no moment if there are any */
    THREADS_STOP,    /* they are stopped */
    THREADS_TRUSTED, /* nothing: the program ensures that they do not disturb */
};

struct threads_stop {
    sigset_t mask;   /* of the calling thread, as it was */
    uintptr_t stack; /* an address on its stack */
    uintptr_t local; /* and one of its thread-local data */
    bool others;     /* whether other threads are stopped */
};

/*
 * Stops the program until threads_continue(): no other thread can run, and no signal handler on
 * this one. False: there are other threads, and they cannot be stopped, or `others` is
 * THREADS_LEAVE; nothing has changed. Takes some milliseconds at most.
 */
bool threads_stop(struct threads_stop *stop, enum threads_others others);

/*
 * Returns call(arg), made during the moment. -EBUSY: the moment had ended before, because the
 * helper was killed, or ended meanwhile; the call was made in part at most, but no other thread ran
 * before its last system call ended. The call may acquire no lock.
 */
int threads_call(const struct threads_stop *stop, int (*call)(void *arg), void *arg);
void threads_continue(const struct threads_stop *stop);

/*
 * Whether the range contains memory that the calling thread writes to during the moment: its stack
 * or its thread-local data, which a program may have allocated by malloc(3).
 */
bool threads_use(const struct threads_stop *stop, const char *addr, size_t size);
