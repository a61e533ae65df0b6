/* SPDX-License-Identifier: BSD-2-Clause */
/* Report: a service started with "ulimit -f 65536" got only 49 of 64 MiB in blocks of 1 MiB. */
#include "api/fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>

#define LIMIT   (64 * MIB)
#define THREADS 8

static memkind_t kind;
static size_t block_size;
static atomic_size_t got;

static void *take_all(void *arg)
{
    void *block;

    while ((block = memkind_malloc(kind, block_size)) != NULL) {
        memset(block, 1, block_size);
        atomic_fetch_add(&got, block_size);
    }
    return arg;
}

static void take_in_threads(unsigned count)
{
    pthread_t threads[THREADS];

    atomic_store(&got, 0);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_all, NULL), 0);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static struct rlimit set_limit(size_t bytes)
{
    struct rlimit old;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    struct rlimit limit = {.rlim_cur = bytes, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    return old;
}

/* A whole number of blocks of some sizes fills less than nine tenths of the file. */
static void test_blocks_up_to_some_mebibytes(void **state)
{
    static const size_t sizes[] = {256 * KIB,         MIB,     2 * MIB + MIB / 2, 3 * MIB,
                                   3 * MIB + MIB / 2, 4 * MIB, 5 * MIB,           7 * MIB};

    (void)state;
    struct rlimit old = set_limit(LIMIT);
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        for (unsigned threads = 1; threads <= THREADS; threads *= THREADS) {
            kind = fixture_pmem(0);
            block_size = sizes[i];
            take_in_threads(threads);
            assert_true(atomic_load(&got) >= LIMIT / 10 * 9);
            fixture_destroy(kind);
        }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
}

/*
 * The limit is set when regions are already larger. File space beyond it is usable once it is
 * lifted.
 */
static void test_limit_that_comes_late(void **state)
{
    (void)state;
    kind = fixture_pmem(0);
    block_size = MIB;
    void *first = memkind_malloc(kind, block_size);
    struct rlimit old = set_limit(LIMIT);
    take_in_threads(1);
    assert_true(atomic_load(&got) >= LIMIT / 10 * 9);
    assert_null(memkind_malloc(kind, LIMIT));
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    memkind_free(kind, first);
    void *large = memkind_malloc(kind, LIMIT);
    assert_non_null(large);
    memset(large, 1, LIMIT);
    fixture_destroy(kind);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_blocks_up_to_some_mebibytes),
        FIXTURE_TEST(test_limit_that_comes_late),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
