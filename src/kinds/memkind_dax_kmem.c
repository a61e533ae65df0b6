/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations of kinds in the memory of DAX devices in system-ram mode: memkind_dax_kmem(3). */
#include "memkind/internal/memkind_dax_kmem.h"

#include <errno.h>

#include "kinds/node_kind.h"

/* Stores the nodes of a set, or why there are none of DAX devices. */
static int store(const struct memory_nodes *nodes, const struct node_set *set,
                 unsigned long *nodemask, unsigned long maxnode)
{
    return nodes->dax_error == -EINVAL ? MEMKIND_ERROR_ENVIRON
                                       : node_kind_store(set, nodemask, maxnode);
}

int memkind_dax_kmem_all_get_mbind_nodemask(struct memkind *kind, unsigned long *nodemask,
                                            unsigned long maxnode)
{
    const struct memory_nodes *nodes = node_kind_nodes();

    (void)kind;
    return store(nodes, &nodes->dax, nodemask, maxnode);
}

static int closest(struct memkind *kind, unsigned long *nodemask, unsigned long maxnode)
{
    const struct memory_nodes *nodes = node_kind_nodes();
    struct node_set set = memory_nodes_closest(nodes, &nodes->dax, memory_nodes_here());

    (void)kind;
    return store(nodes, &set, nodemask, maxnode);
}

struct memkind_ops MEMKIND_DAX_KMEM_OPS =
    NODE_KIND_OPS(closest, memkind_default_get_mbind_mode, NULL);
struct memkind_ops MEMKIND_DAX_KMEM_ALL_OPS =
    NODE_KIND_OPS(memkind_dax_kmem_all_get_mbind_nodemask, memkind_default_get_mbind_mode, NULL);
/* Of several nodes, the kernel prefers the one of the lowest number. */
struct memkind_ops MEMKIND_DAX_KMEM_PREFERRED_OPS =
    NODE_KIND_OPS(closest, memkind_preferred_get_mbind_mode, NULL);
/* A large page would be on one node. */
struct memkind_ops MEMKIND_DAX_KMEM_INTERLEAVE_OPS =
    NODE_KIND_OPS(memkind_dax_kmem_all_get_mbind_nodemask, memkind_interleave_get_mbind_mode,
                  memkind_nohugepage_madvise);
