/* SPDX-License-Identifier: BSD-2-Clause */
/* The threads and the clock of a run. */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "workload.h"

#define RUN_SEED        UINT64_C(0x9e3779b97f4a7c15)
#define RUN_NANOSECONDS 1e9

static double run_read_clock(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / RUN_NANOSECONDS;
}

double run_now(void)
{
    return run_read_clock(CLOCK_MONOTONIC);
}

double run_processor_now(void)
{
    return run_read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

void run_start(struct run_member *member)
{
    pthread_barrier_wait(member->barrier);
    member->begin = run_now();
    member->deadline = member->begin + member->run->seconds;
}

bool run_goes_on(const struct run_member *member)
{
    if (member->run->operations != 0)
        return member->done < member->run->operations;
    return run_now() < member->deadline;
}

void run_report(const struct run *run, int metric, double value)
{
    printf("%s %.9g\n", run->workload->metrics[metric].name, value);
}

void *run_memory(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        perror("mmap");
        exit(EXIT_FAILURE);
    }
    return memory;
}

void run_create_thread(pthread_t *thread, void *(*function)(void *), void *argument)
{
    int error = pthread_create(thread, NULL, function, argument);

    if (error != 0) {
        fprintf(stderr, "pthread_create: %s\n", strerror(error));
        exit(EXIT_FAILURE);
    }
}

static void *run_member_thread(void *argument)
{
    struct run_member *member = argument;

    member->body(member);
    member->end = run_now();
    return NULL;
}

static struct run_result run_sum(const struct run_member *members, size_t count)
{
    double begin = members[0].begin;
    double end = members[0].end;
    uint64_t done = 0;

    for (size_t i = 0; i < count; i++) {
        if (members[i].begin < begin)
            begin = members[i].begin;
        if (members[i].end > end)
            end = members[i].end;
        done += members[i].done;
    }
    if (done == 0) {
        fprintf(stderr, "nothing was done in the time\n");
        exit(EXIT_FAILURE);
    }
    return (struct run_result){.seconds = end - begin, .done = done};
}

struct run_result run_bodies(struct run *run, void (*body)(struct run_member *), void *shared)
{
    size_t count = (size_t)run->threads;
    struct run_member *members = run_memory(count * sizeof(*members));
    pthread_barrier_t barrier;

    pthread_barrier_init(&barrier, NULL, (unsigned int)count);
    for (size_t i = 0; i < count; i++) {
        members[i].run = run;
        members[i].shared = shared;
        members[i].body = body;
        members[i].barrier = &barrier;
        members[i].index = (int)i;
        members[i].random = RUN_SEED * (i + 1);
    }
    if (count == 1) {
        run_member_thread(&members[0]);
    } else {
        for (size_t i = 0; i < count; i++)
            run_create_thread(&members[i].thread, run_member_thread, &members[i]);
        for (size_t i = 0; i < count; i++)
            pthread_join(members[i].thread, NULL);
    }
    return run_sum(members, count);
}

void run_team(struct run *run, void (*body)(struct run_member *), void *shared, double scale)
{
    struct run_result result = run_bodies(run, body, shared);

    run_report(run, 0, result.seconds / (double)result.done * scale);
}
