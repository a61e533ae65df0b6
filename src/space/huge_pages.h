/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Spaces over private huge pages of a chunk each, mapped without a reservation from the kernel's
 * pool.
 *
 * A commit takes huge pages from the pool before anything touches them, or fails: touching one that
 * the pool does not have would be a SIGBUS. Pages come with a map of their own that has a
 * reservation (map_claimed), so that a fork cannot take them from this process. One that is empty
 * goes back; within one that is not, what is released is set to zero.
 */
#pragma once

#include "space/space.h"

/* Operations of a struct store_ops whose map does mmap(2) with MAP_HUGETLB. */
int huge_pages_commit(struct space *space, void *addr, off_t offset, size_t size);
int huge_pages_release(struct space *space, void *addr, off_t offset, size_t size);
bool huge_pages_are_used_up(const struct space *space);

/*
 * The program asks whether there are huge pages: an empty pool is looked at again at once.
 * Thread-safe.
 */
void huge_pages_recheck(void);
