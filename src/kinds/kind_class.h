/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operations of a kind beside those of struct memkind_ops, whose layout is memkind's.
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
     * For memkind_pmem_mmap(): takes size bytes of the kind's space, which read as zero. 0 or
     * -errno. NULL for other kinds.
     */
    int (*map)(struct space *space, size_t size, void **mapped);
};

/* The memory of the NUMA nodes that the kind's operations bind it to; unknown where they bind it to
 * none or only prefer nodes. The class of kinds that have no other. */
extern const struct kind_class kind_class_bound;

/* The classes of single kinds; gbtlb is that of kinds bound to nodes or to none. The regular kind
 * has all memory where its nodes are not known. */
extern const struct kind_class kind_class_all_memory;
extern const struct kind_class kind_class_regular;
extern const struct kind_class kind_class_hugetlb;
extern const struct kind_class kind_class_gbtlb;
