/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs workers, and keeps the best of their results. */
#pragma once

#include "allocator.h"
#include "workload.h"

enum runner_state {
    RUNNER_NOT_RUN, /* the allocator is missing, or the workload means nothing to it */
    RUNNER_MEASURED,
    RUNNER_CRASHED, /* at least once */
    RUNNER_FAILED,  /* at least once */
    RUNNER_HUNG     /* at least once: it did not end in time and was ended */
};

/* One allocator's results in a row. */
struct runner_cell {
    enum runner_state state;
    double best[WORKLOAD_METRICS_MAX]; /* of each metric, when measured */
    int measured;                      /* repetitions that ended well ... */
    int bad;                           /* ... and that did not */
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
    bool verbose; /* workers' messages are shown */
};

/* Fills in the cells of a row: A B C A B C ..., so that all meet the same noise. */
void runner_run(struct runner_row *row, const struct runner_settings *settings);

/* What to print in place of a number: "crashed". */
const char *runner_state_text(enum runner_state state);
