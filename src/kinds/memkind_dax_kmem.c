/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions of kinds in the memory of DAX devices in system-ram mode: memkind_dax_kmem(3).
 * node_kind_ops.c has the tables of operations.
 */
#include "memkind/internal/memkind_dax_kmem.h"

#include "kinds/node_kind.h"

int memkind_dax_kmem_all_get_mbind_nodemask(struct memkind *kind, unsigned long *nodemask,
                                            unsigned long maxnode)
{
    (void)kind;
    return node_kind_store_choice(&node_choice_dax_kmem_all, nodemask, maxnode);
}
