/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Allocates and frees a block of 64 bytes: pair TIMES. With PAIR_APART=1 in the environment,
 * another thread, which allocates nothing, frees the blocks in batches. PAIR_BY=realloc, calloc,
 * aligned or new names another function that allocates; with PAIR_BY=grow, realloc() also resizes
 * each block. With PAIR_ALL=SIZE, all blocks, of that size, are allocated before the first is
 * freed.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 64
#define SIZE  ((size_t)64)

static void *blocks[BATCH];
static long batches;
static pthread_barrier_t barrier;

static void *by_realloc(size_t size)
{
    return realloc(NULL, size);
}

static void *by_calloc(size_t size)
{
    return calloc(1, size);
}

static void *by_aligned_alloc(size_t size)
{
    return aligned_alloc(size, size);
}

static void *by_growth(size_t size)
{
    return realloc(realloc(malloc(size), size - 1), 2 * size);
}

static void *(*allocate_by)(size_t size) = malloc;

static void *allocate(void)
{
    void *block = allocate_by(SIZE);

    __asm__ volatile("" : "+r"(block)::"memory");
    return block;
}

static bool choose(const char *name)
{
    static const struct {
        const char *name;
        void *(*function)(size_t size);
    } functions[] = {
        {"realloc", by_realloc},
        {"calloc", by_calloc},
        {"aligned", by_aligned_alloc},
        {"grow", by_growth},
    };

    if (strcmp(name, "new") == 0) {
        /* C++'s operator new(size_t). */
        *(void **)&allocate_by = dlsym(RTLD_DEFAULT, "_Znwm");
        return allocate_by != NULL;
    }
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
        if (strcmp(name, functions[i].name) == 0) {
            allocate_by = functions[i].function;
            return true;
        }
    return false;
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

static int free_at_end(long times, size_t size)
{
    void **all = malloc((size_t)times * sizeof(*all));

    if (all == NULL)
        return EXIT_FAILURE;
    for (long i = 0; i < times; i++)
        all[i] = malloc(size);
    for (long i = 0; i < times; i++)
        free(all[i]);
    free(all);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    long times = argc == 2 ? atol(argv[1]) : 0;

    batches = times / BATCH;
    const char *by = getenv("PAIR_BY");
    if (by != NULL && !choose(by))
        return EXIT_FAILURE;
    if (getenv("PAIR_APART") != NULL)
        return free_apart();
    const char *all = getenv("PAIR_ALL");
    if (all != NULL)
        return free_at_end(times, strtoul(all, NULL, 10));
    for (long i = 0; i < times; i++)
        free(allocate());
    return EXIT_SUCCESS;
}
