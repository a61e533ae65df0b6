/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The threshold from which blocks go to PMEM, moved so that the bytes in DRAM and in PMEM keep a
 * ratio.
 *
 * Too many bytes in DRAM lower the threshold, too many in PMEM raise it: by half or to the double
 * while the ratio is far off, by an eighth near it. So whatever sizes a program uses, large and
 * mostly colder blocks go to PMEM first. If all blocks have one size, they alternate.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <sys/types.h>

enum ratio_side { RATIO_DRAM, RATIO_PMEM };

/* The largest part of a ratio. */
#define RATIO_LARGEST_PART 10000u

/* dram : pmem, both from 1 to RATIO_LARGEST_PART. Before ratio_count(). */
void ratio_set(unsigned dram, unsigned pmem);

/* Returns the least size of blocks that go to PMEM. */
size_t ratio_threshold(void);

/* Records that bytes were allocated there, or freed if negative. Thread-safe, lock-free. */
void ratio_count(enum ratio_side side, ssize_t bytes);

/* Returns the bytes there now. */
size_t ratio_bytes(enum ratio_side side);
