/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sets of processes that share memory since a fork: a process, its children and their children,
 * each until the process ends or executes another program.
 *
 * The kernel counts the processes that have a segment of shared memory attached (shmctl(2),
 * shm_nattch). A fork adds one; execve(2) and the end of a process, for whatever reason, subtract
 * one. A process that closes all descriptors stays in the count. The segment is removed as soon as
 * it is created, so that the kernel frees the segment with the last process. All functions are
 * thread-safe and keep errno.
 */
#pragma once

#include <stdbool.h>

/* Sets of processes that one process can be in at a time. */
#define HOLDERS_MOST 32

struct holders;

/*
 * Returns the set that begins with this process and gets the children that are forked from now on.
 * Creates the set if there is none, and counts one more use. NULL: *err is -errno of shmget(2) or
 * shmat(2), or -ENFILE if the process is in HOLDERS_MOST sets.
 */
struct holders *holders_get(int *err);

/* Counts one use less. After the last use, this process leaves the set. */
void holders_put(struct holders *holders);

/* Returns whether this process is the only one left in the set; false if the query fails. */
bool holders_are_one(const struct holders *holders);

/* In the child of a fork: the child stays in its ancestors' sets, and has no set of its own. */
void holders_after_fork(void);
