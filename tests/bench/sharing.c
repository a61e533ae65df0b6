/* SPDX-License-Identifier: BSD-2-Clause */
/* Workloads like those of other allocators' benchmarks: blocks in batches, in rows, inherited. */
#include <sched.h>
#include <stdatomic.h>

#include "workload.h"

#define SHARING_BATCH      4096 /* blocks that one thread passes to another at once */
#define SHARING_BATCH_SIZE 64
#define SHARING_BATCHES    8 /* on their way between two threads */
#define SHARING_BLOCKS     100000
#define SHARING_SLOTS      1000 /* where threads leave blocks for others, as in mstress */
#define SHARING_LEAST      8
#define SHARING_SMALL      1001  /* 8 ... 1,008 bytes */
#define SHARING_MEDIUM     32761 /* 8 ... 32 KiB: one block in 16 */
#define SHARING_MEDIUM_IN  16
#define SHARING_KEPT       1000 /* blocks that a thread holds at once */
#define SHARING_ROW_SIZE   128
#define SHARING_NANO       1e9

/* -- Batches ----------------------------------------------------------------------------------- */

/* From one allocating thread to one freeing thread. */
struct sharing_lane {
    _Alignas(RUN_LINE) atomic_size_t sent;
    _Alignas(RUN_LINE) atomic_size_t received;
    void *batches[SHARING_BATCHES][SHARING_BATCH];
};

static bool sharing_send(struct run_member *member, struct sharing_lane *lane)
{
    size_t sent = atomic_load_explicit(&lane->sent, memory_order_relaxed);

    if (sent - atomic_load_explicit(&lane->received, memory_order_acquire) == SHARING_BATCHES)
        return false;
    for (int i = 0; i < SHARING_BATCH; i++) {
        char *block = heap_malloc(&member->run->heap, SHARING_BATCH_SIZE);

        block[0] = 1;
        lane->batches[sent % SHARING_BATCHES][i] = block;
    }
    atomic_store_explicit(&lane->sent, sent + 1, memory_order_release);
    return true;
}

static bool sharing_receive(struct run_member *member, struct sharing_lane *lane)
{
    size_t received = atomic_load_explicit(&lane->received, memory_order_relaxed);

    if (received == atomic_load_explicit(&lane->sent, memory_order_acquire))
        return false;
    for (int i = 0; i < SHARING_BATCH; i++)
        heap_free(&member->run->heap, lane->batches[received % SHARING_BATCHES][i]);
    atomic_store_explicit(&lane->received, received + 1, memory_order_release);
    member->done += SHARING_BATCH;
    return true;
}

/* Members with an even index allocate for the next member. Only the others count. */
static void sharing_batches_body(struct run_member *member)
{
    struct sharing_lane *lane = (struct sharing_lane *)member->shared + member->index / 2;
    bool allocates = member->index % 2 == 0;

    run_start(member);
    while (run_goes_on(member))
        if (!(allocates ? sharing_send(member, lane) : sharing_receive(member, lane)))
            sched_yield();
}

void sharing_batches(struct run *run)
{
    size_t size = (size_t)(run->threads / 2) * sizeof(struct sharing_lane);

    run_team(run, sharing_batches_body, run_memory(size), SHARING_NANO);
}

/* -- Blocks that others inherit ---------------------------------------------------------------- */

struct sharing_life {
    const struct heap *heap;
    _Atomic(void *) *slots; /* of all threads */
    uint64_t random;
};

static size_t sharing_size(uint64_t random)
{
    return run_choose(random, SHARING_LEAST,
                      random % SHARING_MEDIUM_IN == 0 ? SHARING_MEDIUM : SHARING_SMALL);
}

/* Allocates and frees blocks, and swaps every fourth with one that another thread left. */
static void *sharing_live(void *argument)
{
    struct sharing_life *life = argument;
    void *kept[SHARING_KEPT] = {NULL};

    for (int i = 0; i < SHARING_BLOCKS / SHARING_KEPT * 4; i++)
        for (int j = 0; j < SHARING_KEPT / 4; j++) {
            uint64_t random = run_random(&life->random);
            void **block = &kept[(random >> 16) % SHARING_KEPT];

            if (*block != NULL)
                heap_free(life->heap, *block);
            *block = heap_malloc(life->heap, sharing_size(random));
            *(char *)*block = 1;
            if (j % 4 == 0)
                *block = atomic_exchange(&life->slots[(random >> 8) % SHARING_SLOTS], *block);
        }
    /* Half of the blocks are left for other threads. */
    for (int i = 0; i < SHARING_KEPT; i++) {
        void *block = kept[i];

        if (i % 2 == 0)
            block = atomic_exchange(&life->slots[i % SHARING_SLOTS], block);
        if (block != NULL)
            heap_free(life->heap, block);
    }
    return NULL;
}

static void sharing_inherit_body(struct run_member *member)
{
    struct sharing_life life = {
        .heap = &member->run->heap, .slots = member->shared, .random = member->random};

    run_start(member);
    while (run_goes_on(member)) {
        pthread_t thread;

        run_create_thread(&thread, sharing_live, &life);
        pthread_join(thread, NULL);
        member->done += SHARING_BLOCKS;
    }
}

void sharing_inherit(struct run *run)
{
    double begin = run_processor_now();
    void *slots = run_memory(SHARING_SLOTS * sizeof(void *));
    uint64_t done = run_bodies(run, sharing_inherit_body, slots).done;

    run_report(run, 0, (run_processor_now() - begin) / (double)done * SHARING_NANO);
}

/* -- Rows of blocks ---------------------------------------------------------------------------- */

/* Allocates blocks of one size in sequence, and frees them in the same order. */
static void sharing_row(struct run_member *member, size_t count)
{
    const struct heap *heap = &member->run->heap;
    void *blocks[400];

    for (size_t round = 0; round < SHARING_BATCH / count; round++) {
        for (size_t i = 0; i < count; i++)
            blocks[i] = heap_malloc(heap, SHARING_ROW_SIZE);
        for (size_t i = 0; i < count; i++)
            heap_free(heap, blocks[i]);
        member->done += count;
    }
}

static void sharing_rows_body(struct run_member *member)
{
    static const size_t counts[] = {16, 25, 100, 400};

    run_start(member);
    while (run_goes_on(member))
        for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
            sharing_row(member, counts[i]);
}

void sharing_rows(struct run *run)
{
    double begin = run_processor_now();
    uint64_t done = run_bodies(run, sharing_rows_body, NULL).done;

    run_report(run, 0, (run_processor_now() - begin) / (double)done * SHARING_NANO);
}
