/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations of kinds in the memory of DAX devices in system-ram mode: memkind_dax_kmem(3). */
#include "memkind/internal/memkind_dax_kmem.h"

#include "kinds/node_kind.h"

int memkind_dax_kmem_all_get_mbind_nodemask(struct memkind *kind, unsigned long *nodemask,
                                            unsigned long maxnode)
{
    (void)kind;
    return node_kind_store_choice(&node_choice_dax_kmem_all, nodemask, maxnode);
}

static int closest(struct memkind *kind, unsigned long *nodemask, unsigned long maxnode)
{
    (void)kind;
    return node_kind_store_choice(&node_choice_dax_kmem, nodemask, maxnode);
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
