/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The benchmark: this library's PMEM kind, memkind 1.14's and the usual malloc replacements, all in
 * one run on one machine.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"
#include "plot.h"
#include "report.h"
#include "runner.h"
#include "worker.h"

#define BENCH_SECONDS     0.3
#define BENCH_REPETITIONS 5
#define BENCH_ROWS_MAX    256
#define BENCH_BASE        10
#define BENCH_THREADS_MAX 1024

static const char bench_usage[] =
    "Usage: bench [OPTION]...\n"
    "Compares this library's PMEM kind, and a program's malloc on such a kind by its preload\n"
    "library, with memkind 1.14's PMEM kind and with the mallocs of glibc, jemalloc, mimalloc and "
    "tcmalloc, where they are installed. Each workload is run by each\n"
    "allocator in turn, A B C A B C ..., each time in a process of its own; the best result\n"
    "counts. Takes about six minutes. Results are times, shares and bytes: less is better.\n"
    "\n"
    "  --filter TEXT       only workloads whose name contains TEXT; may be repeated\n"
    "  --threads N[,N]...  with N threads, where a workload has threads (default 1,2,4,8)\n"
    "  --seconds S         time of one run of one workload (default 0.3)\n"
    "  --repetitions N     runs, of which the best counts (default 5)\n"
    "  --dir DIR           where the kinds have their files (default /dev/shm)\n"
    "  --library FILE      this library (default: the one built beside this program)\n"
    "  --preload FILE      its preload library (default: the one built beside this program)\n"
    "  --peer FILE         memkind 1.14 (default: the system's libmemkind.so.0)\n"
    "  --csv FILE          writes the results as comma-separated values\n"
    "  --svg FILE          draws the ratios\n"
    "  --table FILE        writes the ratios as a table in Markdown\n"
    "  --verbose           shows what workers say on stderr\n"
    "  --list              lists the workloads, and ends\n"
    "  --help              prints this, and ends\n"
    "\n"
    "A cell says 'crashed', 'failed' (an allocation gave NULL) or 'hung' when that happened in\n"
    "any of its runs, and '-' where the workload means nothing to an allocator.\n"
    "A libmemkind is loaded by LD_PRELOAD, as if the program were linked with it.\n"
    "The metadata workloads need 1 GiB of space in DIR, large-random about 2 GiB.\n";

enum bench_option {
    BENCH_FILTER = 1,
    BENCH_THREADS,
    BENCH_SECS,
    BENCH_REPEAT,
    BENCH_DIR,
    BENCH_OURS,
    BENCH_INTERPOSER,
    BENCH_PEER,
    BENCH_CSV,
    BENCH_SVG,
    BENCH_TABLE,
    BENCH_VERBOSE,
    BENCH_LIST,
    BENCH_HELP
};

static const struct option bench_options[] = {
    {"filter", required_argument, NULL, BENCH_FILTER},
    {"threads", required_argument, NULL, BENCH_THREADS},
    {"seconds", required_argument, NULL, BENCH_SECS},
    {"repetitions", required_argument, NULL, BENCH_REPEAT},
    {"dir", required_argument, NULL, BENCH_DIR},
    {"library", required_argument, NULL, BENCH_OURS},
    {"preload", required_argument, NULL, BENCH_INTERPOSER},
    {"peer", required_argument, NULL, BENCH_PEER},
    {"csv", required_argument, NULL, BENCH_CSV},
    {"svg", required_argument, NULL, BENCH_SVG},
    {"table", required_argument, NULL, BENCH_TABLE},
    {"verbose", no_argument, NULL, BENCH_VERBOSE},
    {"list", no_argument, NULL, BENCH_LIST},
    {"help", no_argument, NULL, BENCH_HELP},
    {NULL, 0, NULL, 0},
};

struct bench {
    struct runner_settings settings;
    const char *ours, *preload, *peer, *csv, *svg, *table;
    const char *filters[BENCH_ROWS_MAX];
    int filter_count;
    int threads[WORKLOAD_THREADS_MAX]; /* terminated by 0; empty: the workload's own */
    struct runner_row rows[BENCH_ROWS_MAX];
    int count;
};

_Noreturn static void bench_refuse(const char *option, const char *value)
{
    fprintf(stderr, "bench: --%s: '%s' makes no sense; see bench --help\n", option, value);
    exit(EXIT_FAILURE);
}

static int bench_read_number(const char *option, const char *text, char **end)
{
    errno = 0;
    long number = strtol(text, end, BENCH_BASE);

    if (errno != 0 || *end == text || number < 1 || number > BENCH_THREADS_MAX)
        bench_refuse(option, text);
    return (int)number;
}

static void bench_read_threads(struct bench *bench, const char *text)
{
    char *end = NULL;
    const char *rest = text;

    for (int i = 0; i < WORKLOAD_THREADS_MAX; i++, rest = end + 1) {
        bench->threads[i] = bench_read_number("threads", rest, &end);
        if (*end == '\0')
            return;
        if (*end != ',')
            break;
    }
    bench_refuse("threads", text);
}

static void bench_read_seconds(struct bench *bench, const char *text)
{
    char *end;

    bench->settings.seconds = strtod(text, &end);
    if (end == text || *end != '\0' || !(bench->settings.seconds > 0))
        bench_refuse("seconds", text);
}

static void bench_list(void)
{
    for (const struct workload *workload = workload_table; workload->name != NULL; workload++)
        printf("%-26s %s\n", workload->name, workload->text);
}

static void bench_read_option(struct bench *bench, int option)
{
    char *end;

    switch (option) {
    case BENCH_FILTER:
        if (bench->filter_count == BENCH_ROWS_MAX)
            bench_refuse("filter", optarg);
        bench->filters[bench->filter_count++] = optarg;
        break;
    case BENCH_THREADS:
        bench_read_threads(bench, optarg);
        break;
    case BENCH_SECS:
        bench_read_seconds(bench, optarg);
        break;
    case BENCH_REPEAT:
        bench->settings.repetitions = bench_read_number("repetitions", optarg, &end);
        if (*end != '\0')
            bench_refuse("repetitions", optarg);
        break;
    case BENCH_DIR:
        bench->settings.dir = optarg;
        break;
    case BENCH_OURS:
        bench->ours = optarg;
        break;
    case BENCH_INTERPOSER:
        bench->preload = optarg;
        break;
    case BENCH_PEER:
        bench->peer = optarg;
        break;
    case BENCH_CSV:
        bench->csv = optarg;
        break;
    case BENCH_SVG:
        bench->svg = optarg;
        break;
    case BENCH_TABLE:
        bench->table = optarg;
        break;
    case BENCH_VERBOSE:
        bench->settings.verbose = true;
        break;
    case BENCH_LIST:
        bench_list();
        exit(EXIT_SUCCESS);
    case BENCH_HELP:
        fputs(bench_usage, stdout);
        exit(EXIT_SUCCESS);
    default:
        fputs("Try 'bench --help'.\n", stderr);
        exit(EXIT_FAILURE);
    }
}

static bool bench_wants(const struct bench *bench, const struct workload *workload)
{
    for (int i = 0; i < bench->filter_count; i++) {
        if (strstr(workload->name, bench->filters[i]) != NULL)
            return true;
    }
    return bench->filter_count == 0;
}

/*
 * Returns whether the workload supports the number of threads: some need at least two, or an even
 * number.
 */
static bool bench_can_have(const struct workload *workload, int threads)
{
    return workload->threads[0] == 1 || threads % workload->threads[0] == 0;
}

static void bench_plan_workload(struct bench *bench, const struct workload *workload)
{
    bool one_only = workload->threads[1] == 0;
    const int *threads = bench->threads[0] != 0 && !one_only ? bench->threads : workload->threads;

    for (int i = 0; i < WORKLOAD_THREADS_MAX && threads[i] != 0; i++) {
        if (bench_can_have(workload, threads[i]) && bench->count < BENCH_ROWS_MAX)
            bench->rows[bench->count++] =
                (struct runner_row){.workload = workload, .threads = threads[i]};
    }
}

/* Makes the rows of all selected workloads, or ends the program if there is none. */
static void bench_plan(struct bench *bench)
{
    for (const struct workload *workload = workload_table; workload->name != NULL; workload++) {
        if (bench_wants(bench, workload))
            bench_plan_workload(bench, workload);
    }
    if (bench->count == 0) {
        fputs("bench: no workload is called so, or none can have so many threads\n", stderr);
        exit(EXIT_FAILURE);
    }
}

static void bench_run_all(struct bench *bench)
{
    for (int i = 0; i < bench->count; i++) {
        runner_run(&bench->rows[i], &bench->settings);
        report_row(&bench->rows[i]);
    }
}

/* Fails before the measurements, not after them. */
static void bench_check_file(const char *path)
{
    FILE *file = path != NULL ? fopen(path, "ae") : NULL;

    if (path == NULL)
        return;
    if (file == NULL) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    fclose(file);
}

static int bench_write_files(const struct bench *bench, const struct machine *machine)
{
    int status = EXIT_SUCCESS;

    if (bench->csv != NULL && !report_csv(bench->csv, machine, bench->rows, bench->count)) {
        perror(bench->csv);
        status = EXIT_FAILURE;
    }
    if (bench->svg != NULL && !plot_svg(bench->svg, machine, bench->rows, bench->count)) {
        perror(bench->svg);
        status = EXIT_FAILURE;
    }
    if (bench->table != NULL && !report_table(bench->table, machine, bench->rows, bench->count)) {
        perror(bench->table);
        status = EXIT_FAILURE;
    }
    return status;
}

int main(int argc, char **argv)
{
    static struct bench bench = {.ours = BENCH_LIBRARY,
                                 .preload = BENCH_PRELOAD,
                                 .settings = {.dir = "/dev/shm",
                                              .seconds = BENCH_SECONDS,
                                              .repetitions = BENCH_REPETITIONS}};
    struct machine machine;
    int option;

    if (argc > 1 && strcmp(argv[1], "--worker") == 0)
        return worker_main(argc - 1, argv + 1);
    while ((option = getopt_long(argc, argv, "", bench_options, NULL)) != -1)
        bench_read_option(&bench, option);
    if (optind < argc) {
        fprintf(stderr, "bench: '%s' is no option; see bench --help\n", argv[optind]);
        return EXIT_FAILURE;
    }
    bench_plan(&bench);
    bench_check_file(bench.csv);
    bench_check_file(bench.svg);
    bench_check_file(bench.table);
    allocator_find(bench.ours, bench.preload, bench.peer);
    machine_describe(&machine, bench.settings.dir);
    report_head(&machine);
    bench_run_all(&bench);
    return bench_write_files(&bench, &machine);
}
