/* SPDX-License-Identifier: BSD-2-Clause */
/* How much memory a kind could ever hold. */
#include "kinds/capacity.h"

#include <errno.h>
#include <numa.h>
#include <unistd.h>

#include "kinds/memkind_fixed_internal.h"
#include "kinds/memkind_gbtlb.h"
#include "kinds/memkind_pmem_internal.h"
#include "kinds/node_kind.h"
#include "kinds/static_kinds.h"
#include "memkind/internal/memkind_default.h"
#include "os/huge_pages_pool.h"

static ssize_t all_memory(void)
{
    return (ssize_t)sysconf(_SC_PHYS_PAGES) * (ssize_t)sysconf(_SC_PAGESIZE);
}

/* The memory of the nodes that the kind is bound to; `unknown` where they are not known. */
static ssize_t memory_of_nodes(struct memkind *kind, ssize_t unknown)
{
    struct node_set nodes = {{0}};
    ssize_t bytes = 0;

    if (kind->ops->get_mbind_nodemask(kind, nodes.bits, NUMA_NUM_NODES) != MEMKIND_SUCCESS)
        return unknown;
    for (unsigned node = 0; node < NUMA_NUM_NODES; node++)
        if (node_set_has(&nodes, node)) {
            long long size = numa_node_size64((int)node, NULL);

            /* A node of processors alone has no memory, and says so with an error. */
            if (size > 0)
                bytes += size;
        }
    return bytes;
}

ssize_t capacity_of_kind(struct memkind *kind)
{
    if (kind->ops->mmap == memkind_pmem_mmap)
        return memkind_pmem_capacity(kind);
    if (kind->ops->mmap == memkind_fixed_mmap)
        return memkind_fixed_capacity(kind);
    if (gbtlb_is(kind))
        return gbtlb_capacity(kind);
    if (kind == &static_kind_default || kind == &static_kind_interleave)
        return all_memory();
    if (kind == &static_kind_hugetlb)
        return (ssize_t)(huge_pages_pool_size(NULL, 0) * HUGE_PAGES_POOL_PAGE);
    if (kind == &static_kind_regular)
        return memory_of_nodes(kind, all_memory());
    /* One that only prefers its nodes may have any memory, as memkind sees it: unknown. */
    if (kind->ops->mbind == node_kind_mbind &&
        kind->ops->get_mbind_mode != memkind_preferred_get_mbind_mode) {
        ssize_t bytes = memory_of_nodes(kind, -1);

        if (bytes < 0)
            errno = ENODEV;
        return bytes;
    }
    errno = EINVAL;
    return -1;
}
