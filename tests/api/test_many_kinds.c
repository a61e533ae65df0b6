/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the largest number of kinds at once. In memkind 1.14 the arenas run out: with 256 for
 * each kind, as on 64 processors, the fifteenth kind cannot be created.
 */
#include "api/fixture.h"

#include <pthread.h>
#include <sys/resource.h>

#define DESCRIPTORS 1024 /* the usual limit */
#define THREADS     8

static memkind_t kinds[MEMKIND_MAX_KIND];
static void *blocks[MEMKIND_MAX_KIND][2];

static struct rlimit limit_descriptors(void)
{
    struct rlimit old;
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    limit = old;
    if (limit.rlim_cur > DESCRIPTORS)
        limit.rlim_cur = DESCRIPTORS;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return old;
}

static void expect_no_more(void)
{
    struct memkind_config *config = memkind_config_new();
    memkind_t kind = (memkind_t)0x5a5a;

    assert_int_equal(memkind_create_pmem(fixture_dir, 0, &kind), MEMKIND_ERROR_TOOMANY);
    memkind_config_set_path(config, fixture_dir);
    assert_int_equal(memkind_create_pmem_with_config(config, &kind), MEMKIND_ERROR_TOOMANY);
    memkind_config_delete(config);
    assert_ptr_equal(kind, (memkind_t)0x5a5a);
}

/* Allocates a small and a large block of each kind. */
static void use(size_t i)
{
    const size_t sizes[] = {1000, MIB};

    for (size_t j = 0; j < COUNT_OF(sizes); j++) {
        blocks[i][j] = memkind_malloc(kinds[i], sizes[j]);
        assert_non_null(blocks[i][j]);
        fixture_fill(blocks[i][j], 1000, (unsigned)i);
    }
}

static void expect_intact(size_t i)
{
    for (size_t j = 0; j < 2; j++) {
        assert_true(fixture_is_filled(blocks[i][j], 1000, (unsigned)i));
        assert_ptr_equal(memkind_detect_kind(blocks[i][j]), kinds[i]);
        memkind_free(NULL, blocks[i][j]);
    }
}

static void fill_table(void)
{
    for (size_t i = 0; i < MEMKIND_MAX_KIND; i++) {
        kinds[i] = fixture_pmem(i % 2 == 0 ? 0 : 64 * MIB);
        use(i);
    }
}

static void test_as_many_as_there_can_be(void **state)
{
    struct rlimit old = limit_descriptors();

    (void)state;
    fill_table();
    expect_no_more();
    expect_no_more();
    for (size_t i = 0; i < MEMKIND_MAX_KIND; i++)
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(kinds[i]->partition, kinds[j]->partition);
    /* A single slot that was freed can be used again. */
    expect_intact(100);
    fixture_destroy(kinds[100]);
    kinds[100] = fixture_pmem(0);
    use(100);
    expect_no_more();
    for (size_t i = 0; i < MEMKIND_MAX_KIND; i++) {
        expect_intact(i);
        fixture_destroy(kinds[i]);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
}

static void *use_all(void *argument)
{
    for (size_t i = 0; i < MEMKIND_MAX_KIND; i++) {
        void *block = memkind_malloc(kinds[i], 1000);

        if (block == NULL || memkind_detect_kind(block) != kinds[i])
            return argument;
        memset(block, 1, 1000);
        memkind_free(i % 2 == 0 ? NULL : kinds[i], block);
    }
    return NULL;
}

static void use_by_threads(void)
{
    pthread_t threads[THREADS];
    int failed = 1;

    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_all, &failed), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *result;

        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
}

static void test_with_as_many_arenas_as_on_64_processors(void **state)
{
    struct rlimit old = limit_descriptors();

    (void)state;
    assert_int_equal(setenv("MEMKIND_ARENA_NUM_PER_KIND", "256", 1), 0);
    fill_table();
    use_by_threads();
    expect_no_more();
    for (size_t i = 0; i < MEMKIND_MAX_KIND; i++) {
        expect_intact(i);
        fixture_destroy(kinds[i]);
    }
    assert_int_equal(unsetenv("MEMKIND_ARENA_NUM_PER_KIND"), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
}

/* A kind whose threads have as many arenas as possible leaves enough for later kinds. */
static void *take_arena(void *argument)
{
    pthread_barrier_t *all_are_there = argument;

    for (size_t i = 0; i < 4; i++) {
        void *block = memkind_malloc(kinds[i], 1000);

        if (block == NULL)
            abort();
        memkind_free(kinds[i], block);
    }
    pthread_barrier_wait(all_are_there);
    return NULL;
}

static void test_after_kinds_that_took_many_arenas(void **state)
{
    enum { GREEDY = 300 };
    pthread_t threads[GREEDY];
    pthread_barrier_t all_are_there;
    struct rlimit old = limit_descriptors();

    (void)state;
    assert_int_equal(setenv("MEMKIND_ARENA_NUM_PER_KIND", "4096", 1), 0);
    for (size_t i = 0; i < 4; i++)
        kinds[i] = fixture_pmem(0);
    assert_int_equal(pthread_barrier_init(&all_are_there, NULL, GREEDY), 0);
    for (size_t i = 0; i < GREEDY; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_arena, &all_are_there), 0);
    for (size_t i = 0; i < GREEDY; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    pthread_barrier_destroy(&all_are_there);
    for (size_t i = 4; i < MEMKIND_MAX_KIND; i++)
        kinds[i] = fixture_pmem(0);
    use_by_threads();
    expect_no_more();
    for (size_t i = 0; i < MEMKIND_MAX_KIND; i++)
        fixture_destroy(kinds[i]);
    assert_int_equal(unsetenv("MEMKIND_ARENA_NUM_PER_KIND"), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_as_many_as_there_can_be),
        FIXTURE_TEST(test_with_as_many_arenas_as_on_64_processors),
        FIXTURE_TEST(test_after_kinds_that_took_many_arenas),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
