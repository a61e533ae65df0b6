/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The store of spaces over private huge pages of a chunk each, mapped without a reservation from
 * the kernel's pool.
 *
 * A commit takes huge pages from the pool before anything touches them, or fails: touching one that
 * the pool does not have would be a SIGBUS. Pages come with a map of their own that has a
 * reservation, so that a fork cannot take them from this process. An empty huge page goes back; in
 * one that is not empty, what is released is set to zero.
 */
#pragma once

#include "space/space.h"

/* Of a struct anonymous_space, whose kind's flags have MAP_HUGETLB. */
extern const struct store_ops huge_page_store;

/*
 * The next query of the pool goes to the kernel, although the pool was found empty a moment ago.
 * Thread-safe.
 */
void huge_page_store_recheck(void);
