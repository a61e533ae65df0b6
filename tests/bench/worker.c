/* SPDX-License-Identifier: BSD-2-Clause */
/* Parses the arguments of a worker and runs its workload. */
#include "worker.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"
#include "workload.h"

#define WORKER_SECONDS 0.3
#define WORKER_BASE    10
#define WORKER_LINE    256
#define WORKER_KIB     1024.0

enum worker_option {
    WORKER_WORKLOAD = 1,
    WORKER_KIND,
    WORKER_DEFAULT_KIND,
    WORKER_PROVIDER,
    WORKER_DIR,
    WORKER_THREADS,
    WORKER_SECS,
    WORKER_OPERATIONS,
    WORKER_MAX_SIZE
};

static const struct option worker_options[] = {
    {"workload", required_argument, NULL, WORKER_WORKLOAD},
    {"kind", no_argument, NULL, WORKER_KIND},
    {"default-kind", no_argument, NULL, WORKER_DEFAULT_KIND},
    {"provider", required_argument, NULL, WORKER_PROVIDER},
    {"dir", required_argument, NULL, WORKER_DIR},
    {"threads", required_argument, NULL, WORKER_THREADS},
    {"seconds", required_argument, NULL, WORKER_SECS},
    {"operations", required_argument, NULL, WORKER_OPERATIONS},
    {"max-size", required_argument, NULL, WORKER_MAX_SIZE},
    {NULL, 0, NULL, 0},
};

static void worker_read_workload(struct run *run, const char *name)
{
    run->workload = workload_find(name);
    if (run->workload == NULL) {
        fprintf(stderr, "no workload %s\n", name);
        exit(EXIT_FAILURE);
    }
    run->description.policy = run->workload->policy;
    run->description.max_size = run->workload->max_size;
}

static void worker_read_option(struct run *run, int option)
{
    switch (option) {
    case WORKER_WORKLOAD:
        worker_read_workload(run, optarg);
        break;
    case WORKER_KIND:
        run->description.kind = true;
        break;
    case WORKER_DEFAULT_KIND:
        run->description.kind = true;
        run->description.is_default = true;
        break;
    case WORKER_PROVIDER:
        run->description.provider = optarg;
        break;
    case WORKER_DIR:
        run->description.dir = optarg;
        break;
    case WORKER_THREADS:
        run->threads = (int)strtol(optarg, NULL, WORKER_BASE);
        break;
    case WORKER_SECS:
        run->seconds = strtod(optarg, NULL);
        break;
    case WORKER_OPERATIONS:
        run->operations = strtoull(optarg, NULL, WORKER_BASE);
        break;
    case WORKER_MAX_SIZE:
        run->description.max_size = strtoull(optarg, NULL, WORKER_BASE);
        break;
    default:
        exit(EXIT_FAILURE);
    }
}

/* In MiB. Peak of this program, not of the one before exec(2). */
static double worker_peak(void)
{
    FILE *file = fopen("/proc/self/status", "re");
    char line[WORKER_LINE];
    double kib = 0;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, "VmHWM:", strlen("VmHWM:")) == 0)
            kib = strtod(line + strlen("VmHWM:"), NULL);
    if (file != NULL)
        fclose(file);
    return kib / WORKER_KIB;
}

int worker_main(int argc, char **argv)
{
    struct run run = {.threads = 1, .seconds = WORKER_SECONDS, .description = {.dir = "/dev/shm"}};
    int option;

    while ((option = getopt_long(argc, argv, "", worker_options, NULL)) != -1)
        worker_read_option(&run, option);
    if (run.workload == NULL || run.threads < 1) {
        fprintf(stderr, "a worker needs a workload and threads\n");
        return EXIT_FAILURE;
    }
    if (run.workload->kinds_only && !run.description.kind) {
        fprintf(stderr, "this workload is for kinds\n");
        return EXIT_FAILURE;
    }
    heap_open(&run.heap, &run.description);
    run.workload->run(&run);
    printf(WORKLOAD_PEAK " %.9g\n", worker_peak());
    printf("space-calls %lu\n", heap_space_calls());
    fflush(stdout);
    /* _Exit: exit handlers of the allocators do not belong to a workload. */
    _Exit(EXIT_SUCCESS);
}
