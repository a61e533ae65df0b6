/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inputs whose second part is played by a child process in hardship: system calls fail, descriptors
 * are closed and taken, rights are given up, threads play in their last destructors, or fork beside
 * reports. None of these can be taken back in one process.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * The number chooses the hardship. Waits for the child, and looks after the parent's blocks then.
 * Returns how many public calls were made, but for the child's.
 */
unsigned long hardship_play(const uint8_t *records, size_t count, const char *dir, unsigned number);
