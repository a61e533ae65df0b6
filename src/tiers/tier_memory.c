/* SPDX-License-Identifier: BSD-2-Clause */
/* The choice of the kind for an allocation. */
#include "tiers/tier_memory.h"

#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "kinds/kind_ops.h"
#include "tiers/tier_decorators.h"

/*
 * Bytes that a thread allocates from a tier before the next decision. The minimum saves decisions
 * for small blocks, at the price of an error of the ratio. The maximum limits how long threads that
 * decided alike stay with the same tier.
 */
#define SHORTEST_TURN 1024.0
#define LONGEST_TURN  4096.0

/* Decisions of a thread between two sums of the counts of the other threads. */
#define DECISIONS 64u

/* -- Bytes in the tiers ------------------------------------------------------------------------ */

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

/* About the bytes in the i-th tier. A thread without a record adds up all counts each time. */
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
 * The tier with the least bytes in proportion to its ratio. *left is the bytes that the tier may
 * get until another tier has less. The first tier where all ratios are 0.
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

/*
 * Returns the number of the cache of the kind; 0 if allocations must call the program's operations
 * or decorators.
 */
static unsigned cache_of(const struct memkind *kind)
{
    return kind_ops_have_arena_malloc(kind) && memtier_kind_malloc_post == NULL
               ? kind_registry_owner(kind)
               : 0;
}

/* Without fmin(3) and fmax(3), which would load libm at each start. Not a number: the least. */
static long turn_bytes(double left)
{
    if (!(left > SHORTEST_TURN))
        return (long)SHORTEST_TURN;
    return left < LONGEST_TURN ? (long)left : (long)LONGEST_TURN;
}

static struct memkind *decide_by_ratio(const struct memtier_memory *memory, struct tier_turn *turn,
                                       struct tier_counts *own)
{
    double left;
    const struct tier *tier = least_filled(memory, turn, own, &left);

    if (turn != NULL) {
        turn->count = &own->bytes[kind_registry_owner(tier->kind)];
        turn->cache = cache_of(tier->kind);
        turn->limit = own_bytes(own, tier) + turn_bytes(left);
    }
    return tier->kind;
}

/* -- Dynamic threshold ------------------------------------------------------------------------- */

/* The value raised or lowered by the degree, at least by a byte, within the threshold's limits. */
static size_t moved(const struct tier_threshold *threshold, size_t value, float degree, bool up)
{
    double step = degree > 0 ? (double)value * degree : 0;

    if (degree > 0 && step < 1)
        step = 1;
    double wanted = up ? (double)value + step : (double)value - step;

    if (wanted <= (double)threshold->min)
        return threshold->min;
    return wanted >= (double)threshold->max ? threshold->max : (size_t)wanted;
}

/*
 * Moves the i-th threshold towards the ratio of its two tiers. Of threads that do so at a time, the
 * last one wins.
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

/* -- Choice ------------------------------------------------------------------------------------ */

/* Whether the thread adds up counts now: the first time, and then once in so many operations. */
static bool is_due(struct tier_turn *turn, unsigned operations)
{
    if (turn->countdown != 0) {
        turn->countdown--;
        return false;
    }
    turn->countdown = operations > 1 ? operations - 1 : 0;
    return true;
}

/* The blocks that the tiers had before do not move the thresholds before the first allocation. */
static bool is_first_use(struct memtier_memory *memory)
{
    return !atomic_load_explicit(&memory->is_used, memory_order_relaxed) &&
           !atomic_exchange(&memory->is_used, true);
}

static void check_ratio(struct memtier_memory *memory, const struct tier_turn *turn,
                        const struct tier_counts *own)
{
    if (is_first_use(memory))
        return;
    for (size_t i = 0; i + 1 < memory->count; i++)
        follow_ratio(memory, i, turn, own);
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
    if (due)
        check_ratio(memory, turn, own);
    return tier_memory_by_size(memory, size);
}
