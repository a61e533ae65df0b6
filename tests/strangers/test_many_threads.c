/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Report: 256 threads with 10 KB each held 500 MiB; 64 threads that used 64 MiB in turn made a file
 * of 4 GiB.
 */
#include "api/fixture.h"

#include <pthread.h>
#include <semaphore.h>

#define THREADS   256
#define BLOCKS    10
#define IN_TURN   64
#define TURN_SIZE (64 * MIB)
#define BLOCK     (256 * KIB)

struct worker {
    memkind_t kind;
    sem_t done;
    sem_t end;
};

static void *take_little(void *argument)
{
    struct worker *worker = argument;
    char *blocks[BLOCKS];

    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = memkind_malloc(worker->kind, KIB);
        if (blocks[i] != NULL)
            memset(blocks[i], 1, KIB);
    }
    sem_post(&worker->done);
    sem_wait(&worker->end);
    for (size_t i = 0; i < BLOCKS; i++)
        memkind_free(worker->kind, blocks[i]);
    return NULL;
}

static void test_many_threads_with_little(void **state)
{
    static pthread_t threads[THREADS];
    struct worker worker;

    (void)state;
    assert_int_equal(setenv("MEMKIND_ARENA_NUM_PER_KIND", "256", 1), 0);
    worker.kind = fixture_pmem(0);
    assert_int_equal(unsetenv("MEMKIND_ARENA_NUM_PER_KIND"), 0);
    assert_int_equal(sem_init(&worker.done, 0, 0), 0);
    assert_int_equal(sem_init(&worker.end, 0, 0), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_little, &worker), 0);
    for (size_t i = 0; i < THREADS; i++)
        sem_wait(&worker.done);
    size_t held = fixture_current_size(worker.kind);
    size_t in_file = fixture_file_space(worker.kind);
    for (size_t i = 0; i < THREADS; i++)
        sem_post(&worker.end);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    fixture_destroy(worker.kind);
    /* 2.5 MiB are in blocks. Filling a thread's cache takes some more. */
    print_message("held %zu KiB, %zu KiB in the file\n", held / KIB, in_file / KIB);
    assert_true(held <= 64 * MIB);
}

static void *use_in_turn(void *kind)
{
    static void *blocks[TURN_SIZE / BLOCK];

    for (size_t i = 0; i < COUNT_OF(blocks); i++)
        blocks[i] = memkind_malloc(kind, BLOCK);
    for (size_t i = 0; i < COUNT_OF(blocks); i++)
        memkind_free(kind, blocks[i]);
    return NULL;
}

static void test_threads_in_turn(void **state)
{
    pthread_t thread;

    (void)state;
    assert_int_equal(setenv("MEMKIND_ARENA_NUM_PER_KIND", "64", 1), 0);
    memkind_t kind = fixture_pmem(0);
    assert_int_equal(unsetenv("MEMKIND_ARENA_NUM_PER_KIND"), 0);
    for (size_t i = 0; i < IN_TURN; i++) {
        assert_int_equal(pthread_create(&thread, NULL, use_in_turn, kind), 0);
        pthread_join(thread, NULL);
    }
    size_t length = fixture_file_size(kind);
    fixture_destroy(kind);
    print_message("the file is %zu MiB long\n", length / MIB);
    assert_true(length <= 4 * TURN_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_many_threads_with_little),
        FIXTURE_TEST(test_threads_in_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
