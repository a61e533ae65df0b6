/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Percentiles of the time of single calls of malloc and free.
 *
 * Times are counted in a histogram with 16 steps in each doubling, so percentiles are exact to 6 %.
 * They include reading the clock, some nanoseconds, and have the resolution of that clock.
 */
#include <time.h>

#include "workload.h"

#define LATENCY_BATCH     1000
#define LATENCY_LIVE      16384
#define LATENCY_LEAST     8
#define LATENCY_SIZES     1001 /* 8 ... 1,008 bytes */
#define LATENCY_STEP_BITS 4
#define LATENCY_STEPS     (1 << LATENCY_STEP_BITS)
#define LATENCY_DOUBLINGS 60
#define LATENCY_BUCKETS   (LATENCY_DOUBLINGS * LATENCY_STEPS)
#define LATENCY_NANO      1e9

struct latency_histogram {
    uint64_t counts[LATENCY_BUCKETS];
    uint64_t total;
};

struct latency_times {
    struct latency_histogram malloc, free;
};

static inline uint64_t latency_ticks(void)
{
#if defined(__x86_64__) || defined(__i386__)
    return __builtin_ia32_rdtsc();
#else
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * (uint64_t)LATENCY_NANO + (uint64_t)now.tv_nsec;
#endif
}

/* Steps of one tick below 2 * LATENCY_STEPS, of twice the size above, and so on. */
static void latency_note(struct latency_histogram *histogram, uint64_t ticks)
{
    unsigned int shift = 0;

    while (ticks >> shift >= 2 * (uint64_t)LATENCY_STEPS)
        shift++;
    histogram->counts[(shift << LATENCY_STEP_BITS) + (ticks >> shift)]++;
    histogram->total++;
}

/* Returns the number of ticks that this share of the calls did not exceed. */
static double latency_percentile(const struct latency_histogram *histogram, double share)
{
    double wanted = share * (double)histogram->total;
    uint64_t seen = 0;
    unsigned int i = 0;

    for (; i < LATENCY_BUCKETS - 1; i++) {
        seen += histogram->counts[i];
        if ((double)seen >= wanted)
            break;
    }
    if (i < 2 * LATENCY_STEPS)
        return (double)i;
    unsigned int shift = (i >> LATENCY_STEP_BITS) - 1;
    return (double)((uint64_t)(i - (shift << LATENCY_STEP_BITS)) << shift);
}

static void latency_body(struct run_member *member)
{
    const struct heap *heap = &member->run->heap;
    struct latency_times *times = (struct latency_times *)member->shared + member->index;
    void **blocks = run_memory(LATENCY_LIVE * sizeof(*blocks));

    for (int i = 0; i < LATENCY_LIVE; i++)
        blocks[i] = heap_malloc(
            heap, run_choose(run_random(&member->random), LATENCY_LEAST, LATENCY_SIZES));
    run_start(member);
    while (run_goes_on(member)) {
        for (int i = 0; i < LATENCY_BATCH; i++) {
            uint64_t random = run_random(&member->random);
            void **block = &blocks[random % LATENCY_LIVE];
            size_t size = run_choose(random, LATENCY_LEAST, LATENCY_SIZES);
            uint64_t begin = latency_ticks();

            heap_free(heap, *block);
            uint64_t middle = latency_ticks();

            *block = heap_malloc(heap, size);
            uint64_t end = latency_ticks();

            latency_note(&times->free, middle - begin);
            latency_note(&times->malloc, end - middle);
        }
        member->done += LATENCY_BATCH;
    }
}

static void latency_add(struct latency_histogram *sum, const struct latency_histogram *histogram)
{
    for (int i = 0; i < LATENCY_BUCKETS; i++)
        sum->counts[i] += histogram->counts[i];
    sum->total += histogram->total;
}

void latency_percentiles(struct run *run)
{
    static const double shares[] = {0.5, 0.99, 0.999, 0.9999};
    const int count = sizeof(shares) / sizeof(shares[0]);
    struct latency_times *times = run_memory((size_t)run->threads * sizeof(*times));
    double begin = run_now();
    uint64_t begin_ticks = latency_ticks();

    run_bodies(run, latency_body, times);

    double nanoseconds = (run_now() - begin) * LATENCY_NANO;
    double tick = nanoseconds / (double)(latency_ticks() - begin_ticks);

    for (int i = 1; i < run->threads; i++) {
        latency_add(&times[0].malloc, &times[i].malloc);
        latency_add(&times[0].free, &times[i].free);
    }
    for (int i = 0; i < count; i++) {
        run_report(run, i, tick * latency_percentile(&times[0].malloc, shares[i]));
        run_report(run, count + i, tick * latency_percentile(&times[0].free, shares[i]));
    }
}
