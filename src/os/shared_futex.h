/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads that wait for a shared futex (futex(2)): in pthread_join(3), or for a semaphore, mutex or
 * condition that processes can share.
 *
 * The kernel identifies a shared futex by file and offset in a shared mapping of a file, and by
 * address in a private mapping. So a wake does not reach a thread that waits while its mapping
 * becomes private. Such threads are woken once: callers of futex(2) must expect a spurious wake,
 * and wait again.
 */
#pragma once

#include <sys/types.h>

/*
 * Calls `visit` with the address of the futex for each other thread of the process that waits for a
 * shared futex. Visits none if /proc cannot be read. Allocates nothing.
 */
void shared_futex_each_waited(void (*visit)(const void *addr));

/*
 * Wakes all threads that wait for the futex at this offset of the file. 0 or -errno of mmap(2).
 */
int shared_futex_wake(int fd, off_t offset);
