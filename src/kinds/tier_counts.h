/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many bytes the functions of memtier hold in each kind.
 *
 * Each thread counts in a record of its own, which no other thread writes. A reader adds all
 * records up: with 1,000 threads that is 1,000 cache lines, so policies read seldom. A record
 * outlives its thread, with its numbers, and serves a later thread: no count is moved when a thread
 * ends.
 *
 * A thread gives its record back by a thread-specific destructor. A thread that allocates in a
 * later destructor counts among the threads without a record, by atomic operations. A thread that
 * counts for the first time in its last destructor cannot give its record back: the record is taken
 * from it when another thread needs one and finds that thread gone.
 *
 * Nothing here is locked, so that a fork finds nothing held. In the child, all records but the
 * forking thread's are free.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "heap/thread_cache.h"
#include "kinds/kind_registry.h"

#define TIER_TURNS \
    8 /* memories that a thread can alternate between at full speed; a power of two */
#define TIER_TURN_TIERS 12 /* tiers of a memory whose sums a thread remembers */

/*
 * Where a thread stands with one memory (tiers/tier_memory.h); the thread's own. 128 bytes, which
 * an index reaches by a shift.
 */
struct tier_turn {
    uint64_t memory;     /* number of the memory; 0 for none */
    _Atomic long *count; /* this thread's of the tier that serves until it reaches the limit */
    long limit;
    unsigned cache;               /* number of the thread cache to allocate from; 0 for none */
    unsigned countdown;           /* decisions until the counts of the others are added up again */
    long others[TIER_TURN_TIERS]; /* bytes that the other threads hold in each tier, when last read
                                   */
};

_Static_assert(sizeof(struct tier_turn) == 128, "a turn is found by a shift");

struct tier_counts {
    struct tier_turn turns[TIER_TURNS] __attribute__((aligned(64)));
    struct tier_counts *next; /* in the list of all records, which only grows */
    _Atomic uint64_t owner;   /* the thread: its id and fork_generation; 0 for a free record */
    /* By owner in the address map; negative where other threads allocated what this one freed. */
    _Atomic long bytes[ADDRESS_MAP_FIRST_OWNER + KIND_REGISTRY_PARTITIONS];
};

/*
 * Gets the calling thread a record, thread_own.counts, which is NULL before that and after the
 * thread gave the record back. NULL: no memory, or the thread is ending.
 * errno is kept.
 */
struct tier_counts *tier_counts_get(void);

/* Adds to the count of a thread that has no record. */
void tier_counts_add_shared(unsigned partition, long bytes);

/*
 * Adds to a count of the calling thread's own record, or takes from it. Others only read it: on
 * x86-64 that is one instruction, of which compilers make three.
 */
static inline void tier_counts_add_to(_Atomic long *count, long bytes)
{
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
    __asm__("addq %1, %0" : "+m"(*count) : "er"(bytes) : "cc");
#else
    long before = atomic_load_explicit(count, memory_order_relaxed);

    atomic_store_explicit(count, before + bytes, memory_order_relaxed);
#endif
}

static inline void tier_counts_take_from(_Atomic long *count, long bytes)
{
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
    __asm__("subq %1, %0" : "+m"(*count) : "er"(bytes) : "cc");
#else
    tier_counts_add_to(count, -bytes);
#endif
}

/* The calling thread has `bytes` more, or less, in the partition. */
static inline void tier_counts_add(unsigned partition, long bytes)
{
    struct tier_counts *own = thread_own.counts;

    if (__builtin_expect(own == NULL, 0)) {
        own = tier_counts_get();
        if (own == NULL) {
            tier_counts_add_shared(partition, bytes);
            return;
        }
    }
    tier_counts_add_to(&own->bytes[ADDRESS_MAP_FIRST_OWNER + partition], bytes);
}

/* The kind of the partition is gone, with what it held. No thread uses the kind any more. */
void tier_counts_forget(unsigned partition);

/* In the child of a fork: the forking thread keeps its record. */
void tier_counts_after_fork(void);

/*
 * Bytes that all threads together hold in the partition. Exact where no other thread is allocating
 * or freeing at this moment.
 */
long tier_counts_total(unsigned partition);
