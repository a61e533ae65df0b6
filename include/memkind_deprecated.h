/* SPDX-License-Identifier: BSD-2-Clause */
/* Declarations that memkind.h keeps for old programs. Included by memkind.h; see memkind(3). */
#pragma once

#include "memkind.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

#ifndef MEMKIND_DEPRECATED
#    ifdef __GNUC__
#        define MEMKIND_DEPRECATED(func) func __attribute__((deprecated))
#    else
#        define MEMKIND_DEPRECATED(func) func
#    endif
#endif

/* Partitions of the kinds of memkind 1.14. */
enum memkind_base_partition {
    MEMKIND_PARTITION_DEFAULT = 0,
    MEMKIND_PARTITION_HBW = 1,
    MEMKIND_PARTITION_HBW_HUGETLB = 2,
    MEMKIND_PARTITION_HBW_PREFERRED = 3,
    MEMKIND_PARTITION_HBW_PREFERRED_HUGETLB = 4,
    MEMKIND_PARTITION_HUGETLB = 5,
    MEMKIND_PARTITION_HBW_GBTLB = 6,
    MEMKIND_PARTITION_HBW_PREFERRED_GBTLB = 7,
    MEMKIND_PARTITION_GBTLB = 8,
    MEMKIND_PARTITION_HBW_INTERLEAVE = 9,
    MEMKIND_PARTITION_INTERLEAVE = 10,
    MEMKIND_PARTITION_REGULAR = 11,
    MEMKIND_PARTITION_HBW_ALL = 12,
    MEMKIND_PARTITION_HBW_ALL_HUGETLB = 13,
    MEMKIND_PARTITION_DAX_KMEM = 14,
    MEMKIND_PARTITION_DAX_KMEM_ALL = 15,
    MEMKIND_PARTITION_DAX_KMEM_PREFERRED = 16,
    MEMKIND_PARTITION_DAX_KMEM_INTERLEAVE = 17,
    MEMKIND_PARTITION_HIGHEST_CAPACITY = 18,
    MEMKIND_PARTITION_HIGHEST_CAPACITY_PREFERRED = 19,
    MEMKIND_PARTITION_HIGHEST_CAPACITY_LOCAL = 20,
    MEMKIND_PARTITION_HIGHEST_CAPACITY_LOCAL_PREFERRED = 21,
    MEMKIND_PARTITION_LOWEST_LATENCY_LOCAL = 22,
    MEMKIND_PARTITION_LOWEST_LATENCY_LOCAL_PREFERRED = 23,
    MEMKIND_PARTITION_HIGHEST_BANDWIDTH_LOCAL = 24,
    MEMKIND_PARTITION_HIGHEST_BANDWIDTH_LOCAL_PREFERRED = 25,
    MEMKIND_NUM_BASE_KIND
};

/* Kinds of huge pages of 1 GiB. Each block has pages of its own. */
extern memkind_t MEMKIND_GBTLB;
extern memkind_t MEMKIND_HBW_GBTLB;
extern memkind_t MEMKIND_HBW_PREFERRED_GBTLB;

/*
 * Stores the kind in slot `partition` in *kind. MEMKIND_ERROR_UNAVAILABLE: the slot is empty, or
 * there is no such slot, and *kind is NULL. MEMKIND_ERROR_INVALID: kind is NULL. Thread-safe.
 */
int MEMKIND_DEPRECATED(memkind_get_kind_by_partition(int partition, memkind_t *kind));

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
