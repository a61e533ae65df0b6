/* SPDX-License-Identifier: BSD-2-Clause */
/* Which kind of several serves an allocation. */
#include "tiers/tier_memory.h"

#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "memkind/internal/memkind_arena.h"
#include "tiers/tier_decorators.h"

/*
 * For how many bytes a thread stays with a tier. The least is by how much a thread may leave the
 * ratio so as not to decide for each small block; the most keeps threads from deciding alike for
 * long.
 */
#define SHORTEST_TURN 1024.0
#define LONGEST_TURN  4096.0

/* Decisions of a thread before it adds up again what the others hold. */
#define DECISIONS 64u

/* -- What the tiers hold ----------------------------------------------------------------------- */

static struct tier_turn *turn_of(struct tier_counts *own, const struct memtier_memory *memory)
{
    struct tier_turn *turn = tier_memory_turn(memory, own);

    if (turn->memory != memory->number) {
        memset(turn, 0, sizeof(*turn));
        turn->memory = memory->number;
    }
    return turn;
}

static long own_bytes(const struct tier_counts *own, const struct tier *tier)
{
    return atomic_load_explicit(&own->bytes[kind_registry_owner(tier->kind)], memory_order_relaxed);
}

static void add_up(struct tier_turn *turn, const struct tier_counts *own,
                   const struct memtier_memory *memory)
{
    for (size_t i = 0; i < memory->count && i < TIER_TURN_TIERS; i++) {
        const struct tier *tier = &memory->tiers[i];

        turn->others[i] = tier_counts_total(tier->kind->partition) - own_bytes(own, tier);
    }
}

/* What the i-th tier holds at about this time. A thread without a record adds up each time. */
static double bytes_in(const struct memtier_memory *memory, size_t i, const struct tier_turn *turn,
                       const struct tier_counts *own)
{
    const struct tier *tier = &memory->tiers[i];
    long bytes = turn == NULL || i >= TIER_TURN_TIERS ? tier_counts_total(tier->kind->partition)
                                                      : turn->others[i] + own_bytes(own, tier);

    return bytes > 0 ? (double)bytes : 0;
}

/* -- Static ratio ------------------------------------------------------------------------------ */

/*
 * The tier that holds the least of its share, and for *left how many bytes it may get until another
 * one holds less. A tier with the ratio 0 is chosen where all have it.
 */
static const struct tier *least_filled(const struct memtier_memory *memory,
                                       const struct tier_turn *turn, const struct tier_counts *own,
                                       double *left)
{
    const struct tier *least = &memory->tiers[0];
    double lowest = INFINITY;
    double second = INFINITY;

    for (size_t i = 0; i < memory->count; i++) {
        const struct tier *tier = &memory->tiers[i];
        double filled = tier->ratio != 0 ? bytes_in(memory, i, turn, own) / tier->ratio : INFINITY;

        if (filled < lowest) {
            second = lowest;
            lowest = filled;
            least = tier;
        } else if (filled < second) {
            second = filled;
        }
    }
    *left = isfinite(second) ? (second - lowest) * least->ratio : INFINITY;
    return least;
}

/* Neither a kind's own operations nor a program's decorator (libmemtier(3)) may be passed over. */
static unsigned cache_of(const struct memkind *kind)
{
    return kind->ops->malloc == memkind_arena_malloc && memtier_kind_malloc_post == NULL
               ? kind_registry_owner(kind)
               : 0;
}

static struct memkind *decide_by_ratio(const struct memtier_memory *memory, struct tier_turn *turn,
                                       struct tier_counts *own)
{
    double left;
    const struct tier *tier = least_filled(memory, turn, own, &left);

    if (turn != NULL) {
        turn->count = &own->bytes[kind_registry_owner(tier->kind)];
        turn->cache = cache_of(tier->kind);
        turn->limit = own_bytes(own, tier) + (long)fmin(fmax(left, SHORTEST_TURN), LONGEST_TURN);
    }
    return tier->kind;
}

/* -- Dynamic threshold ------------------------------------------------------------------------- */

/* The value moved by the degree, up or down, and at least by a byte; within its limits. */
static size_t moved(const struct tier_threshold *threshold, size_t value, float degree, bool up)
{
    double step = degree > 0 ? fmax((double)value * degree, 1) : 0;
    double wanted = up ? (double)value + step : (double)value - step;

    if (wanted <= (double)threshold->min)
        return threshold->min;
    return wanted >= (double)threshold->max ? threshold->max : (size_t)wanted;
}

/*
 * Moves the i-th threshold towards the ratio of its two tiers. Threads that meet here overwrite
 * each other's value, which is as good.
 */
static void follow_ratio(struct memtier_memory *memory, size_t i, const struct tier_turn *turn,
                         const struct tier_counts *own)
{
    const struct tier *tiers = &memory->tiers[i];
    struct tier_threshold *threshold = &memory->thresholds[i];
    double below = bytes_in(memory, i, turn, own);
    double above = bytes_in(memory, i + 1, turn, own);

    if (below == 0 && above == 0)
        return;
    double wanted = tiers[0].ratio != 0 ? (double)tiers[1].ratio / tiers[0].ratio : INFINITY;
    double ratio = below != 0 ? above / below : INFINITY;
    if (ratio == wanted || fabs(ratio - wanted) < memory->settings.trigger)
        return;
    size_t value = atomic_load_explicit(&threshold->value, memory_order_relaxed);
    atomic_store_explicit(&threshold->value,
                          moved(threshold, value, memory->settings.degree, ratio > wanted),
                          memory_order_relaxed);
}

/* ---------------------------------------------------------------------------------------------- */

/* Whether the thread is to add the counts up: the first time, and then every few operations. */
static bool is_due(struct tier_turn *turn, unsigned operations)
{
    if (turn->countdown != 0) {
        turn->countdown--;
        return false;
    }
    turn->countdown = operations > 1 ? operations - 1 : 0;
    return true;
}

struct memkind *tier_memory_choose(struct memtier_memory *memory, size_t size)
{
    bool dynamic = memory->policy == MEMTIER_POLICY_DYNAMIC_THRESHOLD;
    struct tier_counts *own = tier_counts_get();
    struct tier_turn *turn = own != NULL ? turn_of(own, memory) : NULL;
    bool due = turn == NULL || is_due(turn, dynamic ? memory->settings.check_count : DECISIONS);

    if (turn != NULL && due)
        add_up(turn, own, memory);
    if (!dynamic)
        return decide_by_ratio(memory, turn, own);
    for (size_t i = 0; due && i + 1 < memory->count; i++)
        follow_ratio(memory, i, turn, own);
    return tier_memory_by_size(memory, size);
}
