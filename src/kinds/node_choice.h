/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which nodes the kinds in the memory of certain NUMA nodes take, for a thread on a processor of a
 * node.
 */
#pragma once

#include "os/memory_nodes.h"

struct node_choice {
    /*
     * Stores the nodes for a thread on the node `from`. MEMKIND_SUCCESS, and the set is not empty;
     * or the error that the kind answers with.
     */
    int (*choose)(const struct memory_nodes *nodes, unsigned from, struct node_set *set);
    bool is_local; /* whether `from` matters */
};

/*
 * The choices node_choice_<name>, X(name, is_local). dax_kmem and hbw are the closest of those
 * nodes.
 */
#define NODE_CHOICES(X)              \
    X(highest_capacity, false)       \
    X(highest_capacity_local, true)  \
    X(highest_bandwidth_local, true) \
    X(lowest_latency_local, true)    \
    X(dax_kmem, true)                \
    X(dax_kmem_all, false)           \
    X(hbw, true)                     \
    X(hbw_all, false)

#define DECLARE_CHOICE(NAME, IS_LOCAL) extern const struct node_choice node_choice_##NAME;
NODE_CHOICES(DECLARE_CHOICE)
#undef DECLARE_CHOICE

/* The choice of the library's kind in this partition; NULL where it is not one of these. */
const struct node_choice *node_choice_of(unsigned partition);

/*
 * The nodes as they were when they were last looked at. The first call looks, which may allocate
 * memory, so it must not come from an allocator's hooks. Thread-safe.
 */
const struct memory_nodes *node_choice_nodes(void);

/*
 * Looks again, if a second has passed since the last look: nodes may have come online. What was
 * returned before stays valid. Thread-safe; errno is kept.
 */
void node_choice_refresh(void);
