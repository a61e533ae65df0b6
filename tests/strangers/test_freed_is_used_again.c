/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Report: 3,000 short threads, three times: resident 698, 1,330, 1,567 MB. Their freed memory lay
 * in large pieces, and small blocks came from fresh file space.
 */
#include "api/fixture.h"

#include <pthread.h>

#define THREADS     1500
#define OF_A_THREAD 200
#define MANY        100000
#define ROUNDS      5

static memkind_t kind;
static void *blocks[MANY];

static void *allocate_and_end(void *arg)
{
    void *own[OF_A_THREAD];
    unsigned seed = (unsigned)(size_t)arg;

    for (size_t i = 0; i < OF_A_THREAD; i++) {
        size_t size = 16 + (size_t)rand_r(&seed) % (i % 10 == 0 ? 60000 : 2000);

        own[i] = memkind_malloc(kind, size);
        if (own[i] != NULL)
            memset(own[i], 1, size);
    }
    for (size_t i = 0; i < OF_A_THREAD; i++)
        memkind_free(kind, own[i]);
    return NULL;
}

/* One thread at a time, each with less than half a MiB. The file is as long as the largest use. */
static void test_short_threads(void **state)
{
    (void)state;
    kind = fixture_pmem(0);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_t thread;

        assert_int_equal(pthread_create(&thread, NULL, allocate_and_end, (void *)i), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    assert_true(fixture_file_size(kind) <= 24 * MIB);
    fixture_destroy(kind);
}

static void fill_and_empty(size_t round)
{
    for (size_t i = 0; i < MANY; i++) {
        size_t size = 16 + (i + round) * 7919 % 1000;

        blocks[i] = memkind_malloc(kind, size);
        assert_non_null(blocks[i]);
        memset(blocks[i], 1, size);
    }
    for (size_t i = 0; i < MANY; i++)
        memkind_free(kind, blocks[i]);
}

static void test_filled_and_emptied(void **state)
{
    (void)state;
    kind = fixture_pmem(0);
    fill_and_empty(0);
    size_t first = fixture_file_size(kind);
    for (size_t round = 1; round <= ROUNDS; round++)
        fill_and_empty(round);
    assert_true(fixture_file_size(kind) <= first + first / 4);
    fixture_destroy(kind);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_short_threads),
        FIXTURE_TEST(test_filled_and_emptied),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
