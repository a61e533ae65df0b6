/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of kinds at their limit: of one block, of many, and of many threads. */
#include "api/fixture.h"

#include <malloc.h>

#include <pthread.h>
#include <stdatomic.h>

#include "api/few_features.h"
#include "api/full_kind.h"

#define MANY_THREADS 64
#define THREADS      8

/* -- One block --------------------------------------------------------------------------------- */

static void test_one_block_of_the_whole_size(void **state)
{
    static const size_t sizes[] = {16 * MIB, 32 * MIB, 64 * MIB, 20 * MIB,
                                   24 * MIB, 28 * MIB, 40 * MIB};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        memkind_t kind = fixture_pmem(sizes[i]);

        expect_one_block(kind, sizes[i]);
        fixture_destroy(kind);
        kind = fixture_conservative_pmem(sizes[i]);
        expect_one_block(kind, sizes[i]);
        fixture_destroy(kind);
    }
}

/* Also after the kind has been used for other blocks. */
static void test_one_block_after_many_small_ones(void **state)
{
    memkind_t kind = fixture_pmem(MEMKIND_PMEM_MIN_SIZE);

    (void)state;
    for (int round = 0; round < 3; round++) {
        size_t count = 0;

        while (count < MOST_BLOCKS && (blocks[count] = memkind_malloc(kind, 1000)) != NULL)
            count++;
        assert_true(count > 1000);
        for (size_t i = 0; i < count; i++)
            memkind_free(kind, blocks[i]);
        expect_one_block(kind, MEMKIND_PMEM_MIN_SIZE);
    }
    fixture_destroy(kind);
}

static void test_one_block_with_an_alignment(void **state)
{
    memkind_t kind = fixture_pmem(MEMKIND_PMEM_MIN_SIZE);

    (void)state;
    for (size_t alignment = 4096; alignment <= GIB; alignment *= 4) {
        void *block = NULL;

        assert_int_equal(memkind_posix_memalign(kind, &block, alignment, MEMKIND_PMEM_MIN_SIZE), 0);
        assert_int_equal((uintptr_t)block % alignment, 0);
        memset(block, 1, MEMKIND_PMEM_MIN_SIZE);
        memkind_free(kind, block);
    }
    fixture_destroy(kind);
}

/* -- A full kind ------------------------------------------------------------------------------- */

static void test_full_kind_works_on(void **state)
{
    static const size_t sizes[] = {64, 100, 1000, 4096, 14336, 16 * KIB, 100 * KIB, MIB, 3 * MIB};
    memkind_t kind = *state;

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        size_t count = fill(kind, sizes[i]);
        size_t usable = memkind_malloc_usable_size(kind, blocks[0]);

        /* The kind is full: apart from slabs' remainders, no other block of this size would fit. */
        assert_true(count * usable + usable + MIB > FIXTURE_KIND_SIZE / 4);
        assert_true(fixture_current_size(kind) <= FIXTURE_KIND_SIZE / 4);
        /* Replaces random blocks many times. */
        for (size_t j = 0; j < 100; j++) {
            size_t at = j * 7919 % count;

            memkind_free(kind, blocks[at]);
            blocks[at] = memkind_malloc(kind, sizes[i]);
            assert_non_null(blocks[at]);
            *(size_t *)blocks[at] = at;
        }
        empty(kind, count);
    }
}

/* How much of the kind can be used, for sizes that divide a page or consist of pages. */
static void test_nothing_of_the_kind_is_lost(void **state)
{
    static const size_t sizes[] = {64, 1024, 4096, 16 * KIB, 64 * KIB, 256 * KIB, MIB};
    memkind_t kind = *state;
    size_t whole = FIXTURE_KIND_SIZE / 4;

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        size_t count = fill(kind, sizes[i]);

        assert_true(count * sizes[i] >= whole - whole / 20);
        empty(kind, count);
    }
}

static void test_sizes_change_in_a_full_kind(void **state)
{
    static const size_t sizes[] = {64, MIB, 4096, 5 * MIB, 1000, 16 * MIB, 14336, 2 * MIB, 100};
    memkind_t kind = *state;

    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            size_t count = fill(kind, sizes[i]);

            assert_true(count >= 1);
            empty(kind, count);
        }
}

static void test_every_function_in_a_full_kind(void **state)
{
    memkind_t kind = *state;
    size_t count = fill(kind, MIB);
    size_t rest = 0;
    void *block = &block;
    static void *small[MOST_BLOCKS];

    while ((small[rest] = memkind_malloc(kind, 64)) != NULL)
        rest++;
    errno = 0;
    assert_null(memkind_malloc(kind, 64));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(memkind_calloc(kind, 8, 8));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(memkind_realloc(kind, NULL, 64));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(memkind_realloc(kind, blocks[0], 2 * MIB));
    assert_int_equal(errno, ENOMEM);
    errno = 77;
    assert_int_equal(memkind_posix_memalign(kind, &block, 64, 64), ENOMEM);
    assert_int_equal(errno, 77);
    for (size_t i = 0; i < rest; i++)
        memkind_free(kind, small[i]);
    empty(kind, count);
}

/* Programs find the largest block by trying, so a NULL must not use anything up. */
static void test_search_for_the_largest_block(void **state)
{
    memkind_t kind = *state;
    size_t whole = FIXTURE_KIND_SIZE / 4;

    for (int round = 0; round < 10; round++) {
        size_t fits = 0;
        size_t too_much = GIB;

        while (too_much - fits > 4096) {
            size_t middle = fits + (too_much - fits) / 2;
            void *block = memkind_malloc(kind, middle);

            if (block != NULL)
                fits = middle;
            else
                too_much = middle;
            memkind_free(kind, block);
        }
        assert_in_range(fits, whole - 4096, whole);
    }
}

/* Requests blocks of many sizes, all too large for the full kind. */
static void expect_nulls(memkind_t kind, size_t times)
{
    for (size_t i = 0; i < times; i++)
        for (size_t size = 64 * KIB; size <= GIB; size *= 2)
            assert_null(memkind_malloc(kind, size));
}

static void test_null_is_cheap_where_nothing_has_changed(void **state)
{
    memkind_t kind = *state;
    size_t count = fill(kind, 64 * KIB);

    /* The first NULL of each size is remembered: later ones make no system calls. */
    expect_nulls(kind, 1);
    unsigned long calls = atomic_load(&fallocate_calls);
    expect_nulls(kind, 1000);
    assert_int_equal(atomic_load(&fallocate_calls), calls);
    empty(kind, count);
}

static void test_null_takes_no_address_space(void **state)
{
    memkind_t kind = *state;
    size_t count = fill(kind, 64 * KIB);

    expect_nulls(kind, 10);
    size_t space = fixture_address_space();
    size_t maps = count_maps();
    expect_nulls(kind, 500);
    assert_true(fixture_address_space() <= space + MIB);
    assert_true(count_maps() <= maps + 2);
    empty(kind, count);
}

/* The same with a full file system. */
static void test_null_of_a_full_file_system_takes_no_address_space(void **state)
{
    memkind_t kind = fixture_pmem(0);
    void *block = memkind_malloc(kind, MIB);

    (void)state;
    store.commit_error = ENOSPC;
    expect_nulls(kind, 10);
    size_t space = fixture_address_space();
    expect_nulls(kind, 500);
    assert_true(fixture_address_space() <= space + MIB);
    memkind_free(kind, block);
    fixture_destroy(kind);
}

static void *free_one(void *block)
{
    memkind_free(NULL, block);
    return NULL;
}

/* A remembered NULL is forgotten when any thread frees. */
static void test_null_ends_when_another_thread_frees(void **state)
{
    memkind_t kind = *state;
    size_t count = fill(kind, MIB);

    for (size_t i = 0; i < count; i++) {
        pthread_t thread;

        assert_null(memkind_malloc(kind, MIB));
        assert_int_equal(pthread_create(&thread, NULL, free_one, blocks[i]), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        blocks[i] = memkind_malloc(kind, MIB);
        assert_non_null(blocks[i]);
        *(size_t *)blocks[i] = i;
    }
    empty(kind, count);
}

/* -- Many threads in a small kind -------------------------------------------------------------- */

struct share {
    memkind_t kind;
    pthread_barrier_t *all_have;
    size_t size;
    bool served;
};

/*
 * Allocates its share in small and large blocks, holds it until all threads have theirs, and
 * repeats.
 */
static void *take_share(void *argument)
{
    struct share *share = argument;
    void *mine[9] = {NULL};

    share->served = true;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT_OF(mine); i++) {
            size_t size = i == 0 ? share->size / 2 : share->size / 32;

            mine[i] = memkind_malloc(share->kind, size);
            if (mine[i] == NULL)
                share->served = false;
            else
                fixture_fill(mine[i], size, (unsigned)i);
        }
        pthread_barrier_wait(share->all_have);
        for (size_t i = 0; i < COUNT_OF(mine); i++) {
            size_t size = i == 0 ? share->size / 2 : share->size / 32;

            if (mine[i] != NULL && !fixture_is_filled(mine[i], size, (unsigned)i))
                share->served = false;
            memkind_free(share->kind, mine[i]);
        }
        pthread_barrier_wait(share->all_have);
    }
    return NULL;
}

/* Each thread gets at least three quarters of an even share. */
static void expect_all_served(memkind_t kind, size_t size)
{
    static struct share shares[MANY_THREADS];
    pthread_t threads[MANY_THREADS];
    pthread_barrier_t barrier;
    size_t served = 0;

    assert_int_equal(pthread_barrier_init(&barrier, NULL, MANY_THREADS), 0);
    for (size_t i = 0; i < MANY_THREADS; i++) {
        shares[i] = (struct share){.kind = kind, .all_have = &barrier, .size = size / MANY_THREADS};
        assert_int_equal(pthread_create(&threads[i], NULL, take_share, &shares[i]), 0);
    }
    for (size_t i = 0; i < MANY_THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        served += shares[i].served;
    }
    pthread_barrier_destroy(&barrier);
    assert_int_equal(served, MANY_THREADS);
}

/* In memkind 1.14 each arena keeps at least 2 MiB: 64 threads with 256 arenas exhaust 16 MiB. */
static void test_many_threads_in_a_small_kind(void **state)
{
    static const char *const arenas[] = {NULL, "1", "64", "256"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(arenas); i++) {
        if (arenas[i] != NULL)
            assert_int_equal(setenv("MEMKIND_ARENA_NUM_PER_KIND", arenas[i], 1), 0);
        memkind_t kind = fixture_pmem(MEMKIND_PMEM_MIN_SIZE);
        memkind_t conservative = fixture_conservative_pmem(MEMKIND_PMEM_MIN_SIZE);
        assert_int_equal(unsetenv("MEMKIND_ARENA_NUM_PER_KIND"), 0);
        expect_all_served(kind, MEMKIND_PMEM_MIN_SIZE);
        expect_all_served(conservative, MEMKIND_PMEM_MIN_SIZE);
        fixture_destroy(kind);
        fixture_destroy(conservative);
    }
}

struct fighter {
    memkind_t kind;
    unsigned seed;
    bool intact;
};

/* Requests more than there is room for, so that threads meet the limit all the time. */
static void *fight(void *argument)
{
    struct fighter *fighter = argument;
    void *mine[64] = {NULL};
    size_t sizes[64] = {0};
    unsigned random = fighter->seed;

    fighter->intact = true;
    for (unsigned step = 0; step < 2000; step++) {
        random = random * 1103515245 + 12345;
        size_t i = (random >> 16) % COUNT_OF(mine);

        if (mine[i] != NULL) {
            fighter->intact &= fixture_is_filled(mine[i], sizes[i], fighter->seed);
            memkind_free(fighter->kind, mine[i]);
            mine[i] = NULL;
        } else {
            sizes[i] = (random >> 12) % (i % 8 == 0 ? MIB : 20 * KIB) + 1;
            errno = 0;
            mine[i] = memkind_malloc(fighter->kind, sizes[i]);
            if (mine[i] != NULL)
                fixture_fill(mine[i], sizes[i], fighter->seed);
            else
                fighter->intact &= errno == ENOMEM;
        }
    }
    for (size_t i = 0; i < COUNT_OF(mine); i++)
        memkind_free(NULL, mine[i]);
    return NULL;
}

static void test_threads_that_meet_the_limit(void **state)
{
    memkind_t kind = *state;
    static struct fighter fighters[THREADS];
    pthread_t threads[THREADS];

    for (size_t i = 0; i < THREADS; i++) {
        fighters[i] = (struct fighter){.kind = kind, .seed = (unsigned)i + 1};
        assert_int_equal(pthread_create(&threads[i], NULL, fight, &fighters[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(fighters[i].intact);
    }
    expect_one_block(kind, FIXTURE_KIND_SIZE / 4);
}

#define SMALL_TEST(function)                                                               \
    {#function " DEFAULT", function, small_setup, fixture_kind_teardown, NULL},            \
    {                                                                                      \
#        function " CONSERVATIVE", function, small_setup, fixture_kind_teardown, (void *)1 \
    }

int main(void)
{
    /* The idle thread's first request of libc would reserve 64 MiB of addresses at any moment. */
    (void)mallopt(M_ARENA_MAX, 1);
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_one_block_of_the_whole_size),
        FIXTURE_TEST(test_one_block_after_many_small_ones),
        FIXTURE_TEST(test_one_block_with_an_alignment),
        SMALL_TEST(test_full_kind_works_on),
        SMALL_TEST(test_nothing_of_the_kind_is_lost),
        SMALL_TEST(test_sizes_change_in_a_full_kind),
        SMALL_TEST(test_every_function_in_a_full_kind),
        SMALL_TEST(test_search_for_the_largest_block),
        SMALL_TEST(test_null_is_cheap_where_nothing_has_changed),
        SMALL_TEST(test_null_takes_no_address_space),
        STORE_TEST(test_null_of_a_full_file_system_takes_no_address_space),
        SMALL_TEST(test_null_ends_when_another_thread_frees),
        FIXTURE_TEST(test_many_threads_in_a_small_kind),
        SMALL_TEST(test_threads_that_meet_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
