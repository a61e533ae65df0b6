/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of moments at which no other thread of the program runs. */
#include "support/threads_fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
    (void)number;
    signals = signals + 1;
}

static void a_single_thread_has_no_signals_meanwhile(void **state)
{
    struct threads_stop moment;

    (void)state;
    signal(SIGUSR1, count_signal);
    assert_true(threads_stop(&moment, THREADS_STOP));
    raise(SIGUSR1);
    assert_int_equal(signals, 0);
    threads_continue(&moment);
    assert_int_equal(signals, 1);
    raise(SIGUSR1);
    assert_int_equal(signals, 2);
}

static void a_thread_that_waits_is_no_hindrance(void **state)
{
    sigset_t mask, blocked;

    (void)state;
    sigemptyset(&mask);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    pthread_t thread = begin(false);
    for (int i = 0; i < 100; i++)
        while (!can_stop())
            usleep(1000);
    struct threads_stop moment;
    assert_false(threads_stop(&moment, THREADS_LEAVE));
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    assert_int_equal(sigismember(&blocked, SIGUSR1), 0);
    end(thread);
}

/* -- Threads that run -------------------------------------------------------------------------- */

#define RUNNERS 3

static atomic_bool over;
static volatile unsigned long counters[RUNNERS];

static void *run(void *counter)
{
    while (!atomic_load(&over))
        (*(volatile unsigned long *)counter)++;
    return NULL;
}

static void nothing_runs_meanwhile(void **state)
{
    pthread_t threads[RUNNERS];
    unsigned stops = 0;

    (void)state;
    atomic_store(&over, false);
    for (size_t i = 0; i < RUNNERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run, (void *)&counters[i]), 0);
    for (int i = 0; i < 5000 && stops < 100; i++) {
        struct threads_stop moment;
        unsigned long before[RUNNERS];

        if (!threads_stop(&moment, THREADS_STOP))
            continue;
        stops++;
        memcpy(before, (const void *)counters, sizeof(before));
        usleep(500);
        for (size_t k = 0; k < RUNNERS; k++)
            assert_true(counters[k] == before[k]);
        threads_continue(&moment);
    }
    assert_in_range(stops, 1, 200);
    unsigned long last = counters[0];
    while (counters[0] == last)
        usleep(1000);
    atomic_store(&over, true);
    for (size_t i = 0; i < RUNNERS; i++)
        pthread_join(threads[i], NULL);
}

static void *stop_none(void *unused)
{
    return unused;
}

static void *begin_others(void *unused)
{
    while (!atomic_load(&over)) {
        pthread_t thread;
        unsigned long count = 0;

        if (pthread_create(&thread, NULL, stop_none, &count) == 0)
            pthread_join(thread, NULL);
        counters[0]++;
    }
    return unused;
}

/* Threads that come and go all the time. */
static void new_threads_are_stopped_too(void **state)
{
    pthread_t thread;
    unsigned stops = 0;

    (void)state;
    atomic_store(&over, false);
    assert_int_equal(pthread_create(&thread, NULL, begin_others, NULL), 0);
    for (int i = 0; i < 300; i++) {
        struct threads_stop moment;

        if (!threads_stop(&moment, THREADS_STOP))
            continue;
        unsigned long before = counters[0];
        usleep(200);
        assert_true(counters[0] == before);
        threads_continue(&moment);
        stops++;
    }
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    printf("%u moments among threads that come and go\n", stops);
}

/* -- Calls during the moment ------------------------------------------------------------------- */

static int kills_before; /* steps of the call before the helper is killed */

static int count_steps(void *steps)
{
    for (int i = 0; i < 3; i++) {
        if (i == kills_before) {
            kill(helper, SIGKILL);
            usleep(1000); /* the signal ends the helper here, if that has not happened yet */
        }
        ++*(int *)steps;
    }
    return -EDOM;
}

/* Makes the call at a moment, and returns how many steps it made. */
static int steps_at_moment(bool kill_first, int kill_before, int result)
{
    struct threads_stop moment;
    int steps = 0;

    kills_before = kill_before;
    /* On a busy machine, threads may take longer to stop than the helper waits. */
    while (!threads_stop(&moment, THREADS_STOP))
        usleep(1000);
    if (kill_first)
        kill(helper, SIGKILL);
    errno = ENOTTY;
    assert_int_equal(threads_call(&moment, count_steps, &steps), result);
    assert_int_equal(errno, ENOTTY);
    threads_continue(&moment);
    return steps;
}

static void *count_own_calls(void *own)
{
    threads_enter();
    *(int *)own = steps_at_moment(false, -1, -EDOM);
    threads_leave();
    return NULL;
}

/* A call is made while the threads are stopped, or not at all. */
static void calls_at_a_moment(void **state)
{
    pthread_t librarys;
    int steps = 0;

    (void)state;
    assert_int_equal(steps_at_moment(false, -1, -EDOM), 3);
    pthread_t thread = begin(false);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(steps_at_moment(false, -1, -EDOM), 3);
        assert_int_equal(steps_at_moment(true, -1, -EBUSY), 0);
        assert_int_equal(steps_at_moment(false, i % 3, -EBUSY), i % 3);
    }
    assert_int_equal(pthread_create(&librarys, NULL, count_own_calls, &steps), 0);
    pthread_join(librarys, NULL);
    assert_int_equal(steps, 3);
    end(thread);
}

/* Threads that the program ensures do not disturb are not stopped. */
static void trusted_threads_go_on(void **state)
{
    struct threads_stop moment;

    (void)state;
    pthread_t thread = begin(false);
    assert_true(threads_stop(&moment, THREADS_TRUSTED));
    assert_int_equal(clone_fault.calls, 0);
    /* This ends the thread while the moment lasts. */
    end(thread);
    threads_continue(&moment);
}

/* -- Threads of the library ------------------------------------------------------------------- */

static void own_threads_do_not_count(void **state)
{
    (void)state;
    pthread_t thread = begin(true);
    assert_true(can_stop());
    /* The child has none. */
    pid_t child = fork();
    int status;
    if (child == 0) {
        threads_after_fork();
        _exit(!can_stop());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    end(thread);
}

/*
 * One of the library's own, the idle thread, may stop all others. On a busy machine, a moment may
 * come too late.
 */
static void *stop_in_own(void *unused)
{
    bool could = false;

    threads_enter();
    for (int i = 0; i < 1000 && !could; i++) {
        could = can_stop();
        usleep(could ? 0 : 1000);
    }
    threads_leave();
    return could ? NULL : unused;
}

static void an_own_thread_stops_others(void **state)
{
    pthread_t thread;
    void *result;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, stop_in_own, &ready), 0);
    pthread_join(thread, &result);
    assert_null(result);
}

int main(void)
{
    if (SANITIZED)
        return SKIPPED;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_single_thread_has_no_signals_meanwhile, setup),
        cmocka_unit_test_setup(a_thread_that_waits_is_no_hindrance, setup),
        cmocka_unit_test_setup(nothing_runs_meanwhile, setup),
        cmocka_unit_test_setup(new_threads_are_stopped_too, setup),
        cmocka_unit_test_setup(calls_at_a_moment, setup),
        cmocka_unit_test_setup(trusted_threads_go_on, setup),
        cmocka_unit_test_setup(own_threads_do_not_count, setup),
        cmocka_unit_test_setup(an_own_thread_stops_others, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
