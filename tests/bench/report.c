/* SPDX-License-Identifier: BSD-2-Clause */
/* Prints the table and writes the CSV file. */
#include "report.h"

#include <errno.h>

#define REPORT_NAME_WIDTH   34
#define REPORT_UNIT_WIDTH   4
#define REPORT_COLUMN_WIDTH 13
#define REPORT_NUMBER_SIZE  32
#define REPORT_TINY         1e-9
#define REPORT_FEW          10.0 /* smaller values have two decimals */
#define REPORT_MANY         1000.0

void report_label(char label[REPORT_LABEL_SIZE], const struct runner_row *row, int metric)
{
    const struct workload *workload = row->workload;
    int length = snprintf(label, REPORT_LABEL_SIZE, "%s", workload->name);

    if (workload->metrics[1].name != NULL)
        length += snprintf(label + length, REPORT_LABEL_SIZE - (size_t)length, " %s",
                           workload->metrics[metric].name);
    if (row->threads > 1)
        snprintf(label + length, REPORT_LABEL_SIZE - (size_t)length, ", %d threads", row->threads);
}

double report_ratio(const struct runner_row *row, int metric, int allocator, int base)
{
    const struct runner_cell *cell = &row->cells[allocator];
    const struct runner_cell *base_cell = &row->cells[base];

    if (cell->state != RUNNER_MEASURED || base_cell->state != RUNNER_MEASURED ||
        base_cell->best[metric] < REPORT_TINY)
        return -1;
    return cell->best[metric] / base_cell->best[metric];
}

int report_best(const struct runner_row *row, int metric)
{
    int best = -1;

    for (int i = ALLOCATOR_MEMKIND; i < ALLOCATOR_COUNT; i++)
        if (row->cells[i].state == RUNNER_MEASURED &&
            (best < 0 || row->cells[i].best[metric] < row->cells[best].best[metric]))
            best = i;
    return best;
}

static void report_number(char text[REPORT_NUMBER_SIZE], double value)
{
    int decimals = value < REPORT_FEW ? 2 : value < REPORT_MANY ? 1 : 0;

    snprintf(text, REPORT_NUMBER_SIZE, "%.*f", decimals, value);
}

void report_head(const struct machine *machine)
{
    printf("%s; %s; %s; %s\n", machine->processor, machine->system, machine->file_system,
           machine->date);
    for (int i = 0; i < ALLOCATOR_COUNT; i++) {
        if (allocator_table[i].found)
            printf("  %-12s  %s\n", allocator_table[i].name, allocator_table[i].path);
    }
    printf("\nBest of all repetitions; less is better. The last columns: this library's result "
           "divided by that of the other; 'best' is the best of all others.\n\n%-*s %-*s",
           REPORT_NAME_WIDTH, "", REPORT_UNIT_WIDTH, "");
    for (int i = 0; i < ALLOCATOR_COUNT; i++) {
        if (allocator_table[i].found)
            printf("%*s", REPORT_COLUMN_WIDTH, allocator_table[i].name);
    }
    printf("%*s%*s%*s%*s\n", REPORT_COLUMN_WIDTH, "/ glibc", REPORT_COLUMN_WIDTH, "/ memkind",
           REPORT_COLUMN_WIDTH, "/ best", REPORT_COLUMN_WIDTH, "preload/best");
}

static void report_ratio_column(double ratio)
{
    if (ratio < 0)
        printf("%*s", REPORT_COLUMN_WIDTH, "-");
    else
        printf("%*.3f", REPORT_COLUMN_WIDTH, ratio);
}

static void report_line(const struct runner_row *row, int metric)
{
    char text[REPORT_NUMBER_SIZE];
    char label[REPORT_LABEL_SIZE];
    int best = report_best(row, metric);

    report_label(label, row, metric);
    printf("%-*s %-*s", REPORT_NAME_WIDTH, label, REPORT_UNIT_WIDTH,
           row->workload->metrics[metric].unit);
    for (int i = 0; i < ALLOCATOR_COUNT; i++) {
        const struct runner_cell *cell = &row->cells[i];

        if (!allocator_table[i].found)
            continue;
        if (cell->state == RUNNER_MEASURED)
            report_number(text, cell->best[metric]);
        else
            snprintf(text, sizeof(text), "%s", runner_state_text(cell->state));
        printf("%*s", REPORT_COLUMN_WIDTH, text);
    }
    report_ratio_column(report_ratio(row, metric, ALLOCATOR_OURS, ALLOCATOR_GLIBC));
    report_ratio_column(report_ratio(row, metric, ALLOCATOR_OURS, ALLOCATOR_MEMKIND));
    report_ratio_column(best < 0 ? -1 : report_ratio(row, metric, ALLOCATOR_OURS, best));
    report_ratio_column(best < 0 ? -1 : report_ratio(row, metric, ALLOCATOR_PRELOAD, best));
    printf("\n");
    fflush(stdout);
}

void report_row(const struct runner_row *row)
{
    for (int metric = 0; row->workload->metrics[metric].name != NULL; metric++)
        report_line(row, metric);
}

static void report_csv_ratio(FILE *file, double ratio)
{
    if (ratio < 0)
        fprintf(file, ",");
    else
        fprintf(file, ",%.6g", ratio);
}

static void report_csv_cell(FILE *file, const struct runner_row *row, int metric, int allocator)
{
    const struct runner_cell *cell = &row->cells[allocator];

    fprintf(file, "%s,%s,%d,%s,%s,%s,", row->workload->name, row->workload->metrics[metric].name,
            row->threads, row->workload->metrics[metric].unit, allocator_table[allocator].name,
            runner_state_text(cell->state));
    if (cell->state == RUNNER_MEASURED)
        fprintf(file, "%.9g", cell->best[metric]);
    report_csv_ratio(file, report_ratio(row, metric, allocator, ALLOCATOR_GLIBC));
    report_csv_ratio(file, report_ratio(row, metric, allocator, ALLOCATOR_MEMKIND));
    fprintf(file, ",%d,%d\n", cell->measured, cell->bad);
}

bool report_csv(const char *path, const struct machine *machine, const struct runner_row *rows,
                int count)
{
    FILE *file = fopen(path, "we");

    if (file == NULL)
        return false;
    fprintf(file, "# %s; %s; %s; %s\n", machine->processor, machine->system, machine->file_system,
            machine->date);
    fprintf(file, "workload,metric,threads,unit,allocator,state,value,ratio_to_glibc,"
                  "ratio_to_memkind_1.14,repetitions,bad_repetitions\n");
    for (int i = 0; i < count; i++) {
        for (int metric = 0; rows[i].workload->metrics[metric].name != NULL; metric++) {
            for (int allocator = 0; allocator < ALLOCATOR_COUNT; allocator++) {
                if (rows[i].cells[allocator].state != RUNNER_NOT_RUN)
                    report_csv_cell(file, &rows[i], metric, allocator);
            }
        }
    }
    bool written = ferror(file) == 0;

    return fclose(file) == 0 && written;
}

/* -- In Markdown ------------------------------------------------------------------------------- */

struct report_column {
    const char *title;
    int allocator;
    int base; /* below 0: the best of the others */
};

static const struct report_column report_columns[] = {
    {"of glibc's", ALLOCATOR_OURS, ALLOCATOR_GLIBC},
    {"of memkind's", ALLOCATOR_OURS, ALLOCATOR_MEMKIND},
    {"of the best other", ALLOCATOR_OURS, -1},
    {"preload, of the best other", ALLOCATOR_PRELOAD, -1},
};

#define REPORT_COLUMNS (sizeof(report_columns) / sizeof(report_columns[0]))

static double report_column_ratio(const struct runner_row *row, int metric,
                                  const struct report_column *column)
{
    int base = column->base >= 0 ? column->base : report_best(row, metric);

    return base >= 0 ? report_ratio(row, metric, column->allocator, base) : -1;
}

/* One field: the rows of one workload, with different numbers of threads. */
static void report_field(FILE *file, const struct runner_row *rows, int count, int metric,
                         const struct report_column *column)
{
    const char *separator = "";

    fputs(" ", file);
    for (int i = 0; i < count; i++) {
        double ratio = report_column_ratio(&rows[i], metric, column);

        if (ratio >= 0) {
            fprintf(file, "%s%.2f", separator, ratio);
            separator = " / ";
        }
    }
    fputs(" |", file);
}

static void report_table_lines(FILE *file, const struct runner_row *rows, int count)
{
    const struct workload *workload = rows[0].workload;

    for (int metric = 0; workload->metrics[metric].name != NULL; metric++) {
        fprintf(file, "| `%s`", workload->name);
        if (workload->metrics[1].name != NULL)
            fprintf(file, " %s", workload->metrics[metric].name);
        fputs(" |", file);
        for (size_t i = 0; i < REPORT_COLUMNS; i++)
            report_field(file, rows, count, metric, &report_columns[i]);
        fputs("\n", file);
    }
}

static void report_table_head(FILE *file, const struct machine *machine)
{
    fprintf(file, "%s; %s; %s; %s\n\n| workload |", machine->processor, machine->system,
            machine->file_system, machine->date);
    for (size_t i = 0; i < REPORT_COLUMNS; i++)
        fprintf(file, " %s |", report_columns[i].title);
    fputs("\n|---|", file);
    for (size_t i = 0; i < REPORT_COLUMNS; i++)
        fputs("---|", file);
    fputs("\n", file);
}

bool report_table(const char *path, const struct machine *machine, const struct runner_row *rows,
                  int count)
{
    FILE *file = fopen(path, "we");
    int end;

    if (file == NULL)
        return false;
    report_table_head(file, machine);
    for (int i = 0; i < count; i = end) {
        for (end = i + 1; end < count && rows[end].workload == rows[i].workload;)
            end++;
        report_table_lines(file, rows + i, end - i);
    }
    bool written = ferror(file) == 0;

    return fclose(file) == 0 && written;
}
