/* SPDX-License-Identifier: BSD-2-Clause */
/* Results as a table for people and as comma-separated values. */
#pragma once

#include <stdio.h>

#include "machine.h"
#include "runner.h"

#define REPORT_LABEL_SIZE 64

/* "random x4", "latency malloc-p99": what one line is about. */
void report_label(char label[REPORT_LABEL_SIZE], const struct runner_row *row, int metric);

/* The ratio of two cells' results; below 0: there is none. */
double report_ratio(const struct runner_row *row, int metric, int allocator, int base);

/* The other allocator with the best result, of those that the row's workload is for; below 0: none.
 */
int report_best(const struct runner_row *row, int metric);

/* The lines above the table. */
void report_head(const struct machine *machine);

/* The lines of one row, one for each metric. */
void report_row(const struct runner_row *row);

/* Everything; false with errno where the file could not be written. */
bool report_csv(const char *path, const struct machine *machine, const struct runner_row *rows,
                int count);
