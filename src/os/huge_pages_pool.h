/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's pools of huge pages: those of 2 MiB, and of 1 GiB. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "util/align.h"

#define HUGE_PAGES_POOL_PAGE     LARGE_PAGE
#define HUGE_PAGES_POOL_GIGANTIC ((size_t)1 << 30)

/*
 * Returns the number of pages of 2 MiB, in use or not, on the nodes of the mask (of maxnode bits,
 * as for mbind(2)), or on all nodes where mask is NULL. 0 where the kernel has no such pool, or
 * does not tell. Thread-safe.
 */
size_t huge_pages_pool_size(const unsigned long *mask, unsigned long maxnode);

/* The same for pages of 1 GiB. */
size_t huge_pages_pool_size_gigantic(const unsigned long *mask, unsigned long maxnode);

/*
 * Returns how many pages of 2 MiB could be taken at this moment, from the pool or beyond it
 * (nr_overcommit_hugepages). Thread-safe.
 */
size_t huge_pages_pool_free(void);

/*
 * Whether there is no page of 2 MiB that this process could take at this moment. Two system calls,
 * which take none. errno is kept. Thread-safe.
 */
bool huge_pages_pool_is_empty(void);
