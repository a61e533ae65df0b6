/* SPDX-License-Identifier: BSD-2-Clause */
/* Workloads that only kinds have: creating them, and finding them from a pointer. */
#include "workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define KINDS_BATCH 1024 /* operations between two readings of the clock, and blocks to find */
#define KINDS_SIZE  64
#define KINDS_NANO  1e9
#define KINDS_MICRO 1e6
#define KINDS_MANY  100 /* kinds at a fork */
#define KINDS_FORKS 20

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

/* Returns the least time, in seconds, until fork(2) returns to the parent. */
static double kinds_fork_time(void)
{
    double best = 0;

    for (int i = 0; i < KINDS_FORKS; i++) {
        double begin = run_now();
        pid_t child = fork();
        double time = run_now() - begin;

        if (child == 0)
            _exit(0);
        if (child < 0 || waitpid(child, NULL, 0) != child) {
            perror("fork");
            exit(EXIT_FAILURE);
        }
        if (i == 0 || time < best)
            best = time;
    }
    return best;
}

void kinds_fork(struct run *run)
{
    double without = kinds_fork_time();

    for (int i = 0; i < KINDS_MANY; i++) {
        char *block = run->heap.kind_malloc(heap_create_kind(&run->heap), KINDS_SIZE);

        if (block == NULL)
            heap_exhausted();
        block[0] = 1;
    }
    run_report(run, 0, (kinds_fork_time() - without) / KINDS_MANY * KINDS_MICRO);
}
