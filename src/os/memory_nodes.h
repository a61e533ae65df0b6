/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The NUMA nodes by their memory: how much it is, how far away, how fast, and which is that of DAX
 * devices or of high bandwidth.
 *
 * Looking takes time and may allocate memory; what is derived from it does neither. Distances are
 * the kernel's: 10 is the same node, and what is unknown is as far as can be.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os/node_files.h"
#include "os/node_set.h"

struct memory_nodes {
    struct node_set memory;      /* nodes that have memory */
    struct node_set cpus;        /* nodes that have processors */
    struct node_set dax;         /* nodes whose memory counts as that of DAX devices */
    int dax_error;               /* 0; -ENODEV: there are none; -EINVAL: the list is wrong */
    struct node_set hbw;         /* nodes whose memory counts as of high bandwidth */
    int hbw_error;               /* the same; -EINVAL also where the threshold is wrong */
    size_t size[NUMA_NUM_NODES]; /* bytes of memory */
    struct node_speed speed[NUMA_NUM_NODES]; /* all zero where the firmware does not tell */
    uint8_t distance[NUMA_NUM_NODES][NUMA_NUM_NODES]; /* from the first to the second */
};

/* What the user says; each is NULL where nothing is said. */
struct memory_nodes_wishes {
    const char *dax_list;      /* nodes of DAX devices, as in "1-3,5" */
    const char *hbw_list;      /* nodes of high bandwidth */
    const char *hbw_threshold; /* MB/s that such a node has at least */
};

#define MEMORY_NODES_HBW_THRESHOLD 204800u

/*
 * Describes the nodes below `root` (NODE_FILES_ROOT) in *nodes, which is all zero. Without a list,
 * nodes of DAX devices are those of devices in system-ram mode, and nodes of high bandwidth those
 * that reach the threshold by what the firmware says, or those without processors on a Xeon Phi. On
 * a kernel without nodes, there are none.
 */
void memory_nodes_scan(struct memory_nodes *nodes, const char *root,
                       const struct memory_nodes_wishes *wishes);

/* The node of the processor that the calling thread runs on; 0 where the kernel does not tell. */
unsigned memory_nodes_here(void);

/* Those members of a set that are closest to the node `from`, or farthest from it. */
struct node_set memory_nodes_closest(const struct memory_nodes *nodes, const struct node_set *among,
                                     unsigned from);
struct node_set memory_nodes_farthest(const struct memory_nodes *nodes,
                                      const struct node_set *among, unsigned from);

/* Those members of a set that have the most memory, or the least. */
struct node_set memory_nodes_largest(const struct memory_nodes *nodes,
                                     const struct node_set *among);
struct node_set memory_nodes_smallest(const struct memory_nodes *nodes,
                                      const struct node_set *among);

/*
 * Those members of a set that have the highest bandwidth, or the lowest latency, for processors of
 * the node `from`: of those of which that is known.
 */
struct node_set memory_nodes_of_most_bandwidth(const struct memory_nodes *nodes,
                                               const struct node_set *among, unsigned from);
struct node_set memory_nodes_of_least_latency(const struct memory_nodes *nodes,
                                              const struct node_set *among, unsigned from);

/* The nodes with memory to which no processor is closer than those of the node `from`. */
struct node_set memory_nodes_local(const struct memory_nodes *nodes, unsigned from);
