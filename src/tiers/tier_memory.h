/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The choice of the kind for an allocation, so that the bytes in several kinds keep a ratio:
 * libmemtier(3).
 *
 * The static ratio policy gives the next bytes to the tier with the least bytes in proportion to
 * its ratio. A thread stays with a tier for a kilobyte or more (a turn), so that most small blocks
 * need no arithmetic. The dynamic threshold policy gives blocks below the n-th threshold to the
 * n-th tier, and moves a threshold when the bytes of its two tiers leave the ratio.
 *
 * A thread decides by its own counts and by the sum of the other threads' counts, which it computes
 * once in some operations. So no two threads write the same cache line.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kinds/tier_counts.h"
#include "memkind_memtier.h"

struct tier {
    struct memkind *kind;
    unsigned ratio;
};

/* The border between the tier of the same index and the next tier, in bytes. */
struct tier_threshold {
    atomic_size_t value; /* blocks of this size and larger go to the next tier */
    size_t min;
    size_t max;
};

/* How a memory of the dynamic threshold policy follows the ratio. */
struct tier_settings {
    unsigned check_count; /* operations of a thread between two checks of the ratio */
    float trigger;        /* least difference of the ratios that moves a threshold */
    float degree;         /* the step, as a part of the threshold's value */
};

struct memtier_memory {
    uint64_t number;       /* from 1; unique in the process */
    uint64_t ratio_number; /* the same for the static ratio policy, else TIER_MEMORY_NO_RATIO */
    size_t turn;           /* offset of the turn in a thread's record, in bytes */
    memtier_policy_t policy;
    struct tier_settings settings;
    atomic_bool is_used; /* an allocation has been made; its check of the ratio is left out */
    size_t count;        /* of tiers; one more than thresholds in use */
    struct tier *tiers;
    struct tier_threshold *thresholds;
};

/* ratio_number of memories with other policies; no memory has that number. */
#define TIER_MEMORY_NO_RATIO UINT64_MAX

/*
 * The kind for a block of `size` bytes: the slow path of memtier_malloc(), which first tries the
 * thread's turn. Thread-safe.
 */
struct memkind *tier_memory_choose(struct memtier_memory *memory, size_t size);

/* The turn of the thread with this record, which may hold the state of another memory. */
static inline struct tier_turn *tier_memory_turn(const struct memtier_memory *memory,
                                                 struct tier_counts *own)
{
    return (struct tier_turn *)((char *)own + memory->turn);
}

/* The kind for a block of `size` bytes by the current thresholds. */
static inline struct memkind *tier_memory_by_size(const struct memtier_memory *memory, size_t size)
{
    size_t i = 0;

    while (i + 1 < memory->count &&
           size >= atomic_load_explicit(&memory->thresholds[i].value, memory_order_relaxed))
        i++;
    return memory->tiers[i].kind;
}
