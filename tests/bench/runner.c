/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs each worker in a process of its own, because an allocator may crash, hang or leave state
 * behind.
 *
 * A worker is this program, executed again with LD_PRELOAD. Its output comes back through a pipe.
 */
#include "runner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUNNER_OUTPUT_SIZE  4096
#define RUNNER_NUMBER_SIZE  32
#define RUNNER_NAME_SIZE    64
#define RUNNER_PATIENCE     60.0 /* seconds beyond a multiple of the worker's time */
#define RUNNER_PATIENCE_FOR 10.0
#define RUNNER_MILLISECONDS 1000.0

const char *runner_state_text(enum runner_state state)
{
    static const char *const texts[] = {[RUNNER_NOT_RUN] = "-",
                                        [RUNNER_MEASURED] = "measured",
                                        [RUNNER_CRASHED] = "crashed",
                                        [RUNNER_FAILED] = "failed",
                                        [RUNNER_HUNG] = "hung"};

    return texts[state];
}

/* In the child: executes the worker. Never returns. */
static void runner_become_worker(const struct runner_row *row, const struct allocator *allocator,
                                 const struct runner_settings *settings)
{
    char threads[RUNNER_NUMBER_SIZE];
    char seconds[RUNNER_NUMBER_SIZE];
    const struct rlimit no_core = {0, 0};
    const char *arguments[] = {"bench",
                               "--worker",
                               "--workload",
                               row->workload->name,
                               "--provider",
                               allocator->path,
                               "--dir",
                               settings->dir,
                               "--threads",
                               threads,
                               "--seconds",
                               seconds,
                               allocator->kind ? "--kind" : NULL,
                               NULL};

    snprintf(threads, sizeof(threads), "%d", row->threads);
    snprintf(seconds, sizeof(seconds), "%g", settings->seconds);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CORE, &no_core);
    if (allocator != &allocator_table[ALLOCATOR_GLIBC])
        setenv("LD_PRELOAD", allocator->path, 1);
    if (allocator == &allocator_table[ALLOCATOR_PRELOAD]) {
        setenv("MEMKIND_PRELOAD_DIR", settings->dir, 1);
        setenv("MEMKIND_PRELOAD_STRICT", "1", 1);
    }
    if (row->workload->arenas != NULL)
        setenv("MEMKIND_ARENA_NUM_PER_KIND", row->workload->arenas, 1);
    if (!settings->verbose) {
        int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);

        if (nothing >= 0)
            dup2(nothing, STDERR_FILENO);
    }
    execv("/proc/self/exe", (char *const *)arguments);
    _exit(EXIT_FAILURE);
}

/* Reads the worker's output to its end, as a string. False: timeout. */
static bool runner_read(int fd, char output[RUNNER_OUTPUT_SIZE], double patience)
{
    double deadline = run_now() + patience;
    size_t used = 0;

    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        double left = deadline - run_now();

        output[used] = '\0';
        if (left <= 0 || used == RUNNER_OUTPUT_SIZE - 1)
            return false;
        if (poll(&ready, 1, (int)(left * RUNNER_MILLISECONDS) + 1) <= 0)
            continue;
        ssize_t count = read(fd, output + used, RUNNER_OUTPUT_SIZE - 1 - used);

        if (count == 0)
            return true;
        if (count > 0)
            used += (size_t)count;
        else if (errno != EINTR)
            return false;
    }
}

/* Runs one worker. Its output is valid if the state is measured. */
static enum runner_state runner_run_once(const struct runner_row *row,
                                         const struct allocator *allocator,
                                         const struct runner_settings *settings,
                                         char output[RUNNER_OUTPUT_SIZE])
{
    int ends[2];
    int status = 0;

    fflush(NULL);
    if (pipe2(ends, O_CLOEXEC) != 0) {
        perror("bench: pipe");
        exit(EXIT_FAILURE);
    }
    pid_t child = fork();

    if (child < 0) {
        perror("bench: fork");
        exit(EXIT_FAILURE);
    }
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        runner_become_worker(row, allocator, settings);
    }
    close(ends[1]);
    bool ended =
        runner_read(ends[0], output, RUNNER_PATIENCE + settings->seconds * RUNNER_PATIENCE_FOR);

    close(ends[0]);
    if (!ended)
        kill(child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (!ended)
        return RUNNER_HUNG;
    if (WIFSIGNALED(status))
        return RUNNER_CRASHED;
    return WEXITSTATUS(status) == EXIT_SUCCESS ? RUNNER_MEASURED : RUNNER_FAILED;
}

static bool runner_find_value(const char *output, const char *metric, double *value)
{
    size_t length = strlen(metric);

    for (const char *line = output; line != NULL && *line != '\0';) {
        if (strncmp(line, metric, length) == 0 && line[length] == ' ') {
            *value = strtod(line + length, NULL);
            return true;
        }
        line = strchr(line, '\n');
        if (line != NULL)
            line++;
    }
    return false;
}

static void runner_keep_best(const struct workload *workload, struct runner_cell *cell,
                             const char *output)
{
    for (int i = 0; workload->metrics[i].name != NULL; i++) {
        double value = 0;

        if (!runner_find_value(output, workload->metrics[i].name, &value)) {
            cell->state = RUNNER_FAILED;
            return;
        }
        if (cell->measured == 0 || value < cell->best[i])
            cell->best[i] = value;
    }
    cell->measured++;
    if (cell->state == RUNNER_NOT_RUN)
        cell->state = RUNNER_MEASURED;
}

static void runner_run_cell(struct runner_row *row, int index,
                            const struct runner_settings *settings)
{
    const struct allocator *allocator = &allocator_table[index];
    struct runner_cell *cell = &row->cells[index];
    char output[RUNNER_OUTPUT_SIZE];

    if (!allocator->found || (row->workload->kinds_only && !allocator->kind))
        return;
    /* A worker that hangs is not run again. */
    if (cell->state == RUNNER_HUNG)
        return;
    enum runner_state state = runner_run_once(row, allocator, settings, output);

    if (state == RUNNER_MEASURED) {
        runner_keep_best(row->workload, cell, output);
    } else {
        cell->state = state;
        cell->bad++;
    }
}

void runner_run(struct runner_row *row, const struct runner_settings *settings)
{
    int repetitions = row->workload->once ? 1 : settings->repetitions;

    for (int repetition = 0; repetition < repetitions; repetition++) {
        for (int i = 0; i < ALLOCATOR_COUNT; i++)
            runner_run_cell(row, i, settings);
    }
}
