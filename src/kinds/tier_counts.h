/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes that the functions of memtier have allocated from each kind.
 *
 * Each thread counts in a record of its own, which no other thread writes. A reader adds up all
 * records: 1,000 cache lines with 1,000 threads, so policies read seldom. A record outlives its
 * thread, with its counts, and serves a later thread.
 *
 * A thread-specific destructor releases the record. A thread that allocates in a later destructor
 * counts among the threads without a record, by atomic operations. A thread that first counts in
 * its last destructor cannot release its record. Another thread that needs a record checks whether
 * the owner has ended, and takes the record.
 *
 * There is no lock, so a fork needs none. In the child, all records but that of the thread that
 * forked are free.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "heap/thread_cache.h"
#include "kinds/kind_registry.h"

#define TIER_TURNS      8 /* memories that a thread can use in turn at full speed; a power of two */
#define TIER_TURN_TIERS 12 /* tiers of a memory whose sums a thread keeps */

/*
 * The state of a thread with one memory (tiers/tier_memory.h). No other thread uses it. 128 bytes,
 * so that a shift computes the offset from an index.
 */
struct tier_turn {
    uint64_t memory;     /* number of the memory; 0 for none */
    _Atomic long *count; /* this thread's count of the current tier, which serves up to the limit */
    long limit;
    unsigned cache;               /* number of the thread cache to allocate from; 0 for none */
    unsigned countdown;           /* decisions until the thread adds up the others' counts again */
    long others[TIER_TURN_TIERS]; /* bytes of the other threads in each tier, when last read */
};

_Static_assert(sizeof(struct tier_turn) == 128, "the offset of a turn is no shift");

struct tier_counts {
    struct tier_turn turns[TIER_TURNS] __attribute__((aligned(64)));
    struct tier_counts *next; /* in the list of all records, which only grows */
    _Atomic uint64_t owner;   /* the thread: its id and fork_generation; 0 for a free record */
    /* By owner in the address map; negative where the thread freed blocks of other threads. */
    _Atomic long bytes[ADDRESS_MAP_FIRST_OWNER + KIND_REGISTRY_PARTITIONS];
};

/*
 * Returns the record of the calling thread, thread_own.counts, and makes one at the first call.
 * NULL where there is no memory, or the thread is ending. errno is kept.
 */
struct tier_counts *tier_counts_get(void);

/* Adds to the count of a thread that has no record. */
void tier_counts_add_shared(unsigned partition, long bytes);

/*
 * Adds to a count of the calling thread's record, or subtracts. Other threads only read the count,
 * so on x86-64 one instruction without a lock is enough; compilers make three of an atomic
 * addition.
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

/* Adds bytes, which may be negative, to the calling thread's count of the partition. */
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

/* Resets the counts of a partition whose kind has ended. No thread uses the kind any more. */
void tier_counts_forget(unsigned partition);

/* In the child of a fork: the thread keeps its record. */
void tier_counts_after_fork(void);

/* Bytes of all threads in the partition. Exact while no other thread allocates or frees. */
long tier_counts_total(unsigned partition);
