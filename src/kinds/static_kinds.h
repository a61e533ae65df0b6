/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kinds that are part of the library.
 *
 * A row X(NAME, name, ...) is MEMKIND_<NAME>, with the operations MEMKIND_<NAME>_OPS, in the
 * partition MEMKIND_PARTITION_<NAME>, called "memkind_<name>".
 */
#pragma once

#include "memkind/internal/memkind_private.h"

/*
 * Kinds in the memory of certain NUMA nodes. Further columns: the choice of nodes (node_choice.h);
 * the mode of binding (NODE_MODE_* in node_kind_ops.c); the page size (NODE_PAGES_* there);
 * init_once.
 */
#define STATIC_NODE_KINDS(X)                                                                      \
    X(HIGHEST_CAPACITY, highest_capacity, highest_capacity, BIND, SMALL,                          \
      memkind_default_init_once)                                                                  \
    X(HIGHEST_CAPACITY_PREFERRED, highest_capacity_preferred, highest_capacity, PREFER, SMALL,    \
      memkind_default_init_once)                                                                  \
    X(HIGHEST_CAPACITY_LOCAL, highest_capacity_local, highest_capacity_local, BIND, SMALL,        \
      memkind_default_init_once)                                                                  \
    X(HIGHEST_CAPACITY_LOCAL_PREFERRED, highest_capacity_local_preferred, highest_capacity_local, \
      PREFER, SMALL, memkind_default_init_once)                                                   \
    X(HIGHEST_BANDWIDTH_LOCAL, highest_bandwidth_local, highest_bandwidth_local, BIND, SMALL,     \
      memkind_default_init_once)                                                                  \
    X(HIGHEST_BANDWIDTH_LOCAL_PREFERRED, highest_bandwidth_local_preferred,                       \
      highest_bandwidth_local, PREFER, SMALL, memkind_default_init_once)                          \
    X(LOWEST_LATENCY_LOCAL, lowest_latency_local, lowest_latency_local, BIND, SMALL,              \
      memkind_default_init_once)                                                                  \
    X(LOWEST_LATENCY_LOCAL_PREFERRED, lowest_latency_local_preferred, lowest_latency_local,       \
      PREFER, SMALL, memkind_default_init_once)                                                   \
    X(DAX_KMEM, dax_kmem, dax_kmem, BIND, SMALL, memkind_default_init_once)                       \
    X(DAX_KMEM_ALL, dax_kmem_all, dax_kmem_all, BIND, SMALL, memkind_default_init_once)           \
    X(DAX_KMEM_PREFERRED, dax_kmem_preferred, dax_kmem, PREFER, SMALL, memkind_default_init_once) \
    X(DAX_KMEM_INTERLEAVE, dax_kmem_interleave, dax_kmem_all, INTERLEAVE, SMALL,                  \
      memkind_default_init_once)                                                                  \
    X(HBW, hbw, hbw, BIND, SMALL, memkind_hbw_init_once)                                          \
    X(HBW_ALL, hbw_all, hbw_all, BIND, SMALL, memkind_hbw_all_init_once)                          \
    X(HBW_HUGETLB, hbw_hugetlb, hbw, BIND, HUGE, memkind_hbw_hugetlb_init_once)                   \
    X(HBW_ALL_HUGETLB, hbw_all_hugetlb, hbw_all, BIND, HUGE, memkind_hbw_all_hugetlb_init_once)   \
    X(HBW_PREFERRED, hbw_preferred, hbw, PREFER, SMALL, memkind_hbw_preferred_init_once)          \
    X(HBW_PREFERRED_HUGETLB, hbw_preferred_hugetlb, hbw, PREFER, HUGE,                            \
      memkind_hbw_preferred_hugetlb_init_once)                                                    \
    X(HBW_INTERLEAVE, hbw_interleave, hbw_all, INTERLEAVE, SMALL, memkind_hbw_interleave_init_once)

/* All others. Further column: the class (kind_class.h). */
#define STATIC_OTHER_KINDS(X)             \
    X(DEFAULT, default, all_memory)       \
    X(REGULAR, regular, regular)          \
    X(HUGETLB, hugetlb, hugetlb)          \
    X(INTERLEAVE, interleave, all_memory) \
    X(GBTLB, gbtlb, gbtlb)                \
    X(HBW_GBTLB, hbw_gbtlb, gbtlb)        \
    X(HBW_PREFERRED_GBTLB, hbw_preferred_gbtlb, bound)

#define STATIC_KINDS(X) STATIC_OTHER_KINDS(X) STATIC_NODE_KINDS(X)

/* All tables of operations are exported, also those that no header of memkind/internal declares. */
#pragma GCC visibility push(default)
#define DECLARE_STATIC_OPS(NAME, ...) extern struct memkind_ops MEMKIND_##NAME##_OPS;
STATIC_KINDS(DECLARE_STATIC_OPS)
#undef DECLARE_STATIC_OPS
#pragma GCC visibility pop

#define DECLARE_STATIC_KIND(NAME, LOWER, ...) extern struct memkind static_kind_##LOWER;
STATIC_KINDS(DECLARE_STATIC_KIND)
#undef DECLARE_STATIC_KIND
