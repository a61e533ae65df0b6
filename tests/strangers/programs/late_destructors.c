/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads whose destructors allocate and free in each round, or first in the last round; then a
 * fork.
 */
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS      40
#define SIZES        6
#define HANG_SECONDS 120

static const size_t sizes[SIZES] = {1, 24, 1000, 5000, 100000, 300000};
static pthread_key_t key;

struct plan {
    int first; /* the round in which the destructor first allocates */
    int rounds;
    void *blocks[SIZES];
};

static void use(struct plan *plan)
{
    for (int i = 0; i < SIZES; i++) {
        free(plan->blocks[i]);
        plan->blocks[i] = malloc(sizes[i]);
        if (plan->blocks[i] == NULL)
            abort();
        memset(plan->blocks[i], i, sizes[i]);
        plan->blocks[i] = realloc(plan->blocks[i], 2 * sizes[i]);
        free(calloc(1, sizes[i]));
    }
}

static void end(void *value)
{
    struct plan *plan = value;

    if (++plan->rounds >= plan->first)
        use(plan);
    if (plan->rounds < PTHREAD_DESTRUCTOR_ITERATIONS)
        pthread_setspecific(key, plan);
}

static void *run(void *plan)
{
    pthread_setspecific(key, plan);
    return NULL;
}

static int fork_and_allocate(void)
{
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        alarm(HANG_SECONDS);
        free(malloc(sizes[SIZES - 1]));
        _exit(0);
    }
    waitpid(child, &status, 0);
    return status;
}

int main(void)
{
    alarm(HANG_SECONDS);
    if (pthread_key_create(&key, end) != 0)
        return 1;
    for (int t = 0; t < THREADS; t++) {
        struct plan plan = {.first = 1 + t % PTHREAD_DESTRUCTOR_ITERATIONS};
        pthread_t thread;

        if (pthread_create(&thread, NULL, run, &plan) != 0 || pthread_join(thread, NULL) != 0)
            return 1;
        for (int i = 0; i < SIZES; i++) {
            if (*(char *)plan.blocks[i] != i)
                return 2;
            free(plan.blocks[i]);
        }
        if (fork_and_allocate() != 0)
            return 3;
    }
    return 0;
}
