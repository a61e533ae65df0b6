/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations of kinds in memory of high bandwidth: memkind_hbw(3). */
#pragma once

#include "memkind/internal/memkind_private.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/*
 * Check for nodes of high bandwidth, and for huge pages on the nearest ones.
 * MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE, MEMKIND_ERROR_ENVIRON, MEMKIND_ERROR_HUGETLB.
 */
int memkind_hbw_check_available(struct memkind *kind);
int memkind_hbw_hugetlb_check_available(struct memkind *kind);

/* Store the nodes that are nearest to the calling thread's processor, and all of them. */
int memkind_hbw_get_mbind_nodemask(struct memkind *kind, unsigned long *nodemask,
                                   unsigned long maxnode);
int memkind_hbw_all_get_mbind_nodemask(struct memkind *kind, unsigned long *nodemask,
                                       unsigned long maxnode);

/* Initialize the library's kinds, as their first use does. */
void memkind_hbw_init_once(void);
void memkind_hbw_all_init_once(void);
void memkind_hbw_hugetlb_init_once(void);
void memkind_hbw_all_hugetlb_init_once(void);
void memkind_hbw_preferred_init_once(void);
void memkind_hbw_preferred_hugetlb_init_once(void);
void memkind_hbw_interleave_init_once(void);

extern struct memkind_ops MEMKIND_HBW_OPS;
extern struct memkind_ops MEMKIND_HBW_ALL_OPS;
extern struct memkind_ops MEMKIND_HBW_HUGETLB_OPS;
extern struct memkind_ops MEMKIND_HBW_ALL_HUGETLB_OPS;
extern struct memkind_ops MEMKIND_HBW_PREFERRED_OPS;
extern struct memkind_ops MEMKIND_HBW_PREFERRED_HUGETLB_OPS;
extern struct memkind_ops MEMKIND_HBW_INTERLEAVE_OPS;

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
