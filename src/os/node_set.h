/* SPDX-License-Identifier: BSD-2-Clause */
/* Sets of NUMA nodes, as mbind(2) takes them. */
#pragma once

#include <numa.h>
#include <stdbool.h>

#define NODE_SET_BITS (8 * sizeof(unsigned long))

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

static inline bool node_set_is_empty(const struct node_set *set)
{
    unsigned long any = 0;

    for (size_t i = 0; i < sizeof(set->bits) / sizeof(set->bits[0]); i++)
        any |= set->bits[i];
    return any == 0;
}
