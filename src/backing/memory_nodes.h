/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The NUMA nodes by their memory: how much it is, how far away, and which is that of DAX devices.
 *
 * It is looked at once, since looking allocates memory and takes time; what is derived from it does
 * neither. Distances are the kernel's: 10 is the same node, and what is unknown is as far as can be.
 */
#pragma once

#include <numa.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NODE_SET_BITS (8 * sizeof(unsigned long))

/* As mbind(2) takes it. */
struct node_set {
    unsigned long bits[NUMA_NUM_NODES / (8 * sizeof(unsigned long))];
};

static inline bool node_set_has(const struct node_set *set, unsigned node)
{
    return node < NUMA_NUM_NODES &&
           (set->bits[node / NODE_SET_BITS] >> node % NODE_SET_BITS & 1) != 0;
}

static inline void node_set_add(struct node_set *set, unsigned node)
{
    set->bits[node / NODE_SET_BITS] |= 1ul << node % NODE_SET_BITS;
}

struct memory_nodes {
    struct node_set memory;      /* nodes that have memory */
    struct node_set cpus;        /* nodes that have processors */
    struct node_set dax;         /* nodes whose memory counts as that of DAX devices */
    int dax_error;               /* 0; -ENODEV: there are none; -EINVAL: the list is wrong */
    size_t size[NUMA_NUM_NODES]; /* bytes of memory */
    uint8_t distance[NUMA_NUM_NODES][NUMA_NUM_NODES]; /* from the first to the second */
};

/*
 * Describes the nodes in *nodes, which is all zero. dax_list has those of DAX devices, as in
 * "1-3,5"; where it is NULL, they are those of devices in system-ram mode. On a kernel without
 * nodes, there are none.
 */
void memory_nodes_look(struct memory_nodes *nodes, const char *dax_list);

/* The node of the processor that the calling thread runs on; 0 where the kernel does not tell. */
unsigned memory_nodes_here(void);

/* Those members of a set that are closest to the node `from`, or farthest from it. */
struct node_set memory_nodes_closest(const struct memory_nodes *nodes, const struct node_set *among,
                                     unsigned from);
struct node_set memory_nodes_farthest(const struct memory_nodes *nodes,
                                      const struct node_set *among, unsigned from);

/* Those members of a set that have the most memory. */
struct node_set memory_nodes_largest(const struct memory_nodes *nodes,
                                     const struct node_set *among);

/* The nodes with memory to which no processor is closer than those of the node `from`. */
struct node_set memory_nodes_local(const struct memory_nodes *nodes, unsigned from);
