/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations of kinds in the memory of the largest NUMA nodes. */
#include "kinds/highest_capacity.h"

#include "kinds/node_kind.h"

static int of_all(struct memkind *kind, unsigned long *nodemask, unsigned long maxnode)
{
    (void)kind;
    return node_kind_store_choice(&node_choice_highest_capacity, nodemask, maxnode);
}

static int of_local(struct memkind *kind, unsigned long *nodemask, unsigned long maxnode)
{
    (void)kind;
    return node_kind_store_choice(&node_choice_highest_capacity_local, nodemask, maxnode);
}

struct memkind_ops MEMKIND_HIGHEST_CAPACITY_OPS =
    NODE_KIND_OPS(of_all, memkind_default_get_mbind_mode, NULL);
struct memkind_ops MEMKIND_HIGHEST_CAPACITY_PREFERRED_OPS =
    NODE_KIND_OPS(of_all, memkind_preferred_get_mbind_mode, NULL);
struct memkind_ops MEMKIND_HIGHEST_CAPACITY_LOCAL_OPS =
    NODE_KIND_OPS(of_local, memkind_default_get_mbind_mode, NULL);
struct memkind_ops MEMKIND_HIGHEST_CAPACITY_LOCAL_PREFERRED_OPS =
    NODE_KIND_OPS(of_local, memkind_preferred_get_mbind_mode, NULL);
