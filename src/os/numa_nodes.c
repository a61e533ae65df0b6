/* SPDX-License-Identifier: BSD-2-Clause */
/* The NUMA nodes of the system. */
#include "os/numa_nodes.h"
#include "util/bits.h"

#include <errno.h>
#include <numa.h>
#include <numaif.h>

/* Whether the node has CPUs. An error means that there is no such node, or no longer. */
static bool numa_nodes_has_cpus(int node, struct bitmask *cpus)
{
    return numa_node_to_cpus(node, cpus) == 0 && numa_bitmask_weight(cpus) > 0;
}

/* As numa_nodes_with_cpus(), into a mask of zeroes; on error, the mask has the nodes found. */
static int numa_nodes_find(unsigned long *mask, unsigned long maxnode, struct bitmask *cpus)
{
    int error = -ENODEV;

    for (int node = 0; node <= numa_max_node(); node++) {
        unsigned long bit = (unsigned long)node;

        if (!numa_nodes_has_cpus(node, cpus))
            continue;
        if (bit >= maxnode)
            return -EINVAL;
        bits_add(mask, bit);
        error = 0;
    }
    return error;
}

int numa_nodes_with_cpus(unsigned long *mask, unsigned long maxnode)
{
    struct bitmask *cpus;
    int error;

    if (mask == NULL || maxnode == 0)
        return -EINVAL;
    bits_clear(mask, maxnode);
    if (numa_available() < 0)
        return -ENOSYS;
    cpus = numa_allocate_cpumask();
    if (cpus == NULL)
        return -ENOMEM;
    error = numa_nodes_find(mask, maxnode, cpus);
    if (error != 0)
        bits_clear(mask, maxnode);
    numa_bitmask_free(cpus);
    return error;
}

bool numa_nodes_forbid_binding(void)
{
    int saved_errno = errno;
    /* An empty range, which the kernel always accepts. */
    bool forbidden =
        mbind(NULL, 0, MPOL_DEFAULT, NULL, 0, 0) != 0 && (errno == EPERM || errno == ENOSYS);

    errno = saved_errno;
    return forbidden;
}
