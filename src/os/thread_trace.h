/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How other threads are stopped: the part of threads.h that deals with ptrace(2).
 *
 * A process cannot trace its own threads. A helper process, which shares all memory with this one,
 * traces them for the moment and then ends:
 *
 *    GONE --clone(2)--> BEGINNING --> TRACING --> STOPPED --> CONTINUING --> GONE
 *                                        '------> LATE ------------------------^
 *
 * A stopped thread writes to no memory. The kernel makes most interrupted system calls again when
 * the thread goes on, with what is left of their timeouts. Those that the kernel lets fail with
 * EINTR, as epoll_wait(2), are made again by the helper, which knows the number of each. Their
 * timeouts begin anew.
 *
 * No signal is sent, so that the threads need no space on their stacks, and may block signals. The
 * program cannot wait for the helper with wait(2): there is no SIGCHLD at its end.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/*
 * Records which filters of system calls the process has, the first time. A filter that the program
 * adds later may end the process for the calls that are made here, and so none are made.
 */
void thread_trace_configure(void);

/*
 * Stops all threads but the calling one, which has all signals blocked, and those that are spared.
 * False, and none is stopped, where a thread cannot be stopped within some milliseconds: a debugger
 * traces it, it waits for a child of vfork(2), or for space to write to. Also where tracing is
 * forbidden. One caller at a time.
 */
bool thread_trace_stop(bool (*is_spared)(pid_t thread));

/* All that were stopped go on. */
void thread_trace_continue(void);

/* In the child of a fork, which has no helper. */
void thread_trace_after_fork(void);
