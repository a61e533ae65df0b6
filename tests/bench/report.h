/* SPDX-License-Identifier: BSD-2-Clause */
/* Results as a table and as comma-separated values. */
#pragma once

#include <stdio.h>

#include "machine.h"
#include "runner.h"

#define REPORT_LABEL_SIZE 64

/* Writes what a line is about: "random x4", "latency malloc-p99". */
void report_label(char label[REPORT_LABEL_SIZE], const struct runner_row *row, int metric);

/* Returns the ratio of two cells' results; below 0: there is none. */
double report_ratio(const struct runner_row *row, int metric, int allocator, int base);

/*
 * Returns the other allocator with the best result, among those that can run the row's workload;
 * below 0: none.
 */
int report_best(const struct runner_row *row, int metric);

/* Prints the lines above the table. */
void report_head(const struct machine *machine);

/* Prints the lines of one row, one for each metric. */
void report_row(const struct runner_row *row);

/* Writes all rows. False with errno if the file could not be written. */
bool report_csv(const char *path, const struct machine *machine, const struct runner_row *rows,
                int count);

/*
 * Writes the ratios as a table in Markdown: a line for each workload and metric, in which numbers
 * of several thread counts are separated by slashes. False as above.
 */
bool report_table(const char *path, const struct machine *machine, const struct runner_row *rows,
                  int count);
