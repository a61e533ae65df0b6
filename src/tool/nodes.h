/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory nodes of the machine, as the kernel and the firmware describe them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define NODES_MOST      1024 /* the kernels' limit */
#define NODES_TEXT_SIZE 1024

struct nodes {
    bool processors[NODES_MOST]; /* the node has processors */
    bool memory[NODES_MOST];
};

/* The firmware's (HMAT) figures of one direction; 0: unknown. */
struct node_rate {
    double bandwidth; /* bytes a second */
    unsigned latency; /* ns */
};

struct memory_node {
    size_t size, available;           /* bytes */
    char processors[NODES_TEXT_SIZE]; /* such as "0-3,8"; empty: none */
    unsigned distances[NODES_MOST];   /* from the node's memory to each node; 0: unknown */
    struct node_rate read, write;     /* by processors of the initiators */
    bool initiators[NODES_MOST];      /* the nodes nearest to it */
    bool high_bandwidth, dax_kmem;    /* the kinds that use the node */
};

/* Finds the nodes. False: none has memory, as on a kernel without NUMA. */
bool nodes_find(struct nodes *nodes);

/* Describes a node that has memory. A value that cannot be read is stored as unknown. */
void nodes_describe(const struct nodes *nodes, unsigned number, struct memory_node *node);
