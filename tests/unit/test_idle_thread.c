/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the idle thread: when it runs, what it inherits, and what happens if it cannot be
 * started.
 */
/* WRAP: pthread_create nanosleep readlink clock_gettime heap_list_visit */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "heap/heap.h"
#include "heap/heap_list.h"
#include "heap/idle_thread.h"
#include "os/threads.h"
#include "support/faults.h"

#define SOME_ERRNO       1234
#define RETRY_AFTER      10
#define HUGE_PAGE_CHECKS 5
#define NAP_US           1000
#define HANG_SECONDS     60

static struct fault create_fault;
static atomic_uint created;
static size_t stack_sizes[4];
static atomic_uint checks; /* of the heaps by the thread */
static atomic_int work;    /* checks that will find work to do */
static atomic_bool much_unused;
static atomic_int pieces; /* that can be thawed */
static atomic_uint naps, short_naps;
static _Atomic(bool (*)(struct heap *heap, void *argument)) thaw; /* the first visitor of a check */
static atomic_bool main_has_ended, no_proc;
static atomic_long seconds;
static sigset_t mask_of_thread;
static pthread_t test_thread;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument);
int __wrap_nanosleep(const struct timespec *pause, struct timespec *left);
ssize_t __wrap_readlink(const char *path, char *target, size_t size);
int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
bool __wrap_heap_list_visit(bool (*visit)(struct heap *heap, void *argument), void *argument);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                          void *argument)
{
    int detached;

    assert_int_equal(pthread_attr_getdetachstate(attributes, &detached), 0);
    assert_int_equal(detached, PTHREAD_CREATE_DETACHED);
    if (create_fault.calls < 4)
        assert_int_equal(pthread_attr_getstacksize(attributes, &stack_sizes[create_fault.calls]),
                         0);
    if (fault_hits(&create_fault))
        return create_fault.error;
    atomic_fetch_add(&created, 1);
    return __real_pthread_create(thread, attributes, run, argument);
}

/* Lets time pass at once. */
int __wrap_nanosleep(const struct timespec *pause, struct timespec *left)
{
    (void)left;
    atomic_fetch_add(pause->tv_sec == 1 ? &naps : &short_naps, 1);
    return 0;
}

ssize_t __wrap_readlink(const char *path, char *target, size_t size)
{
    bool own = strcmp(path, "/proc/thread-self/exe") == 0;

    if (atomic_load(&no_proc) || (!own && atomic_load(&main_has_ended))) {
        errno = ENOENT;
        return -1;
    }
    memset(target, '/', size);
    return (ssize_t)size;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    if (clock != CLOCK_MONOTONIC_COARSE)
        return __real_clock_gettime(clock, now);
    *now = (struct timespec){.tv_sec = atomic_load(&seconds)};
    return 0;
}

/* The thread thaws, and then checks the heaps. Before it ends, it checks whether any needs it. */
bool __wrap_heap_list_visit(bool (*visit)(struct heap *heap, void *argument), void *argument)
{
    if (argument == NULL)
        return atomic_exchange(&much_unused, false);
    assert_false(pthread_equal(pthread_self(), test_thread));
    if (thaw == NULL)
        atomic_store(&thaw, visit);
    if (visit == atomic_load(&thaw)) {
        *(bool *)argument = atomic_fetch_sub(&pieces, 1) > 0;
        return false;
    }
    pthread_sigmask(SIG_SETMASK, NULL, &mask_of_thread);
    atomic_fetch_add(&checks, 1);
    *(bool *)argument = atomic_fetch_sub(&work, 1) > 0;
    return false;
}

static int setup(void **state)
{
    (void)state;
    alarm(HANG_SECONDS);
    create_fault = (struct fault){0};
    atomic_store(&created, 0);
    atomic_store(&checks, 0);
    atomic_store(&work, 0);
    atomic_store(&much_unused, false);
    atomic_store(&pieces, 0);
    atomic_store(&naps, 0);
    atomic_store(&short_naps, 0);
    atomic_store(&main_has_ended, false);
    atomic_store(&no_proc, false);
    atomic_fetch_add(&seconds, RETRY_AFTER);
    unsetenv("MEMKIND_IDLE_THREAD");
    idle_thread_configure();
    assert_false(idle_thread_is_running());
    return 0;
}

static void start_and_wait(void)
{
    errno = SOME_ERRNO;
    idle_thread_start();
    assert_int_equal(errno, SOME_ERRNO);
    while (idle_thread_is_running())
        usleep(NAP_US);
}

static void thread_ends_when_there_is_nothing_to_do(void **state)
{
    (void)state;
    start_and_wait();
    assert_int_equal(atomic_load(&created), 1);
    assert_int_equal(atomic_load(&checks), HUGE_PAGE_CHECKS);
}

static void thread_stays_while_there_is_something_to_do(void **state)
{
    const int some = 20;

    (void)state;
    atomic_store(&work, some);
    start_and_wait();
    assert_int_equal(atomic_load(&checks), some + HUGE_PAGE_CHECKS);
}

/* Piece by piece, with short pauses, while heaps have more to thaw. */
static void thread_thaws(void **state)
{
    const int some = 20;

    (void)state;
    atomic_store(&pieces, some);
    start_and_wait();
    assert_int_equal(atomic_load(&short_naps), some);
    assert_int_equal(atomic_load(&naps), HUGE_PAGE_CHECKS);
}

/* What a fork has frozen is this thread's affair in a process with several threads. */
static void *fork_in_thread(void *unused)
{
    idle_thread_after_fork_in_parent();
    return unused;
}

static void thread_comes_after_a_fork(void **state)
{
    pthread_t thread;

    (void)state;
#ifndef __SANITIZE_THREAD__ /* has a thread of its own */
    while (threads_are_several())
        usleep(NAP_US);
    atomic_store(&much_unused, true);
    idle_thread_after_fork_in_parent();
    assert_int_equal(atomic_load(&created), 0);
#endif
    assert_int_equal(__real_pthread_create(&thread, NULL, fork_in_thread, NULL), 0);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&created), 0);
    atomic_store(&much_unused, true);
    assert_int_equal(__real_pthread_create(&thread, NULL, fork_in_thread, NULL), 0);
    pthread_join(thread, NULL);
    while (idle_thread_is_running())
        usleep(NAP_US);
    assert_int_equal(atomic_load(&created), 1);
}

static void thread_comes_again(void **state)
{
    (void)state;
    start_and_wait();
    start_and_wait();
    assert_int_equal(atomic_load(&created), 2);
}

/* The freeing thread saw the idle thread running, and started none. */
static void last_moment_is_not_missed(void **state)
{
    (void)state;
    atomic_store(&much_unused, true);
    start_and_wait();
    while (atomic_load(&checks) < 2 * HUGE_PAGE_CHECKS || idle_thread_is_running())
        usleep(NAP_US);
    assert_int_equal(atomic_load(&created), 1);
}

static void there_is_one_thread(void **state)
{
    (void)state;
    atomic_store(&idle_thread_running, true);
    idle_thread_start();
    assert_int_equal(atomic_load(&created), 0);
    idle_thread_after_fork();
    assert_false(idle_thread_is_running());
}

static void signals_are_the_programs(void **state)
{
    sigset_t before, after;

    (void)state;
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    start_and_wait();
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int i = 1; i < SIGRTMAX; i++) {
        assert_int_equal(sigismember(&before, i), sigismember(&after, i));
        /* libc reserves two signals below SIGRTMIN. */
        if (i != SIGKILL && i != SIGSTOP && (i < __SIGRTMIN || i >= SIGRTMIN))
            assert_int_equal(sigismember(&mask_of_thread, i), 1);
    }
}

static void thread_that_cannot_be_is_tried_again_later(void **state)
{
    (void)state;
    fault_set(&create_fault, EAGAIN, 1);
    start_and_wait();
    start_and_wait();
    assert_int_equal(create_fault.calls, 1);
    atomic_fetch_add(&seconds, RETRY_AFTER);
    start_and_wait();
    assert_int_equal(atomic_load(&created), 1);
}

static void small_stack_is_no_must(void **state)
{
    (void)state;
    fault_set(&create_fault, EINVAL, 1);
    start_and_wait();
    assert_int_equal(atomic_load(&created), 1);
    assert_true(stack_sizes[0] < stack_sizes[1]);
}

static void process_whose_main_thread_has_ended_gets_none(void **state)
{
    (void)state;
    atomic_store(&main_has_ended, true);
    start_and_wait();
    assert_int_equal(atomic_load(&created), 0);
    /* Without /proc, the state of the main thread is unknown. */
    atomic_store(&no_proc, true);
    start_and_wait();
    assert_int_equal(atomic_load(&created), 1);
}

static void thread_ends_with_the_main_thread(void **state)
{
    (void)state;
    atomic_store(&work, INT_MAX);
    idle_thread_start();
    atomic_store(&main_has_ended, true);
    while (idle_thread_is_running())
        usleep(NAP_US);
    assert_int_equal(atomic_load(&created), 1);
}

int main(void)
{
    test_thread = pthread_self();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(thread_ends_when_there_is_nothing_to_do, setup),
        cmocka_unit_test_setup(thread_stays_while_there_is_something_to_do, setup),
        cmocka_unit_test_setup(thread_thaws, setup),
        cmocka_unit_test_setup(thread_comes_after_a_fork, setup),
        cmocka_unit_test_setup(thread_comes_again, setup),
        cmocka_unit_test_setup(last_moment_is_not_missed, setup),
        cmocka_unit_test_setup(there_is_one_thread, setup),
        cmocka_unit_test_setup(signals_are_the_programs, setup),
        cmocka_unit_test_setup(thread_that_cannot_be_is_tried_again_later, setup),
        cmocka_unit_test_setup(small_stack_is_no_must, setup),
        cmocka_unit_test_setup(process_whose_main_thread_has_ended_gets_none, setup),
        cmocka_unit_test_setup(thread_ends_with_the_main_thread, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
