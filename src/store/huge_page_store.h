/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The store of spaces over private huge pages of a chunk each, mapped without a reservation from
 * the kernel's pool.
 *
 * A commit takes huge pages from the pool before any access, or fails: an access to a page that the
 * pool does not have would be a SIGBUS. The pages have a map with a reservation, so that a fork
 * cannot take them from this process. A release gives back huge pages that are empty, and sets the
 * rest to zero.
 */
#pragma once

#include "space/space.h"

/* The store of a struct anonymous_space whose kind's mmap flags have MAP_HUGETLB. */
extern const struct store_ops huge_page_store;

/*
 * Lets the next query of the pool go to the kernel, even where the pool was found empty a moment
 * ago. Thread-safe.
 */
void huge_page_store_recheck(void);
