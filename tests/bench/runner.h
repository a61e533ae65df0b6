/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs workers, and keeps their best results. */
#pragma once

#include "allocator.h"
#include "workload.h"

enum runner_state {
    RUNNER_NOT_RUN, /* the allocator is missing, or cannot run the workload */
    RUNNER_MEASURED,
    RUNNER_CRASHED, /* at least once */
    RUNNER_FAILED,  /* at least once */
    RUNNER_HUNG     /* at least once: the worker was killed after its time limit */
};

/* One allocator's results in a row. */
struct runner_cell {
    enum runner_state state;
    double best[WORKLOAD_METRICS_MAX]; /* of each metric, if measured */
    int measured;                      /* repetitions that succeeded ... */
    int bad;                           /* ... and that failed */
};

/* A workload with a number of threads. */
struct runner_row {
    const struct workload *workload;
    int threads;
    struct runner_cell cells[ALLOCATOR_COUNT];
};

struct runner_settings {
    const char *dir;
    double seconds;
    int repetitions;
    bool verbose; /* show workers' messages */
};

/*
 * Fills in the cells of a row, allocator by allocator in turn (A B C A B C ...), so that all meet
 * the same noise.
 */
void runner_run(struct runner_row *row, const struct runner_settings *settings);

/* Returns a text to print in place of a number, such as "crashed". */
const char *runner_state_text(enum runner_state state);
