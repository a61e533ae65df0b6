/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The system call that another thread waits in: whether the call may be interrupted, and how an
 * interrupted call is made again. For the helper of thread_trace.h, which traces the thread.
 *
 * No function allocates memory, or is a cancellation point.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/*
 * Whether the registers of this processor are known. Without them, no thread can be stopped. Nor
 * with the thread sanitizer, which takes the helper for the thread whose thread-local data it has.
 */
#if (defined(__x86_64__) || defined(__aarch64__)) && !defined(__SANITIZE_THREAD__)
#    define THREAD_CALL_IS_KNOWN 1
#else
#    define THREAD_CALL_IS_KNOWN 0
#endif

#define THREAD_CALL_TEXT_SIZE 1024

/*
 * Reads a file of /proc/PID/task/TID, at most THREAD_CALL_TEXT_SIZE - 1 bytes, and adds a NUL.
 * False: the file cannot be read.
 */
bool thread_call_read_file(pid_t process, pid_t thread, const char *name,
                           char text[THREAD_CALL_TEXT_SIZE]);

/* Whether the program would notice an interruption of the call that the thread waits in, if any. */
bool thread_call_is_delicate(pid_t process, pid_t thread);

/* If the stopped thread's call has failed with EINTR: lets the thread make the call again. */
void thread_call_repeat(pid_t process, pid_t thread);
