/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inputs whose second part a child process plays under adverse conditions: system calls fail,
 * descriptors are closed and reused, privileges are dropped, threads play in their last
 * destructors, or fork during reports. None of these conditions can be undone within one process.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * The number selects the condition. Waits for the child, and then checks the parent's blocks.
 * Returns how many public calls were made, without the child's.
 */
unsigned long hardship_play(const uint8_t *records, size_t count, const char *dir, unsigned number);

/*
 * Plays the records in a process that forks again and again, with children that fork, too: each
 * checks that its kinds are as at the fork, and plays on beside its parent. `number` selects when
 * parents wait and when they thaw. Returns the calls of the first process.
 */
unsigned long hardship_fork(const uint8_t *records, size_t count, const char *dir, unsigned number);
