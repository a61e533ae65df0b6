/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Allocates and frees a block of 64 bytes: pair TIMES. With PAIR_APART=1 in the environment,
 * another thread, which allocates nothing, frees the blocks in batches. With PAIR_REALLOC=1,
 * realloc() allocates the blocks. With PAIR_ALL=1, all blocks are allocated before the first is
 * freed.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#define BATCH 64

static void *blocks[BATCH];
static long batches;
static pthread_barrier_t barrier;
static bool by_realloc;

static void *allocate(void)
{
    void *block = by_realloc ? realloc(NULL, 64) : malloc(64);

    __asm__ volatile("" : "+r"(block)::"memory");
    return block;
}

static void *free_batches(void *argument)
{
    for (long done = 0; done < batches; done++) {
        pthread_barrier_wait(&barrier);
        for (int i = 0; i < BATCH; i++)
            free(blocks[i]);
        pthread_barrier_wait(&barrier);
    }
    return argument;
}

static int free_apart(void)
{
    pthread_t thread;

    if (pthread_barrier_init(&barrier, NULL, 2) != 0 ||
        pthread_create(&thread, NULL, free_batches, NULL) != 0)
        return EXIT_FAILURE;
    for (long done = 0; done < batches; done++) {
        for (int i = 0; i < BATCH; i++)
            blocks[i] = allocate();
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier);
    }
    return pthread_join(thread, NULL) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int free_at_end(long times)
{
    void **all = malloc((size_t)times * sizeof(*all));

    if (all == NULL)
        return EXIT_FAILURE;
    for (long i = 0; i < times; i++)
        all[i] = allocate();
    for (long i = 0; i < times; i++)
        free(all[i]);
    free(all);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    long times = argc == 2 ? atol(argv[1]) : 0;

    batches = times / BATCH;
    by_realloc = getenv("PAIR_REALLOC") != NULL;
    if (getenv("PAIR_APART") != NULL)
        return free_apart();
    if (getenv("PAIR_ALL") != NULL)
        return free_at_end(times);
    for (long i = 0; i < times; i++)
        free(allocate());
    return EXIT_SUCCESS;
}
