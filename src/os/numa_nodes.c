/* SPDX-License-Identifier: BSD-2-Clause */
/* The NUMA nodes of the system. */
#include "os/numa_nodes.h"

#include <errno.h>
#include <stddef.h>

#include "os/memory_policy.h"
#include "os/node_files.h"
#include "util/bits.h"

/* As numa_nodes_with_cpus(), into a mask of zeroes; on error, the mask has the nodes found. */
static int find_nodes(unsigned long *mask, unsigned long maxnode)
{
    struct node_set online = node_files_online(NODE_FILES_ROOT);
    int error = -ENODEV;

    for (unsigned node = 0; node < NUMA_NUM_NODES; node++) {
        if (!node_set_has(&online, node) || !node_files_has_cpus(NODE_FILES_ROOT, node))
            continue;
        if (node >= maxnode)
            return -EINVAL;
        bits_add(mask, node);
        error = 0;
    }
    return error;
}

int numa_nodes_with_cpus(unsigned long *mask, unsigned long maxnode)
{
    if (mask == NULL || maxnode == 0)
        return -EINVAL;
    bits_clear(mask, maxnode);
    if (!memory_policy_exists())
        return -ENOSYS;
    int error = find_nodes(mask, maxnode);
    if (error != 0)
        bits_clear(mask, maxnode);
    return error;
}

bool numa_nodes_forbid_binding(void)
{
    int saved_errno = errno;
    /* An empty range, which the kernel always accepts. */
    int err = memory_policy_bind(NULL, 0, MPOL_DEFAULT, NULL, 0);

    errno = saved_errno;
    return err == -EPERM || err == -ENOSYS;
}
