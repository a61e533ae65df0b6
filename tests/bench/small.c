/* SPDX-License-Identifier: BSD-2-Clause */
/* Workloads of small blocks: pairs, random sizes, growth. */
#include <stdatomic.h>

#include "workload.h"

#define SMALL_BATCH      1000 /* operations between two readings of the clock */
#define SMALL_PAIR_SIZE  64
#define SMALL_LEAST      8
#define SMALL_SIZES      1001 /* 8 ... 1,008 bytes */
#define SMALL_LIVE       1024
#define SMALL_GIVE_BITS  10 /* of a random number, above those that choose a slot */
#define SMALL_GIVE_MASK  3  /* one block in four is given away */
#define SMALL_MAILBOX    256
#define SMALL_GROW_FIRST 16
#define SMALL_GROW_LAST  ((size_t)4 << 20)
#define SMALL_GROWING    8
#define SMALL_NANO       1e9

/* Blocks that one thread passes to another to free. */
struct small_mailbox {
    _Alignas(RUN_LINE) atomic_size_t sent;
    _Alignas(RUN_LINE) atomic_size_t received;
    void *blocks[SMALL_MAILBOX];
};

static void small_pairs_body(struct run_member *member)
{
    const struct heap *heap = &member->run->heap;

    run_start(member);
    while (run_goes_on(member)) {
        for (int i = 0; i < SMALL_BATCH; i++)
            heap_free(heap, heap_malloc(heap, SMALL_PAIR_SIZE));
        member->done += SMALL_BATCH;
    }
}

void small_pairs(struct run *run)
{
    run_team(run, small_pairs_body, NULL, SMALL_NANO);
}

static bool small_send(struct small_mailbox *mailbox, void *block)
{
    size_t sent = atomic_load_explicit(&mailbox->sent, memory_order_relaxed);

    if (sent - atomic_load_explicit(&mailbox->received, memory_order_acquire) == SMALL_MAILBOX)
        return false;
    mailbox->blocks[sent % SMALL_MAILBOX] = block;
    atomic_store_explicit(&mailbox->sent, sent + 1, memory_order_release);
    return true;
}

static void small_receive(const struct heap *heap, struct small_mailbox *mailbox)
{
    size_t received = atomic_load_explicit(&mailbox->received, memory_order_relaxed);
    size_t sent = atomic_load_explicit(&mailbox->sent, memory_order_acquire);

    if (received == sent)
        return;
    for (; received != sent; received++)
        heap_free(heap, mailbox->blocks[received % SMALL_MAILBOX]);
    atomic_store_explicit(&mailbox->received, received, memory_order_release);
}

static void small_random_body(struct run_member *member)
{
    struct run *run = member->run;
    const struct heap *heap = &run->heap;
    struct small_mailbox *mailboxes = member->shared;
    struct small_mailbox *own = &mailboxes[member->index];
    struct small_mailbox *next = &mailboxes[(member->index + 1) % run->threads];
    void **blocks = run_memory(SMALL_LIVE * sizeof(*blocks));
    uint64_t state = member->random;

    for (int i = 0; i < SMALL_LIVE; i++)
        blocks[i] = heap_malloc(heap, run_choose(run_random(&state), SMALL_LEAST, SMALL_SIZES));
    run_start(member);
    while (run_goes_on(member)) {
        for (int i = 0; i < SMALL_BATCH; i++) {
            uint64_t random = run_random(&state);
            void **block = &blocks[random % SMALL_LIVE];

            if (own == next || (random >> SMALL_GIVE_BITS & SMALL_GIVE_MASK) != 0 ||
                !small_send(next, *block))
                heap_free(heap, *block);
            *block = heap_malloc(heap, run_choose(random, SMALL_LEAST, SMALL_SIZES));
            if (own != next)
                small_receive(heap, own);
        }
        member->done += SMALL_BATCH;
    }
}

void small_random(struct run *run)
{
    size_t size = (size_t)run->threads * sizeof(struct small_mailbox);

    run_team(run, small_random_body, run_memory(size), SMALL_NANO);
}

/* Several blocks grow in turn, so that none has all the space after it to itself. */
static void small_realloc_body(struct run_member *member)
{
    const struct heap *heap = &member->run->heap;
    char *blocks[SMALL_GROWING];

    run_start(member);
    while (run_goes_on(member)) {
        for (int i = 0; i < SMALL_GROWING; i++)
            blocks[i] = heap_malloc(heap, SMALL_GROW_FIRST);
        for (size_t size = SMALL_GROW_FIRST; size < SMALL_GROW_LAST;
             member->done += SMALL_GROWING) {
            size += size / 2;
            for (int i = 0; i < SMALL_GROWING; i++) {
                blocks[i] = heap_realloc(heap, blocks[i], size);
                blocks[i][size - 1] = 1;
            }
        }
        for (int i = 0; i < SMALL_GROWING; i++)
            heap_free(heap, blocks[i]);
    }
}

void small_realloc(struct run *run)
{
    run_team(run, small_realloc_body, NULL, SMALL_NANO);
}
