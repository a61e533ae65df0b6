/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operations of a kind that struct memkind_ops, whose layout is memkind's, does not have.
 *
 * The function that creates a kind enters the class into the registry, so a class does not depend
 * on the table of operations, which may be the program's own.
 */
#pragma once

#include "memkind/internal/memkind_private.h"

struct space;

struct kind_class {
    /* As memkind_get_capacity(). */
    ssize_t (*capacity)(struct memkind *kind);

    /*
     * For memkind_pmem_mmap(): allocates size bytes of the kind's space, which read as zero. 0 or
     * -errno. NULL for kinds that are no PMEM kinds.
     */
    int (*map)(struct space *space, size_t size, void **mapped);
};

/*
 * The class of all kinds that have no other. The capacity is the memory of the NUMA nodes that the
 * kind's operations bind memory to; -1 with EINVAL where they bind to no node or only prefer nodes,
 * with ENODEV where the nodes are not known.
 */
extern const struct kind_class kind_class_bound;

/* Of the default and the interleave kind, of the regular kind, of huge pages of 2 MiB and 1 GiB. */
extern const struct kind_class kind_class_all_memory;
extern const struct kind_class kind_class_regular;
extern const struct kind_class kind_class_hugetlb;
extern const struct kind_class kind_class_gbtlb;
