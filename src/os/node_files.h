/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What sysfs says of NUMA nodes, below /sys/devices/system/node. Nothing is allocated, and nothing
 * is remembered: nodes come and go. What cannot be read is not there.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "os/node_set.h"

#define NODE_FILES_ROOT "/sys/devices/system/node"

/* The nodes that are there. */
struct node_set node_files_online(const char *root);

/* Bytes of the node's memory. */
size_t node_files_memory(const char *root, unsigned node);

/* Whether the node has processors. */
bool node_files_has_cpus(const char *root, unsigned node);

/*
 * Distances from the node to those of `online`, in rising order, for distances[], which is indexed
 * by node. What the kernel does not tell is left as it is.
 */
void node_files_distances(const char *root, unsigned node, const struct node_set *online,
                          uint8_t *distances);

/* How fast a node's memory is, for processors of the nodes that are nearest to it. */
struct node_speed {
    unsigned bandwidth;         /* MB/s, the mean of reading and writing; 0: unknown */
    unsigned latency;           /* ns, the same */
    struct node_set initiators; /* of the nodes `among` */
};

/*
 * What the firmware's table (HMAT) says of the node; the kernel passes on the figures of the
 * nearest nodes only. Those of processors are taken where other initiators are nearer.
 */
struct node_speed node_files_speed(const char *root, unsigned node, const struct node_set *among);
