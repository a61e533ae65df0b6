/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The use of the slabs of blocks, as jemalloc's experimental.utilization reports it to programs
 * that move blocks out of nearly empty slabs. Arguments and error numbers are those of mallctl(3).
 */
#pragma once

#include <stddef.h>

/* new: a block's address. old: six numbers about its slab, and its size class in its arena. */
int utilization_query(void *old, const size_t *old_size, const void *new, size_t new_size);

/* new: addresses of blocks. old: three numbers for each: free blocks, all blocks, and bytes. */
int utilization_batch_query(void *old, const size_t *old_size, const void *new, size_t new_size);
