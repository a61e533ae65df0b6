/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The NUMA nodes and their memory: size, distance, speed, and which memory is that of DAX devices
 * or of high bandwidth.
 *
 * A scan takes time and may allocate memory; the other functions do neither. Distances are the
 * kernel's: 10 is the same node, and an unknown distance is the largest.
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
    int dax_error;               /* 0; -ENODEV: there are none; -EINVAL: an invalid list */
    struct node_set hbw;         /* nodes whose memory counts as of high bandwidth */
    int hbw_error;               /* the same; -EINVAL also for an invalid threshold */
    size_t size[NUMA_NUM_NODES]; /* bytes of memory */
    struct node_speed speed[NUMA_NUM_NODES]; /* all zero where the firmware does not tell */
    uint8_t distance[NUMA_NUM_NODES][NUMA_NUM_NODES]; /* from the first to the second */
};

/* Settings of the user; each is NULL where there is none. */
struct memory_nodes_wishes {
    const char *dax_list;      /* nodes of DAX devices, as in "1-3,5" */
    const char *hbw_list;      /* nodes of high bandwidth */
    const char *hbw_threshold; /* least MB/s of such a node */
};

#define MEMORY_NODES_HBW_THRESHOLD 204800u

/*
 * Describes the nodes below `root` (NODE_FILES_ROOT) in *nodes, which is all zero. Without a list,
 * nodes of DAX devices are those of devices in system-ram mode, and nodes of high bandwidth those
 * that reach the threshold by the firmware's table, or those without processors on a Xeon Phi. On a
 * kernel without nodes, all sets are empty.
 */
void memory_nodes_scan(struct memory_nodes *nodes, const char *root,
                       const struct memory_nodes_wishes *wishes);

/* Returns the node of the processor that the thread runs on; 0 where the kernel does not tell. */
unsigned memory_nodes_here(void);

/* Return the members of a set that are closest to the node `from`, or farthest from that node. */
struct node_set memory_nodes_closest(const struct memory_nodes *nodes, const struct node_set *among,
                                     unsigned from);
struct node_set memory_nodes_farthest(const struct memory_nodes *nodes,
                                      const struct node_set *among, unsigned from);

/* Return the members of a set that have the most memory, or the least. */
struct node_set memory_nodes_largest(const struct memory_nodes *nodes,
                                     const struct node_set *among);
struct node_set memory_nodes_smallest(const struct memory_nodes *nodes,
                                      const struct node_set *among);

/*
 * Return the members of a set that have the highest bandwidth, or the lowest latency, for
 * processors of the node `from`. Members whose speed is unknown are left out.
 */
struct node_set memory_nodes_of_most_bandwidth(const struct memory_nodes *nodes,
                                               const struct node_set *among, unsigned from);
struct node_set memory_nodes_of_least_latency(const struct memory_nodes *nodes,
                                              const struct node_set *among, unsigned from);

/* Returns the nodes with memory to which no processor is closer than those of the node `from`. */
struct node_set memory_nodes_local(const struct memory_nodes *nodes, unsigned from);
