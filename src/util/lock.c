/* SPDX-License-Identifier: BSD-2-Clause */
/* The locks that a thread holds; run-time check of their order. */
#include "util/lock.h"

_Thread_local unsigned lock_depth;

#ifdef MEMKIND_INVARIANTS

#    include <stddef.h>
#    include <stdio.h>

#    include "util/invariant.h"

/* Most locks tracked for a thread. A thread holds more only for a snapshot, all of one rank. */
#    define HELD_MOST 64

struct held {
    const void *lock;
    enum lock_rank rank;
};

static _Thread_local struct held held[HELD_MOST];
static _Thread_local unsigned held_count;

static const struct {
    const char *name;
    bool several;
} ranks[LOCK_RANK_COUNT] = {
#    define ONE                         false
#    define MANY                        true
#    define LOCK_RANK_ENTRY(rank, many) {#    rank, many},
    LOCK_RANKS(LOCK_RANK_ENTRY)};

static bool may_follow(enum lock_rank rank, enum lock_rank before)
{
    return rank > before || (rank == before && ranks[rank].several);
}

void lock_check_order(enum lock_rank rank)
{
    for (unsigned i = 0; i < held_count; i++)
        if (!may_follow(rank, held[i].rank)) {
            char text[128];

            snprintf(text, sizeof(text), "lock %s is acquired while %s is held", ranks[rank].name,
                     ranks[held[i].rank].name);
            invariant_failed(text, __FILE__, __LINE__);
        }
}

void lock_record_held(const void *lock, enum lock_rank rank)
{
    if (held_count < HELD_MOST)
        held[held_count++] = (struct held){lock, rank};
}

void lock_check_held(void)
{
    if (lock_depth == 0)
        invariant_failed("a lock is released by a thread that holds none", __FILE__, __LINE__);
}

void lock_record_released(const void *lock)
{
    for (unsigned i = held_count; i-- > 0;)
        if (held[i].lock == lock) {
            held[i] = held[--held_count];
            return;
        }
}

#endif
