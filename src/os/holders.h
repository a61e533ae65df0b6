/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which processes still have what a fork has shared: this one, its children and theirs, each until
 * it ends or executes another program.
 *
 * The kernel counts the processes that have a segment of shared memory attached (shmctl(2),
 * shm_nattch): a fork adds one, the end of a process and execve(2) take one away, however they come
 * about, and no process loses its own by closing descriptors. The segment is removed as soon as it
 * is made, so that the kernel frees it with the last of them. Thread-safe.
 */
#pragma once

#include <stdbool.h>

/* Sets of processes that one process can be in at a time. */
#define HOLDERS_MOST 32

struct holders;

/*
 * The set that this process began: itself, and whoever is forked from now on. Made where there is
 * none, else counted once more. NULL with *err -errno of shmget(2) or shmat(2), or -ENFILE.
 */
struct holders *holders_get(int *err);

/* Counts once less. When nothing is counted any more, this process leaves the set. */
void holders_put(struct holders *holders);

/* Whether this process is the only one left. No where that cannot be known. */
bool holders_are_one(const struct holders *holders);

/* In the child of a fork: the sets of its ancestors go on, and its own is still to be made. */
void holders_after_fork(void);
