/* SPDX-License-Identifier: BSD-2-Clause */
/* Workloads that only kinds have: making them, and finding them from a pointer. */
#include "workload.h"

#define KINDS_BATCH 1024 /* operations between looks at the clock, and blocks to look up */
#define KINDS_SIZE  64
#define KINDS_NANO  1e9
#define KINDS_MICRO 1e6

static void kinds_create_body(struct run_member *member)
{
    const struct heap *heap = &member->run->heap;

    run_start(member);
    for (; run_goes_on(member); member->done++) {
        memkind_t kind = heap_create_kind(heap);
        char *block = heap->kind_malloc(kind, KINDS_SIZE);

        if (block == NULL)
            heap_exhausted();
        block[0] = 1;
        heap->kind_destroy(kind);
    }
}

void kinds_create(struct run *run)
{
    run_team(run, kinds_create_body, NULL, KINDS_MICRO);
}

static void kinds_free_null_body(struct run_member *member)
{
    const struct heap *heap = &member->run->heap;

    run_start(member);
    while (run_goes_on(member)) {
        for (int i = 0; i < KINDS_BATCH; i++)
            heap->kind_free(NULL, heap_malloc(heap, KINDS_SIZE));
        member->done += KINDS_BATCH;
    }
}

void kinds_free_null(struct run *run)
{
    run_team(run, kinds_free_null_body, NULL, KINDS_NANO);
}

static void kinds_detect_body(struct run_member *member)
{
    const struct heap *heap = &member->run->heap;
    void *blocks[KINDS_BATCH];

    for (int i = 0; i < KINDS_BATCH; i++)
        blocks[i] = heap_malloc(heap, KINDS_SIZE);
    run_start(member);
    while (run_goes_on(member)) {
        for (int i = 0; i < KINDS_BATCH; i++) {
            if (heap->kind_detect(blocks[i]) != heap->kind)
                heap_exhausted();
        }
        member->done += KINDS_BATCH;
    }
}

void kinds_detect(struct run *run)
{
    run_team(run, kinds_detect_body, NULL, KINDS_NANO);
}
