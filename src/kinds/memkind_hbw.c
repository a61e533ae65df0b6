/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations of kinds in memory of high bandwidth: memkind_hbw(3). */
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

void memkind_hbw_init_once(void)
{
    node_kind_ready(&static_kind_hbw);
}

void memkind_hbw_all_init_once(void)
{
    node_kind_ready(&static_kind_hbw_all);
}

void memkind_hbw_hugetlb_init_once(void)
{
    node_kind_ready(&static_kind_hbw_hugetlb);
}

void memkind_hbw_all_hugetlb_init_once(void)
{
    node_kind_ready(&static_kind_hbw_all_hugetlb);
}

void memkind_hbw_preferred_init_once(void)
{
    node_kind_ready(&static_kind_hbw_preferred);
}

void memkind_hbw_preferred_hugetlb_init_once(void)
{
    node_kind_ready(&static_kind_hbw_preferred_hugetlb);
}

void memkind_hbw_interleave_init_once(void)
{
    node_kind_ready(&static_kind_hbw_interleave);
}

#define HBW_OPS(nodemask, mode, advice, init)                            \
    NODE_KIND_OPS_WITH(nodemask, mode, advice, node_kind_get_mmap_flags, \
                       memkind_hbw_check_available, init)
#define HBW_HUGETLB_OPS(nodemask, mode, init)                                  \
    NODE_KIND_OPS_WITH(nodemask, mode, NULL, node_kind_get_hugetlb_mmap_flags, \
                       memkind_hbw_hugetlb_check_available, init)

struct memkind_ops MEMKIND_HBW_OPS = HBW_OPS(
    memkind_hbw_get_mbind_nodemask, memkind_default_get_mbind_mode, NULL, memkind_hbw_init_once);
struct memkind_ops MEMKIND_HBW_ALL_OPS =
    HBW_OPS(memkind_hbw_all_get_mbind_nodemask, memkind_default_get_mbind_mode, NULL,
            memkind_hbw_all_init_once);
struct memkind_ops MEMKIND_HBW_HUGETLB_OPS = HBW_HUGETLB_OPS(
    memkind_hbw_get_mbind_nodemask, memkind_default_get_mbind_mode, memkind_hbw_hugetlb_init_once);
struct memkind_ops MEMKIND_HBW_ALL_HUGETLB_OPS =
    HBW_HUGETLB_OPS(memkind_hbw_all_get_mbind_nodemask, memkind_default_get_mbind_mode,
                    memkind_hbw_all_hugetlb_init_once);
/* Of several nodes, the kernel prefers the one of the lowest number. */
struct memkind_ops MEMKIND_HBW_PREFERRED_OPS =
    HBW_OPS(memkind_hbw_get_mbind_nodemask, memkind_preferred_get_mbind_mode, NULL,
            memkind_hbw_preferred_init_once);
struct memkind_ops MEMKIND_HBW_PREFERRED_HUGETLB_OPS =
    HBW_HUGETLB_OPS(memkind_hbw_get_mbind_nodemask, memkind_preferred_get_mbind_mode,
                    memkind_hbw_preferred_hugetlb_init_once);
/* A large page would be on one node. */
struct memkind_ops MEMKIND_HBW_INTERLEAVE_OPS =
    HBW_OPS(memkind_hbw_all_get_mbind_nodemask, memkind_interleave_get_mbind_mode,
            memkind_nohugepage_madvise, memkind_hbw_interleave_init_once);
