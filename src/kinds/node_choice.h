/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The nodes for each kind in the memory of certain NUMA nodes. They may depend on the processor of
 * the calling thread.
 */
#pragma once

#include "os/memory_nodes.h"

struct node_choice {
    /*
     * Stores the nodes for a thread on a processor of the node `from`. MEMKIND_SUCCESS and a set
     * that is not empty, or the error that memkind_check_available() returns for the kind.
     */
    int (*choose)(const struct memory_nodes *nodes, unsigned from, struct node_set *set);
    bool is_local; /* whether the nodes depend on `from` */
};

/*
 * The choices node_choice_<name>: X(name, is_local). dax_kmem and hbw are the closest of the nodes
 * of dax_kmem_all and hbw_all.
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

/* The choice for the kind in this partition; NULL for kinds that are not in STATIC_NODE_KINDS. */
const struct node_choice *node_choice_of(unsigned partition);

/*
 * The nodes as of the last scan. The first call scans, which may allocate memory, so hooks of an
 * allocator must not make that call. Thread-safe.
 */
const struct memory_nodes *node_choice_nodes(void);

/*
 * Scans again if the last scan is a second old: nodes may have come online. Results of
 * node_choice_nodes() stay valid. errno is kept. Thread-safe.
 */
void node_choice_refresh(void);
