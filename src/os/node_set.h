/* SPDX-License-Identifier: BSD-2-Clause */
/* Sets of NUMA nodes, as mbind(2) takes them. */
#pragma once

#include <stdbool.h>

#include "util/bits.h"

/* As in numa.h: nodes have lower numbers. */
#define NUMA_NUM_NODES 128

struct node_set {
    unsigned long bits[BITS_LONGS(NUMA_NUM_NODES)];
};

static inline bool node_set_has(const struct node_set *set, unsigned node)
{
    return node < NUMA_NUM_NODES && bits_has(set->bits, node);
}

static inline void node_set_add(struct node_set *set, unsigned node)
{
    bits_add(set->bits, node);
}

static inline bool node_set_is_empty(const struct node_set *set)
{
    unsigned long any = 0;

    for (size_t i = 0; i < sizeof(set->bits) / sizeof(set->bits[0]); i++)
        any |= set->bits[i];
    return any == 0;
}
