/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operations of kinds in the memory of the local NUMA nodes of the most bandwidth or least latency.
 */
#include "kinds/fastest_local.h"

#include "kinds/node_kind.h"

static int of_bandwidth(struct memkind *kind, unsigned long *nodemask, unsigned long maxnode)
{
    (void)kind;
    return node_kind_store_choice(&node_choice_highest_bandwidth_local, nodemask, maxnode);
}

static int of_latency(struct memkind *kind, unsigned long *nodemask, unsigned long maxnode)
{
    (void)kind;
    return node_kind_store_choice(&node_choice_lowest_latency_local, nodemask, maxnode);
}

struct memkind_ops MEMKIND_HIGHEST_BANDWIDTH_LOCAL_OPS =
    NODE_KIND_OPS(of_bandwidth, memkind_default_get_mbind_mode, NULL);
struct memkind_ops MEMKIND_HIGHEST_BANDWIDTH_LOCAL_PREFERRED_OPS =
    NODE_KIND_OPS(of_bandwidth, memkind_preferred_get_mbind_mode, NULL);
struct memkind_ops MEMKIND_LOWEST_LATENCY_LOCAL_OPS =
    NODE_KIND_OPS(of_latency, memkind_default_get_mbind_mode, NULL);
struct memkind_ops MEMKIND_LOWEST_LATENCY_LOCAL_PREFERRED_OPS =
    NODE_KIND_OPS(of_latency, memkind_preferred_get_mbind_mode, NULL);
