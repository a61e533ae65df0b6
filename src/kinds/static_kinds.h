/* SPDX-License-Identifier: BSD-2-Clause */
/* The kinds that are part of the library. */
#pragma once

#include "memkind/internal/memkind_private.h"

extern struct memkind static_kind_default;
extern struct memkind static_kind_regular;
extern struct memkind static_kind_hugetlb;
extern struct memkind static_kind_interleave;

/* Kinds in the memory of certain nodes: X(name, the same in lower case) */
#define STATIC_NODE_KINDS(X)                                                \
    X(HIGHEST_CAPACITY, highest_capacity)                                   \
    X(HIGHEST_CAPACITY_PREFERRED, highest_capacity_preferred)               \
    X(HIGHEST_CAPACITY_LOCAL, highest_capacity_local)                       \
    X(HIGHEST_CAPACITY_LOCAL_PREFERRED, highest_capacity_local_preferred)   \
    X(DAX_KMEM, dax_kmem)                                                   \
    X(DAX_KMEM_ALL, dax_kmem_all)                                           \
    X(DAX_KMEM_PREFERRED, dax_kmem_preferred)                               \
    X(DAX_KMEM_INTERLEAVE, dax_kmem_interleave)                             \
    X(HBW, hbw)                                                             \
    X(HBW_ALL, hbw_all)                                                     \
    X(HBW_HUGETLB, hbw_hugetlb)                                             \
    X(HBW_ALL_HUGETLB, hbw_all_hugetlb)                                     \
    X(HBW_PREFERRED, hbw_preferred)                                         \
    X(HBW_PREFERRED_HUGETLB, hbw_preferred_hugetlb)                         \
    X(HBW_INTERLEAVE, hbw_interleave)                                       \
    X(HIGHEST_BANDWIDTH_LOCAL, highest_bandwidth_local)                     \
    X(HIGHEST_BANDWIDTH_LOCAL_PREFERRED, highest_bandwidth_local_preferred) \
    X(LOWEST_LATENCY_LOCAL, lowest_latency_local)                           \
    X(LOWEST_LATENCY_LOCAL_PREFERRED, lowest_latency_local_preferred)

#define DECLARE_NODE_KIND(NAME, LOWER) extern struct memkind static_kind_##LOWER;
STATIC_NODE_KINDS(DECLARE_NODE_KIND)
#undef DECLARE_NODE_KIND
