/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads that wait for a futex which is not private to the process (futex(2)): in pthread_join(3),
 * or for a semaphore, mutex or condition that was made to be shared by processes.
 *
 * The kernel finds such waiters by the file and the offset of the futex where the memory is a
 * shared mapping of a file, and by the address where it is private. Who waits while the mapping
 * becomes a private one is thus not found any more, and has to be woken once: a caller of futex(2)
 * expects to be woken without a reason, and waits again.
 */
#pragma once

#include <sys/types.h>

/*
 * Calls `visit` with the address of the futex for each other thread of the process that waits for
 * one that is not private. Visits none where /proc does not tell. Allocates nothing.
 */
void shared_futex_each_waited(void (*visit)(const void *addr));

/*
 * Wakes all who wait for the futex at offset of the file, by its file and offset. 0 or -errno of
 * mmap(2).
 */
int shared_futex_wake(int fd, off_t offset);
