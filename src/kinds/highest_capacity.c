/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations of kinds in the memory of the largest NUMA nodes. */
#include "kinds/highest_capacity.h"

#include "kinds/node_kind.h"

/* The largest of all nodes. */
static int of_all(struct memkind *kind, unsigned long *nodemask, unsigned long maxnode)
{
    const struct memory_nodes *nodes = node_kind_nodes();
    struct node_set set = memory_nodes_largest(nodes, &nodes->memory);

    (void)kind;
    return node_kind_store(&set, nodemask, maxnode);
}

/* The largest of those that belong to the thread's processor; of several, the slowest. */
static int of_local(struct memkind *kind, unsigned long *nodemask, unsigned long maxnode)
{
    const struct memory_nodes *nodes = node_kind_nodes();
    unsigned here = memory_nodes_here();
    struct node_set set = memory_nodes_local(nodes, here);

    (void)kind;
    set = memory_nodes_largest(nodes, &set);
    set = memory_nodes_farthest(nodes, &set, here);
    return node_kind_store(&set, nodemask, maxnode);
}

struct memkind_ops MEMKIND_HIGHEST_CAPACITY_OPS =
    NODE_KIND_OPS(of_all, memkind_default_get_mbind_mode, NULL);
struct memkind_ops MEMKIND_HIGHEST_CAPACITY_PREFERRED_OPS =
    NODE_KIND_OPS(of_all, memkind_preferred_get_mbind_mode, NULL);
struct memkind_ops MEMKIND_HIGHEST_CAPACITY_LOCAL_OPS =
    NODE_KIND_OPS(of_local, memkind_default_get_mbind_mode, NULL);
struct memkind_ops MEMKIND_HIGHEST_CAPACITY_LOCAL_PREFERRED_OPS =
    NODE_KIND_OPS(of_local, memkind_preferred_get_mbind_mode, NULL);
