/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations of kinds in huge pages: memkind_hugetlb(3). */
#pragma once

#include "memkind/internal/memkind_private.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/*
 * Checks for huge pages of 2 MiB on the nodes of the kind's get_mbind_nodemask, or on any node if
 * it has none. MEMKIND_ERROR_HUGETLB: there are none. Otherwise the error of get_mbind_nodemask.
 */
int memkind_hugetlb_check_available_2mb(struct memkind *kind);

/* Stores MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB. MEMKIND_ERROR_INVALID for a NULL flags. */
int memkind_hugetlb_get_mmap_flags(struct memkind *kind, int *flags);

/* Initializes MEMKIND_HUGETLB, as its first allocation does. Further calls have no effect. */
void memkind_hugetlb_init_once(void);

extern struct memkind_ops MEMKIND_HUGETLB_OPS;

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
