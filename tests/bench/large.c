/* SPDX-License-Identifier: BSD-2-Clause */
/* Workloads of large blocks whose pages are all touched. */
#include "workload.h"

#define LARGE_SIZE  ((size_t)4 << 20)
#define LARGE_LEAST ((size_t)1 << 20)
#define LARGE_SIZES ((size_t)63 << 20) /* 1 ... 64 MiB */
#define LARGE_LIVE  32
#define LARGE_PAGE  ((size_t)4096)
#define LARGE_MICRO 1e6

static void large_touch(volatile char *block, size_t size)
{
    for (size_t i = 0; i < size; i += LARGE_PAGE)
        block[i] = 1;
}

static void large_same_body(struct run_member *member)
{
    const struct heap *heap = &member->run->heap;

    run_start(member);
    for (; run_goes_on(member); member->done++) {
        char *block = heap_malloc(heap, LARGE_SIZE);

        large_touch(block, LARGE_SIZE);
        heap_free(heap, block);
    }
}

void large_same(struct run *run)
{
    run_team(run, large_same_body, NULL, LARGE_MICRO);
}

static char *large_make(struct run_member *member)
{
    size_t size = run_choose(run_random(&member->random), LARGE_LEAST, LARGE_SIZES);
    char *block = heap_malloc(&member->run->heap, size);

    large_touch(block, size);
    return block;
}

static void large_random_body(struct run_member *member)
{
    char *blocks[LARGE_LIVE];

    for (int i = 0; i < LARGE_LIVE; i++)
        blocks[i] = large_make(member);
    run_start(member);
    for (; run_goes_on(member); member->done++) {
        char **block = &blocks[run_random(&member->random) % LARGE_LIVE];

        heap_free(&member->run->heap, *block);
        *block = large_make(member);
    }
}

void large_random(struct run *run)
{
    run_team(run, large_random_body, NULL, LARGE_MICRO);
}
