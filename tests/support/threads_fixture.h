/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For tests of moments at which no other thread of the program runs (os/threads.h): system calls
 * that fail, and threads that wait.
 */
#pragma once
/* WRAP: stat open clone ptrace */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/threads.h"
#include "support/faults.h"

/* The thread sanitizer takes the helper process for a thread that it does not know. */
#define SKIPPED 77
#ifdef __SANITIZE_THREAD__
#    define SANITIZED true
#else
#    define SANITIZED false
#endif

static struct fault stat_fault;
static struct fault open_fault;
static struct fault clone_fault;
static struct fault ptrace_fault;
static sem_t ready;
static sem_t stop;

int __real_clone(int (*call)(void *), void *stack, int flags, void *arg, ...);
int __wrap_clone(int (*call)(void *), void *stack, int flags, void *arg, pid_t *parent, void *local,
                 pid_t *child);

static pid_t helper;

int __wrap_clone(int (*call)(void *), void *stack, int flags, void *arg, pid_t *parent, void *local,
                 pid_t *child)
{
    helper =
        fault_hits(&clone_fault) ? -1 : __real_clone(call, stack, flags, arg, parent, local, child);
    return helper;
}

long __real_ptrace(int request, ...);
long __wrap_ptrace(int request, pid_t thread, void *addr, void *data);

long __wrap_ptrace(int request, pid_t thread, void *addr, void *data)
{
    return fault_hits(&ptrace_fault) ? -1 : __real_ptrace(request, thread, addr, data);
}

int __real_stat(const char *path, struct stat *status);
int __wrap_stat(const char *path, struct stat *status);

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);

int __wrap_open(const char *path, int flags, ...)
{
    return fault_hits(&open_fault) ? -1 : __real_open(path, flags);
}

int __wrap_stat(const char *path, struct stat *status)
{
    return fault_hits(&stat_fault) ? -1 : __real_stat(path, status);
}

static int setup(void **state)
{
    (void)state;
    stat_fault = open_fault = clone_fault = ptrace_fault = (struct fault){0};
    return sem_init(&ready, 0, 0) | sem_init(&stop, 0, 0);
}

static inline bool can_stop(void)
{
    struct threads_stop moment;

    if (!threads_stop(&moment, THREADS_STOP))
        return false;
    threads_continue(&moment);
    return true;
}

static inline void *wait_as(void *is_own)
{
    if (is_own != NULL)
        threads_enter();
    sem_post(&ready);
    while (sem_wait(&stop) != 0)
        ;
    if (is_own != NULL)
        threads_leave();
    return NULL;
}

static inline pthread_t begin(bool is_own)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, wait_as, is_own ? &ready : NULL), 0);
    sem_wait(&ready);
    return thread;
}

static inline void end(pthread_t thread)
{
    sem_post(&stop);
    pthread_join(thread, NULL);
    /* The kernel counts it for a moment longer. */
    while (!can_stop())
        usleep(1000);
}
