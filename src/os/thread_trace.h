/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How other threads are stopped by ptrace(2), for threads.h.
 *
 * A process cannot trace its own threads. A helper process, which shares all memory with this one,
 * traces them for the moment and then ends:
 *
 *                                               CALLING
 *                                                |   ^
 *                                                v   |
 *    GONE --clone(2)--> BEGINNING --> TRACING --> STOPPED --> CONTINUING --> GONE
 *                                        '------> LATE ------------------------^
 *
 * A stopped thread writes to no memory. When the thread goes on, the kernel restarts most
 * interrupted system calls with the rest of their timeouts. Calls that the kernel lets fail with
 * EINTR, such as epoll_wait(2), are restarted by the helper, which changes the thread's registers.
 * Their timeouts begin anew.
 *
 * If the helper is killed, the kernel lets the threads go on. What must not happen then is done by
 * the helper itself (thread_trace_call()): a system call that has begun ends before the threads go
 * on.
 *
 * No signal is sent, so the threads need no space on their stacks, and may block signals. The end
 * of the helper raises no SIGCHLD, and wait(2) in the program does not return the helper.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/*
 * The first call records the number of system call filters of the process. A filter that the
 * program adds later might end the process for the calls of this file, so no thread is stopped
 * after that.
 */
void thread_trace_configure(void);

/*
 * Stops all threads but the calling one, which has all signals blocked, and those for which
 * is_spared() returns true. False: a thread could not be stopped within some milliseconds (a
 * debugger traces the thread, or the thread waits for a child of vfork(2) or for space to write
 * to), or tracing is forbidden; no thread is stopped. One caller at a time.
 */
bool thread_trace_stop(bool (*is_spared)(pid_t thread));

/*
 * Calls call(arg) in the helper, while the threads are stopped, and returns its result. -EBUSY: the
 * helper was killed, and the threads go on; the call was made in part at most. The call may acquire
 * no lock.
 */
int thread_trace_call(int (*call)(void *arg), void *arg);

/* Lets the stopped threads go on. */
void thread_trace_continue(void);

/* In the child of a fork, which has no helper. */
void thread_trace_after_fork(void);
