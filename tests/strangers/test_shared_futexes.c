/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Report: a thread that waited for a semaphore in a block while another one forked was never woken,
 * nor was a thread in pthread_join(3) where malloc(3) had given the stack of the other thread. The
 * kernel finds waiters by the file where memory is shared, and a fork makes the memory private.
 */
#include "api/fixture.h"

#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#define STACK  MIB
#define PAUSE  ((useconds_t)50000)
#define SECOND 1000000000l

/* -- Kinds and threads ------------------------------------------------------------------------- */

static memkind_t frozen_kind(void)
{
    struct memkind_config *config = memkind_config_new();
    memkind_t kind;

    assert_non_null(config);
    memkind_config_set_path(config, fixture_dir);
    memkind_config_set_fork(config, MEMKIND_FORK_SNAPSHOT);
    assert_int_equal(memkind_create_pmem_with_config(config, &kind), MEMKIND_SUCCESS);
    memkind_config_delete(config);
    return kind;
}

static void *wait_for_semaphore(void *semaphore)
{
    while (sem_wait(semaphore) != 0)
        assert_int_equal(errno, EINTR);
    return NULL;
}

/* Fails, and does not hang, where the thread is not woken. */
static void join_soon(pthread_t thread)
{
    struct timespec deadline;

    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += 20;
    assert_int_equal(pthread_timedjoin_np(thread, NULL, &deadline), 0);
}

static void fork_once(void)
{
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0)
        _exit(0);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

/* -- Tests ------------------------------------------------------------------------------------- */

/* The first fork makes the memory private, and memkind_purge() makes it shared again. */
static void test_semaphore(void **state)
{
    memkind_t kind = frozen_kind();
    sem_t *semaphore = memkind_malloc(kind, sizeof(*semaphore));

    (void)state;
    assert_non_null(semaphore);
    for (int purges = 0; purges < 2; purges++) {
        pthread_t thread;

        assert_int_equal(sem_init(semaphore, 1, 0), 0);
        assert_int_equal(pthread_create(&thread, NULL, wait_for_semaphore, semaphore), 0);
        usleep(PAUSE);
        if (purges == 0)
            fork_once();
        else
            assert_int_equal(memkind_purge(kind), MEMKIND_SUCCESS);
        usleep(PAUSE);
        assert_int_equal(sem_post(semaphore), 0);
        join_soon(thread);
        assert_int_equal(sem_destroy(semaphore), 0);
    }
    fixture_destroy(kind);
}

/* All of many waiters, in several pages, are woken once each. */
static void test_many_waiters(void **state)
{
    enum { THREADS = 24 };
    memkind_t kind = frozen_kind();
    char *block = memkind_malloc(kind, THREADS * 5 * KIB);
    pthread_t threads[THREADS];

    (void)state;
    assert_non_null(block);
    for (size_t i = 0; i < THREADS; i++) {
        sem_t *semaphore = (sem_t *)(void *)(block + i * 5 * KIB);

        assert_int_equal(sem_init(semaphore, 1, 0), 0);
        assert_int_equal(pthread_create(&threads[i], NULL, wait_for_semaphore, semaphore), 0);
    }
    usleep(PAUSE);
    fork_once();
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(sem_post((sem_t *)(void *)(block + i * 5 * KIB)), 0);
    for (size_t i = 0; i < THREADS; i++)
        join_soon(threads[i]);
    fixture_destroy(kind);
}

static void *join(void *thread)
{
    assert_int_equal(pthread_join(*(pthread_t *)thread, NULL), 0);
    return NULL;
}

static void test_stack_in_a_block(void **state)
{
    memkind_t kind = frozen_kind();
    pthread_attr_t attributes;
    sem_t semaphore;
    void *stack;
    pthread_t thread;
    pthread_t joiner;

    (void)state;
    assert_int_equal(memkind_posix_memalign(kind, &stack, 4 * KIB, STACK), 0);
    assert_int_equal(sem_init(&semaphore, 0, 0), 0);
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstack(&attributes, stack, STACK), 0);
    assert_int_equal(pthread_create(&thread, &attributes, wait_for_semaphore, &semaphore), 0);
    assert_int_equal(pthread_create(&joiner, NULL, join, &thread), 0);
    usleep(PAUSE);
    fork_once();
    assert_int_equal(sem_post(&semaphore), 0);
    join_soon(joiner);
    assert_int_equal(pthread_attr_destroy(&attributes), 0);
    fixture_destroy(kind);
}

/* A wait with a timeout ends at the same time as without the fork. */
static void test_timeout(void **state)
{
    memkind_t kind = frozen_kind();
    pthread_condattr_t shared;
    struct {
        pthread_mutex_t mutex;
        pthread_cond_t condition;
    } *block = memkind_calloc(kind, 1, sizeof(*block));
    struct timespec end;
    struct timespec now;

    (void)state;
    assert_non_null(block);
    assert_int_equal(pthread_condattr_init(&shared), 0);
    assert_int_equal(pthread_condattr_setpshared(&shared, PTHREAD_PROCESS_SHARED), 0);
    assert_int_equal(pthread_cond_init(&block->condition, &shared), 0);
    assert_int_equal(pthread_mutex_init(&block->mutex, NULL), 0);
    fork_once();
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_nsec += SECOND / 10;
    end = (struct timespec){end.tv_sec + end.tv_nsec / SECOND, end.tv_nsec % SECOND};
    assert_int_equal(pthread_mutex_lock(&block->mutex), 0);
    while (pthread_cond_timedwait(&block->condition, &block->mutex, &end) == 0)
        continue;
    assert_int_equal(pthread_mutex_unlock(&block->mutex), 0);
    clock_gettime(CLOCK_REALTIME, &now);
    assert_true(now.tv_sec > end.tv_sec ||
                (now.tv_sec == end.tv_sec && now.tv_nsec >= end.tv_nsec));
    fixture_destroy(kind);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_semaphore),
        FIXTURE_TEST(test_many_waiters),
        FIXTURE_TEST(test_stack_in_a_block),
        FIXTURE_TEST(test_timeout),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
