/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The size from which blocks go to PMEM, moved so that the bytes in DRAM and in PMEM keep a ratio.
 *
 * Too much in DRAM lowers it, too much in PMEM raises it: by a half or the double while they are
 * far from the ratio, by an eighth near it. So whatever sizes a program uses, the large and mostly
 * colder blocks go to PMEM first, and where all are of one size, they take turns.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <sys/types.h>

enum ratio_side { RATIO_DRAM, RATIO_PMEM };

/* Most that either part of a ratio may be. */
#define RATIO_LARGEST_PART 10000u

/* dram : pmem, both from 1 to RATIO_LARGEST_PART. Before ratio_count(). */
void ratio_set(unsigned dram, unsigned pmem);

/* Blocks of so many bytes, or more, go to PMEM. */
size_t ratio_threshold(void);

/*
 * Notes that so many bytes were allocated there, or freed where negative. Thread-safe, lock-free.
 */
void ratio_count(enum ratio_side side, ssize_t bytes);

/* The bytes there now. */
size_t ratio_bytes(enum ratio_side side);
