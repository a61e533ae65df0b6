/* SPDX-License-Identifier: BSD-2-Clause */
/* Threads that run a test's tasks one after another, in the order that the test chooses. */
#pragma once

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>

#include "support/check.h"

#define WORKERS_MOST ((size_t)40)

/* A thread that runs tasks one after another. Static, because a failing test leaves it behind. */
struct worker {
    pthread_t thread;
    sem_t go;
    sem_t done;
    void (*task)(void *arg); /* NULL: end */
    void *arg;
    bool alive;
};

static struct worker workers[WORKERS_MOST];

static inline void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        continue;
}

static inline void *worker_main(void *arg)
{
    struct worker *worker = arg;

    for (;;) {
        wait_for(&worker->go);
        if (worker->task == NULL)
            return NULL;
        worker->task(worker->arg);
        sem_post(&worker->done);
    }
}

/* Starts a thread. The test has at most WORKERS_MOST at a time. */
static inline struct worker *worker_start(void)
{
    struct worker *worker = workers;

    while (worker->alive)
        worker++;
    CHECK(sem_init(&worker->go, 0, 0) == 0);
    CHECK(sem_init(&worker->done, 0, 0) == 0);
    CHECK(pthread_create(&worker->thread, NULL, worker_main, worker) == 0);
    worker->alive = true;
    return worker;
}

static inline void worker_tell(struct worker *worker, void (*task)(void *arg), void *arg)
{
    worker->task = task;
    worker->arg = arg;
    sem_post(&worker->go);
}

static inline void worker_do(struct worker *worker, void (*task)(void *arg), void *arg)
{
    worker_tell(worker, task, arg);
    wait_for(&worker->done);
}

static inline void worker_end(struct worker *worker)
{
    worker_tell(worker, NULL, NULL);
    CHECK(pthread_join(worker->thread, NULL) == 0);
    sem_destroy(&worker->go);
    sem_destroy(&worker->done);
    worker->alive = false;
}
