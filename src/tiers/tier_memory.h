/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which kind of several serves an allocation, so that the bytes in the kinds keep a ratio:
 * libmemtier(3).
 *
 * A static ratio gives the next bytes to the tier that holds the least of its share. A thread stays
 * with that tier for a kilobyte or more, so that most small blocks cost no arithmetic. A dynamic
 * threshold gives blocks below the n-th threshold to the n-th tier, and moves a threshold when the
 * bytes of its two tiers leave the ratio.
 *
 * A turn is a tier that a thread stays with. Each thread decides by its own count and by what the
 * others held when it last added their counts up, every few operations: no two threads write the
 * same cache line.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "kinds/tier_counts.h"
#include "memkind_memtier.h"

struct tier {
    struct memkind *kind;
    unsigned ratio;
};

/* The border between the tier of the same index and the next one, in bytes. */
struct tier_threshold {
    atomic_size_t value; /* blocks of this size and larger go to the next tier */
    size_t min;
    size_t max;
};

/* How a memory of the dynamic threshold policy follows the ratio. */
struct tier_settings {
    unsigned check_count; /* operations of a thread between two looks at the ratio */
    float trigger;        /* least difference between the ratios that moves a threshold */
    float degree;         /* by which part of its value */
};

struct memtier_memory {
    uint64_t number;       /* from 1; no two memories of a process have the same */
    uint64_t ratio_number; /* the same where the policy is the static ratio; else of no memory */
    size_t turn;           /* where in a thread's record its turn lies, in bytes */
    memtier_policy_t policy;
    struct tier_settings settings;
    size_t count; /* of tiers; there is one threshold less */
    struct tier *tiers;
    struct tier_threshold *thresholds;
};

/* The ratio_number of a memory whose policy is another one. */
#define TIER_MEMORY_NO_RATIO UINT64_MAX

/*
 * The kind for a block of `size` bytes: the slow way of memtier_malloc(), which looks at the
 * thread's turn first. Thread-safe.
 */
struct memkind *tier_memory_choose(struct memtier_memory *memory, size_t size);

/* The turn of the thread with this record; it may be another memory's. */
static inline struct tier_turn *tier_memory_turn(const struct memtier_memory *memory,
                                                 struct tier_counts *own)
{
    return (struct tier_turn *)((char *)own + memory->turn);
}

/* The kind by the thresholds as they are. */
static inline struct memkind *tier_memory_by_size(const struct memtier_memory *memory, size_t size)
{
    size_t i = 0;

    while (i + 1 < memory->count &&
           size >= atomic_load_explicit(&memory->thresholds[i].value, memory_order_relaxed))
        i++;
    return memory->tiers[i].kind;
}
