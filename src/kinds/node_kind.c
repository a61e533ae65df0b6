/* SPDX-License-Identifier: BSD-2-Clause */
/* What kinds in the memory of certain NUMA nodes have in common. */
#include "kinds/node_kind.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "backing/numa_nodes.h"
#include "kinds/memkind_default_internal.h"
#include "util/env.h"
#include "util/log.h"

static struct memory_nodes known;

static void look(void)
{
    memory_nodes_look(&known, env_get("MEMKIND_DAX_KMEM_NODES"));
    if (known.dax_error == -EINVAL)
        log_error("MEMKIND_DAX_KMEM_NODES is not a list of nodes that have memory, such as 1-3,5");
}

const struct memory_nodes *node_kind_nodes(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, look);
    return &known;
}

int node_kind_store(const struct node_set *set, unsigned long *nodemask, unsigned long maxnode)
{
    int status = MEMKIND_ERROR_UNAVAILABLE;

    if (nodemask == NULL || maxnode == 0)
        return MEMKIND_ERROR_INVALID;
    memset(nodemask, 0, (maxnode + NODE_SET_BITS - 1) / NODE_SET_BITS * sizeof(*nodemask));
    for (unsigned node = 0; node < NUMA_NUM_NODES; node++) {
        if (!node_set_has(set, node))
            continue;
        if (node >= maxnode)
            return MEMKIND_ERROR_INVALID;
        nodemask[node / NODE_SET_BITS] |= 1ul << node % NODE_SET_BITS;
        status = MEMKIND_SUCCESS;
    }
    return status;
}

int node_kind_mbind(struct memkind *kind, void *ptr, size_t size)
{
    int status = memkind_default_mbind(kind, ptr, size);

    /* To other kinds, it does not matter where there are no nodes. */
    return status == MEMKIND_ERROR_UNAVAILABLE ? MEMKIND_ERROR_MBIND : status;
}

int node_kind_get_mmap_flags(struct memkind *kind, int *flags)
{
    (void)node_kind_nodes();
    return memkind_default_get_mmap_flags(kind, flags);
}

int node_kind_check_available(struct memkind *kind)
{
    struct node_set set;
    int status = kind->ops->get_mbind_nodemask(kind, set.bits, NUMA_NUM_NODES);

    if (status == MEMKIND_SUCCESS && numa_nodes_forbid_binding() &&
        memkind_default_needs_binding(kind))
        status = MEMKIND_ERROR_MBIND;
    return status;
}
