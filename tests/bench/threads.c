/* SPDX-License-Identifier: BSD-2-Clause */
/* Workloads in which blocks or cache lines move between threads. */
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "workload.h"

#define THREADS_LEAST       8
#define THREADS_SIZES       1001 /* 8 ... 1,008 bytes */
#define THREADS_RING        4096
#define THREADS_BATCH       128
#define THREADS_BLEED_LIVE  1000
#define THREADS_BLEED_ROUND 10000 /* operations of a thread before its successor takes over */
#define THREADS_CHURN       16
#define THREADS_TINY        8 /* bytes: several blocks would fit into a cache line */
#define THREADS_WRITES      500
#define THREADS_NANO        1e9
#define THREADS_MICRO       1e6

/* -- Producer and consumer --------------------------------------------------------------------- */

/* From one producer to one consumer. */
struct threads_ring {
    _Alignas(RUN_LINE) atomic_size_t sent;
    _Alignas(RUN_LINE) atomic_size_t received;
    _Alignas(RUN_LINE) void *blocks[THREADS_RING];
};

/* Sends up to a batch of blocks. False: the ring is full. */
static bool threads_produce(struct run_member *member, struct threads_ring *ring)
{
    const struct heap *heap = &member->run->heap;
    size_t sent = atomic_load_explicit(&ring->sent, memory_order_relaxed);
    size_t received = atomic_load_explicit(&ring->received, memory_order_acquire);

    if (sent - received > THREADS_RING - THREADS_BATCH)
        return false;
    for (int i = 0; i < THREADS_BATCH; i++, sent++) {
        size_t size = run_choose(run_random(&member->random), THREADS_LEAST, THREADS_SIZES);
        char *block = heap_malloc(heap, size);

        block[0] = 1;
        ring->blocks[sent % THREADS_RING] = block;
    }
    atomic_store_explicit(&ring->sent, sent, memory_order_release);
    return true;
}

/* Frees the received blocks, and returns their number. */
static size_t threads_consume(const struct heap *heap, struct threads_ring *ring)
{
    size_t received = atomic_load_explicit(&ring->received, memory_order_relaxed);
    size_t sent = atomic_load_explicit(&ring->sent, memory_order_acquire);
    size_t count = sent - received;

    for (; received != sent; received++)
        heap_free(heap, ring->blocks[received % THREADS_RING]);
    atomic_store_explicit(&ring->received, received, memory_order_release);
    return count;
}

/* Members with an even index produce for the next member. Only consumers count. */
static void threads_producer_consumer_body(struct run_member *member)
{
    struct threads_ring *ring = (struct threads_ring *)member->shared + member->index / 2;
    bool produces = member->index % 2 == 0;

    run_start(member);
    while (run_goes_on(member)) {
        bool worked;

        if (produces) {
            worked = threads_produce(member, ring);
        } else {
            size_t count = threads_consume(&member->run->heap, ring);

            worked = count != 0;
            member->done += count;
        }
        if (!worked)
            sched_yield();
    }
}

void threads_producer_consumer(struct run *run)
{
    size_t size = (size_t)(run->threads / 2) * sizeof(struct threads_ring);

    run_team(run, threads_producer_consumer_body, run_memory(size), THREADS_NANO);
}

/* -- Blocks left to successors ----------------------------------------------------------------- */

struct threads_heir {
    const struct heap *heap;
    uint64_t random;
    void *blocks[THREADS_BLEED_LIVE];
};

static void *threads_bleed_round(void *argument)
{
    struct threads_heir *heir = argument;

    for (int i = 0; i < THREADS_BLEED_ROUND; i++) {
        uint64_t random = run_random(&heir->random);
        void **block = &heir->blocks[random % THREADS_BLEED_LIVE];

        heap_free(heir->heap, *block);
        *block = heap_malloc(heir->heap, run_choose(random, THREADS_LEAST, THREADS_SIZES));
    }
    return NULL;
}

static void threads_bleed_body(struct run_member *member)
{
    struct threads_heir *heir = run_memory(sizeof(*heir));

    heir->heap = &member->run->heap;
    heir->random = member->random;
    for (int i = 0; i < THREADS_BLEED_LIVE; i++)
        heir->blocks[i] = heap_malloc(
            heir->heap, run_choose(run_random(&heir->random), THREADS_LEAST, THREADS_SIZES));
    run_start(member);
    while (run_goes_on(member)) {
        pthread_t thread;

        run_create_thread(&thread, threads_bleed_round, heir);
        pthread_join(thread, NULL);
        member->done += THREADS_BLEED_ROUND;
    }
}

void threads_bleed(struct run *run)
{
    run_team(run, threads_bleed_body, NULL, THREADS_NANO);
}

/* -- Threads that come and go ------------------------------------------------------------------ */

struct threads_short {
    const struct heap *heap;
    void *blocks[THREADS_CHURN];
};

static void *threads_short_life(void *argument)
{
    struct threads_short *life = argument;

    for (int i = 0; i < THREADS_CHURN; i++)
        life->blocks[i] = heap_malloc(life->heap, (size_t)THREADS_LEAST << i % THREADS_TINY);
    for (int i = 0; i < THREADS_CHURN / 2; i++)
        heap_free(life->heap, life->blocks[i]);
    return NULL;
}

static void threads_churn_body(struct run_member *member)
{
    struct threads_short life = {.heap = &member->run->heap};

    run_start(member);
    while (run_goes_on(member)) {
        pthread_t thread;

        run_create_thread(&thread, threads_short_life, &life);
        pthread_join(thread, NULL);
        for (int i = THREADS_CHURN / 2; i < THREADS_CHURN; i++)
            heap_free(life.heap, life.blocks[i]);
        member->done++;
    }
}

/* Measured in processor time: on a busy machine a new thread waits far longer than it works. */
void threads_churn(struct run *run)
{
    double begin = run_processor_now();
    uint64_t done = run_bodies(run, threads_churn_body, NULL).done;

    run_report(run, 0, (run_processor_now() - begin) / (double)done * THREADS_MICRO);
}

/* -- False sharing ----------------------------------------------------------------------------- */

static void threads_write(volatile char *block)
{
    for (int i = 0; i < THREADS_WRITES; i++)
        block[i % THREADS_TINY] = (char)i;
}

/* member->shared: NULL, or the initial blocks of the members. */
static void threads_cache_body(struct run_member *member)
{
    const struct heap *heap = &member->run->heap;
    void **first = member->shared;

    run_start(member);
    if (first != NULL)
        heap_free(heap, first[member->index]);
    while (run_goes_on(member)) {
        for (int i = 0; i < THREADS_BATCH; i++) {
            char *block = heap_malloc(heap, THREADS_TINY);

            threads_write(block);
            heap_free(heap, block);
        }
        member->done += THREADS_BATCH;
    }
}

/*
 * The initial blocks are adjacent: an allocator that returns a freed block to the thread that freed
 * it makes the threads share cache lines.
 */
void threads_cache_scratch(struct run *run)
{
    void **first = run_memory((size_t)run->threads * sizeof(*first));

    for (int i = 0; i < run->threads; i++)
        first[i] = heap_malloc(&run->heap, THREADS_TINY);
    run_team(run, threads_cache_body, first, THREADS_NANO);
}

void threads_cache_thrash(struct run *run)
{
    run_team(run, threads_cache_body, NULL, THREADS_NANO);
}
