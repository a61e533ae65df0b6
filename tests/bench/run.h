/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One run of a workload in a worker: its threads, its time, its results.
 *
 * A workload's function calls run_team() with the body of its threads. A body prepares, calls
 * run_start(), works while run_goes_on() returns true, counts its operations in member->done, and
 * leaves its blocks to the end of the process.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "heap.h"

/* More than any cache line, so that members share none. */
#define RUN_LINE 128

struct workload;

struct run {
    const struct workload *workload;
    struct heap heap;
    struct heap_description description;
    int threads;
    double seconds;      /* how long to work ... */
    uint64_t operations; /* ... unless not 0: operations of each thread */
};

/* One thread of a run. */
struct run_member {
    _Alignas(RUN_LINE) struct run *run;
    void *shared; /* the argument of run_team() */
    void (*body)(struct run_member *member);
    pthread_barrier_t *barrier;
    int index;
    uint64_t random;   /* state of run_random(), never 0 */
    uint64_t done;     /* operations */
    double begin, end; /* from run_now() */
    double deadline;
    pthread_t thread;
};

/* What the members of a run did together. */
struct run_result {
    double seconds; /* from the first start to the last end */
    uint64_t done;  /* operations, never 0 */
};

/* Returns the monotonic clock, in seconds. */
double run_now(void);

/* Returns the processor time of the process, in seconds. */
double run_processor_now(void);

/* Runs the body in each thread of the run. A single thread is the calling thread. */
struct run_result run_bodies(struct run *run, void (*body)(struct run_member *), void *shared);

/*
 * As run_bodies(), and reports the time of an operation, all threads together, in units of 1/scale
 * seconds, as the first metric.
 */
void run_team(struct run *run, void (*body)(struct run_member *), void *shared, double scale);

/* Waits for the other members, and starts the member's time. */
void run_start(struct run_member *member);

/* Returns whether to continue. Reads the clock, so call it once for many operations. */
bool run_goes_on(const struct run_member *member);

/* Reports the value of the workload's metric of that index. */
void run_report(const struct run *run, int metric, double value);

/* Returns zeroed memory that does not come from the measured heap; never NULL. */
void *run_memory(size_t size);

/* Calls pthread_create(3), and ends the program on failure. */
void run_create_thread(pthread_t *thread, void *(*function)(void *), void *argument);

/* xorshift64* */
static inline uint64_t run_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

/*
 * Returns a random choice among least ... least + count - 1, from the upper half of a random
 * number.
 */
static inline size_t run_choose(uint64_t random, size_t least, size_t count)
{
    return least + (size_t)(((random >> 32) * count) >> 32);
}
