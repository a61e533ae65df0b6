/* SPDX-License-Identifier: BSD-2-Clause */
/* The workloads: names, allocators that can run them, metrics. Lower values are always better. */
#pragma once

#include <stdbool.h>

#include "run.h"

#define WORKLOAD_METRICS_MAX 8
#define WORKLOAD_THREADS_MAX 8

/* A metric that the worker adds: the peak of resident memory. */
#define WORKLOAD_PEAK "peak"

struct workload_metric {
    const char *name; /* terminated by NULL */
    const char *unit;
};

struct workload {
    const char *name;
    const char *text; /* what an operation is */
    void (*run)(struct run *run);
    struct workload_metric metrics[WORKLOAD_METRICS_MAX + 1];
    int threads[WORKLOAD_THREADS_MAX]; /* numbers of threads to run with, terminated by 0 */
    bool kinds_only;                   /* true: not possible with malloc(3) */
    bool once;                         /* true: each repetition gives the same result */
    memkind_mem_usage_policy policy;   /* of the kind */
    const char *arenas;                /* MEMKIND_ARENA_NUM_PER_KIND; NULL: unchanged */
    size_t max_size;                   /* of the kind; 0: limited by the file system */
};

/* All workloads. The last entry has no name. */
extern const struct workload workload_table[];

/* Returns the workload of that name; NULL: none. */
const struct workload *workload_find(const char *name);

/* small.c */
void small_pairs(struct run *run);
void small_random(struct run *run);
void small_realloc(struct run *run);

/* threads.c */
void threads_producer_consumer(struct run *run);
void threads_bleed(struct run *run);
void threads_churn(struct run *run);
void threads_cache_scratch(struct run *run);
void threads_cache_thrash(struct run *run);

/* sharing.c */
void sharing_batches(struct run *run);
void sharing_inherit(struct run *run);
void sharing_rows(struct run *run);

/* large.c */
void large_same(struct run *run);
void large_random(struct run *run);

/* kinds.c */
void kinds_create(struct run *run);
void kinds_free_null(struct run *run);
void kinds_detect(struct run *run);
void kinds_fork(struct run *run);

/* space.c */
void space_fill(struct run *run);
void space_refill(struct run *run);
void space_metadata_small(struct run *run);
void space_metadata_page(struct run *run);

/* latency.c */
void latency_percentiles(struct run *run);
