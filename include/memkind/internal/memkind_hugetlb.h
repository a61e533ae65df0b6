/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations of kinds whose memory is huge pages, as in memkind_hugetlb(3). */
#pragma once

#include "memkind/internal/memkind_private.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/*
 * Whether there are huge pages of 2 MiB on the nodes of the kind's get_mbind_nodemask, or, where it
 * has none, on any node. MEMKIND_ERROR_HUGETLB where there are none, or what get_mbind_nodemask
 * says.
 */
int memkind_hugetlb_check_available_2mb(struct memkind *kind);

/* Stores MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB. MEMKIND_ERROR_INVALID for a NULL flags. */
int memkind_hugetlb_get_mmap_flags(struct memkind *kind, int *flags);

/* Readies MEMKIND_HUGETLB, as its first allocation does; calling it again does nothing. */
void memkind_hugetlb_init_once(void);

extern struct memkind_ops MEMKIND_HUGETLB_OPS;

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
