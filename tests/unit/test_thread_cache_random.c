/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random operations on thread caches: several threads allocate, free and exchange blocks while
 * other threads empty the caches and turn them off.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "heap/size_class.h"
#include "heap/thread_caches.h"
#include "support/thread_cache_fixture.h"

#define RANDOM_WORKERS  4
#define GENERATIONS     3
#define ROUNDS          60000
#define WORKER_BLOCKS   32
#define MAILBOXES       16
#define TORTURE_CLASSES 3
#define SEED            4711u

static _Atomic(void *) mailboxes[MAILBOXES];
static atomic_bool stop;

static void *alloc_tagged(unsigned size_class, unsigned char tag)
{
    void *block = alloc_block(size_class);

    CHECK(block != NULL);
    if (block != NULL) {
        memset(block, tag, BLOCK_SIZE);
        info_of(block)->tag = tag;
    }
    return block;
}

static void free_tagged(void *block)
{
    unsigned char expected[BLOCK_SIZE];

    memset(expected, info_of(block)->tag, BLOCK_SIZE);
    CHECK(memcmp(block, expected, BLOCK_SIZE) == 0);
    memset(block, 0, BLOCK_SIZE);
    free_block(block);
}

static unsigned torture_class(unsigned number)
{
    const unsigned classes[TORTURE_CLASSES] = {1, size_class_of(BLOCK_SIZE), size_class_count};

    return classes[number % TORTURE_CLASSES];
}

/* Allocates, frees, and exchanges blocks with other threads through the mailboxes. */
static void *work(void *arg)
{
    void *blocks[WORKER_BLOCKS] = {NULL};
    unsigned seed = SEED + *(unsigned *)arg;

    for (int i = 0; i < ROUNDS; i++) {
        void **slot = &blocks[(size_t)rand_r(&seed) % WORKER_BLOCKS];
        unsigned chance = (unsigned)rand_r(&seed);

        if (chance % 4 == 0) {
            *slot = atomic_exchange(&mailboxes[chance / 4 % MAILBOXES], *slot);
        } else if (*slot == NULL) {
            *slot = alloc_tagged(torture_class(chance), (unsigned char)chance);
        } else {
            free_tagged(*slot);
            *slot = NULL;
        }
    }
    for (size_t i = 0; i < WORKER_BLOCKS; i++)
        if (blocks[i] != NULL)
            free_tagged(blocks[i]);
    return NULL;
}

static void *reclaim_all_the_time(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop)) {
        thread_caches_reclaim(&caches);
        sched_yield();
    }
    return NULL;
}

static void *change_all_the_time(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop)) {
        thread_caches_turn_off(&caches, THREAD_CACHES_POLICY);
        sched_yield();
        thread_caches_turn_on(&caches, THREAD_CACHES_POLICY);
        (void)thread_caches_bytes(&caches);
        for (size_t i = 0; i < FEW; i++)
            sched_yield();
        atomic_fetch_add(&seconds, 1);
    }
    return NULL;
}

static void run_workers(void)
{
    pthread_t threads[RANDOM_WORKERS];
    unsigned numbers[RANDOM_WORKERS];

    for (unsigned i = 0; i < RANDOM_WORKERS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, work, &numbers[i]), 0);
    }
    for (unsigned i = 0; i < RANDOM_WORKERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void threads_do_each_other_no_harm(void **state)
{
    pthread_t reclaimer;
    pthread_t changer;

    (void)state;
    atomic_store(&stop, false);
    assert_int_equal(pthread_create(&reclaimer, NULL, reclaim_all_the_time, NULL), 0);
    assert_int_equal(pthread_create(&changer, NULL, change_all_the_time, NULL), 0);
    for (int i = 0; i < GENERATIONS; i++)
        run_workers();
    atomic_store(&stop, true);
    assert_int_equal(pthread_join(reclaimer, NULL), 0);
    assert_int_equal(pthread_join(changer, NULL), 0);
    for (size_t i = 0; i < MAILBOXES; i++) {
        void *block = atomic_exchange(&mailboxes[i], NULL);
        if (block != NULL)
            free_tagged(block);
    }
    assert_int_equal(held_bytes, 0);
    nothing_is_lost();
    thread_caches_reclaim(&caches);
    assert_int_equal(heap.out, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(threads_do_each_other_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
