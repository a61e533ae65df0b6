/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of jemalloc's locks and conditions: one thread at a time has a lock, threads that wait are
 * woken, errno is kept.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "heap/jemalloc_lock.h"

#define THREADS    4
#define TIMES      20000
#define SOME_ERRNO 1234
#define MOMENT     20000000 /* nanoseconds */

static pthread_mutex_t lock;
static pthread_cond_t cond;
static size_t count; /* guarded by the lock */
static atomic_bool waiting;

static int setup(void **state)
{
    (void)state;
    count = 0;
    atomic_store(&waiting, false);
    errno = SOME_ERRNO;
    return jemk_pthread_mutex_init(&lock, NULL) + jemk_pthread_cond_init(&cond, NULL);
}

static int teardown(void **state)
{
    (void)state;
    return errno == SOME_ERRNO ? 0 : -1;
}

static pthread_t start(void *(*run)(void *))
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, run, NULL), 0);
    return thread;
}

static void end(pthread_t thread)
{
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void wait_a_moment(void)
{
    const struct timespec moment = {.tv_nsec = MOMENT};

    nanosleep(&moment, NULL);
}

static void wait_for_the_other(void)
{
    while (!atomic_load(&waiting))
        wait_a_moment();
    wait_a_moment();
}

/* This test is the first: the process has one thread. */
static void lock_is_held_once(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(jemk_pthread_mutex_trylock(&lock), 0);
        assert_int_equal(jemk_pthread_mutex_trylock(&lock), EBUSY);
        assert_int_equal(jemk_pthread_mutex_unlock(&lock), 0);
        assert_int_equal(jemk_pthread_mutex_lock(&lock), 0);
        assert_int_equal(jemk_pthread_mutex_trylock(&lock), EBUSY);
        assert_int_equal(jemk_pthread_mutex_unlock(&lock), 0);
    }
}

static void locks_of_any_initializer_are_free(void **state)
{
    pthread_mutex_t normal = PTHREAD_MUTEX_INITIALIZER;

    (void)state;
    assert_int_equal(jemk_pthread_mutex_trylock(&normal), 0);
    assert_int_equal(jemk_pthread_mutex_trylock(&normal), EBUSY);
#ifdef PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP
    pthread_mutex_t adaptive = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
    assert_int_equal(jemk_pthread_mutex_trylock(&adaptive), 0);
    assert_int_equal(jemk_pthread_mutex_trylock(&adaptive), EBUSY);
#endif
}

static void *add(void *argument)
{
    for (size_t i = 0; i < TIMES; i++) {
        if (i % 2 == 0 || jemk_pthread_mutex_trylock(&lock) != 0)
            (void)jemk_pthread_mutex_lock(&lock);
        count++;
        (void)jemk_pthread_mutex_unlock(&lock);
    }
    return argument;
}

static void one_thread_at_a_time_has_the_lock(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    for (size_t i = 0; i < THREADS; i++)
        threads[i] = start(add);
    for (size_t i = 0; i < THREADS; i++)
        end(threads[i]);
    assert_int_equal(count, THREADS * TIMES);
}

static void *wait_for_lock(void *argument)
{
    atomic_store(&waiting, true);
    errno = SOME_ERRNO;
    (void)jemk_pthread_mutex_lock(&lock);
    count += errno == SOME_ERRNO;
    (void)jemk_pthread_mutex_unlock(&lock);
    return argument;
}

/* The process has one thread when the lock is acquired, and two when the lock is released. */
static void threads_that_wait_are_woken(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    assert_int_equal(jemk_pthread_mutex_trylock(&lock), 0);
    for (size_t i = 0; i < THREADS; i++)
        threads[i] = start(wait_for_lock);
    wait_for_the_other();
    assert_int_equal(count, 0);
    assert_int_equal(jemk_pthread_mutex_unlock(&lock), 0);
    for (size_t i = 0; i < THREADS; i++)
        end(threads[i]);
    assert_int_equal(count, THREADS);
}

static void *wait_for_signal(void *argument)
{
    (void)jemk_pthread_mutex_lock(&lock);
    atomic_store(&waiting, true);
    while (count == 0)
        (void)jemk_pthread_cond_wait(&cond, &lock);
    count++;
    (void)jemk_pthread_mutex_unlock(&lock);
    return argument;
}

static void signal_wakes_a_thread(void **state)
{
    (void)state;
    pthread_t thread = start(wait_for_signal);
    wait_for_the_other();
    /* The thread that waits has released the lock. */
    assert_int_equal(jemk_pthread_mutex_lock(&lock), 0);
    count = 1;
    assert_int_equal(jemk_pthread_cond_signal(&cond), 0);
    assert_int_equal(jemk_pthread_mutex_unlock(&lock), 0);
    end(thread);
    assert_int_equal(count, 2);
}

static void wait_ends_in_time(void **state)
{
    struct timespec until;
    int result;

    (void)state;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += until.tv_nsec + MOMENT >= 1000000000;
    until.tv_nsec = (until.tv_nsec + MOMENT) % 1000000000;
    assert_int_equal(jemk_pthread_mutex_lock(&lock), 0);
    do
        result = jemk_pthread_cond_timedwait(&cond, &lock, &until);
    while (result == 0);
    assert_int_equal(result, ETIMEDOUT);
    assert_int_equal(jemk_pthread_mutex_trylock(&lock), EBUSY);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(lock_is_held_once),           TEST(locks_of_any_initializer_are_free),
        TEST(threads_that_wait_are_woken), TEST(one_thread_at_a_time_has_the_lock),
        TEST(signal_wakes_a_thread),       TEST(wait_ends_in_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
