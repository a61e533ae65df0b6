/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The files of sysfs on NUMA nodes, below /sys/devices/system/node. The functions allocate nothing,
 * and read anew at each call, since nodes come and go. A file that cannot be read counts as empty.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "os/node_set.h"

#define NODE_FILES_ROOT "/sys/devices/system/node"

/* Returns the nodes that are online. */
struct node_set node_files_online(const char *root);

/* Returns the bytes of the node's memory. */
size_t node_files_memory(const char *root, unsigned node);

/* Whether the node has processors. */
bool node_files_has_cpus(const char *root, unsigned node);

/*
 * Reads the distances from the node to those of `online`, in rising order, into distances[], which
 * is indexed by node. Entries that the kernel has no distance for are left unchanged.
 */
void node_files_distances(const char *root, unsigned node, const struct node_set *online,
                          uint8_t *distances);

/* The speed of a node's memory for processors of the nodes that are nearest to the memory. */
struct node_speed {
    unsigned bandwidth;         /* MB/s, the mean of reading and writing; 0: unknown */
    unsigned latency;           /* ns, mean of reading and writing; 0: unknown */
    struct node_set initiators; /* of the nodes `among` */
};

/*
 * Reads the figures of the firmware's table (HMAT) for the node. The kernel has those of the
 * nearest initiators alone; where these are no processors, those of the nearest processors are
 * taken.
 */
struct node_speed node_files_speed(const char *root, unsigned node, const struct node_set *among);
