/* SPDX-License-Identifier: BSD-2-Clause */
/* How much memory a kind could ever hold. */
#include "kinds/capacity.h"

#include <errno.h>
#include <unistd.h>

#include "kinds/kind_class.h"
#include "kinds/kind_registry.h"
#include "kinds/node_kind.h"
#include "os/huge_pages_pool.h"
#include "os/memory_nodes.h"
#include "os/memory_policy.h"
#include "os/node_files.h"

ssize_t capacity_of_kind(struct memkind *kind)
{
    return kind_registry_class(kind)->capacity(kind);
}

static ssize_t unknown(int error)
{
    errno = error;
    return -1;
}

static ssize_t all_memory(struct memkind *kind)
{
    (void)kind;
    return (ssize_t)sysconf(_SC_PHYS_PAGES) * (ssize_t)sysconf(_SC_PAGESIZE);
}

static ssize_t memory_of_set(const struct node_set *nodes)
{
    ssize_t bytes = 0;

    for (unsigned node = 0; node < NUMA_NUM_NODES; node++)
        if (node_set_has(nodes, node))
            bytes += (ssize_t)node_files_memory(NODE_FILES_ROOT, node);
    return bytes;
}

/* The memory of the nodes of the kind; -1 where these are not known. */
static ssize_t memory_of_nodes(struct memkind *kind)
{
    struct node_set nodes = {{0}};

    return kind->ops->get_mbind_nodemask(kind, nodes.bits, NUMA_NUM_NODES) == MEMKIND_SUCCESS
               ? memory_of_set(&nodes)
               : unknown(ENODEV);
}

/*
 * A kind that only prefers its nodes may have any memory. As in memkind, that is unknown, and so is
 * the capacity of a kind of the program that binds its memory by another operation.
 */
static bool is_bound(struct memkind *kind)
{
    const struct memkind_ops *ops = kind->ops;
    int mode = MPOL_BIND;

    return ops->mbind == node_kind_mbind && ops->get_mbind_nodemask != NULL &&
           ops->get_mbind_mode != NULL && ops->get_mbind_mode(kind, &mode) == MEMKIND_SUCCESS &&
           mode != MPOL_PREFERRED;
}

static ssize_t memory_of_bound(struct memkind *kind)
{
    return is_bound(kind) ? memory_of_nodes(kind) : unknown(EINVAL);
}

static ssize_t memory_of_regular(struct memkind *kind)
{
    int saved_errno = errno;
    ssize_t bytes = memory_of_nodes(kind);

    if (bytes >= 0)
        return bytes;
    errno = saved_errno;
    return all_memory(kind);
}

static ssize_t pool_of_huge_pages(struct memkind *kind)
{
    (void)kind;
    return (ssize_t)(huge_pages_pool_size(NULL, 0) * HUGE_PAGES_POOL_PAGE);
}

const struct kind_class kind_class_bound = {.capacity = memory_of_bound};
const struct kind_class kind_class_all_memory = {.capacity = all_memory};
const struct kind_class kind_class_regular = {.capacity = memory_of_regular};
const struct kind_class kind_class_hugetlb = {.capacity = pool_of_huge_pages};
