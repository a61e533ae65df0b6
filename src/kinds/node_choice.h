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

extern const struct node_choice node_choice_highest_capacity;
extern const struct node_choice node_choice_highest_capacity_local;
extern const struct node_choice node_choice_highest_bandwidth_local;
extern const struct node_choice node_choice_lowest_latency_local;
extern const struct node_choice node_choice_dax_kmem; /* the closest */
extern const struct node_choice node_choice_dax_kmem_all;
extern const struct node_choice node_choice_hbw; /* the closest */
extern const struct node_choice node_choice_hbw_all;

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
