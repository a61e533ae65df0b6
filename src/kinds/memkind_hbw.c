/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions of kinds in memory of high bandwidth: memkind_hbw(3). node_kind_ops.c has the tables of
 * operations.
 */
#include "memkind/internal/memkind_hbw.h"

#include "kinds/node_kind.h"
#include "kinds/static_kinds.h"

int memkind_hbw_check_available(struct memkind *kind)
{
    return node_kind_check_available(kind);
}

int memkind_hbw_hugetlb_check_available(struct memkind *kind)
{
    return node_kind_check_hugetlb_available(kind);
}

int memkind_hbw_get_mbind_nodemask(struct memkind *kind, unsigned long *nodemask,
                                   unsigned long maxnode)
{
    (void)kind;
    return node_kind_store_choice(&node_choice_hbw, nodemask, maxnode);
}

int memkind_hbw_all_get_mbind_nodemask(struct memkind *kind, unsigned long *nodemask,
                                       unsigned long maxnode)
{
    (void)kind;
    return node_kind_store_choice(&node_choice_hbw_all, nodemask, maxnode);
}

#define DEFINE_INIT_ONCE(LOWER)                \
    void memkind_##LOWER##_init_once(void)     \
    {                                          \
        node_kind_ready(&static_kind_##LOWER); \
    }
DEFINE_INIT_ONCE(hbw)
DEFINE_INIT_ONCE(hbw_all)
DEFINE_INIT_ONCE(hbw_hugetlb)
DEFINE_INIT_ONCE(hbw_all_hugetlb)
DEFINE_INIT_ONCE(hbw_preferred)
DEFINE_INIT_ONCE(hbw_preferred_hugetlb)
DEFINE_INIT_ONCE(hbw_interleave)
