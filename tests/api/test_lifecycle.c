/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of long lives: a thousand kinds one after the other, and ten threads with large blocks. */
#include "api/fixture.h"

#include <pthread.h>

#define LIVES   1000
#define WARM_UP 20
#define THREADS 10
#define ROUNDS  150
#define HELD    8 /* blocks of each thread */

/* Bytes of address space that a thousand lives together may leave behind. */
#define ADDRESS_SPACE_SLACK (4 * MIB)

/* -- One kind after the other ------------------------------------------------------------------ */

/* One life: created, used, destroyed with some blocks left. */
static void live(size_t i)
{
    memkind_t kind = i % 2 == 0 ? fixture_pmem(i % 4 == 0 ? 0 : 32 * MIB)
                                : fixture_conservative_pmem(i % 4 == 1 ? 0 : 32 * MIB);
    static const size_t sizes[] = {8, 100, 1000, 4096, 20000, 100 * KIB, MIB, 3 * MIB};
    void *blocks[COUNT_OF(sizes)];

    for (size_t j = 0; j < COUNT_OF(sizes); j++) {
        blocks[j] = memkind_malloc(kind, sizes[j]);
        assert_non_null(blocks[j]);
        *(size_t *)blocks[j] = i;
    }
    for (size_t j = 0; j < COUNT_OF(sizes); j++) {
        assert_int_equal(*(size_t *)blocks[j], i);
        if ((i + j) % 3 != 0)
            memkind_free(kind, blocks[j]);
    }
    assert_true(fixture_file_space(kind) > 0);
    fixture_destroy(kind);
}

/* memkind 1.14 loses 16 MiB of address space with each kind. */
static void test_a_thousand_lives(void **state)
{
    (void)state;
    for (size_t i = 0; i < WARM_UP; i++)
        live(i);
    leftovers_check(&fixture_before);
    size_t space = fixture_address_space();
    size_t maps = count_maps();
    for (size_t i = 0; i < LIVES; i++)
        live(i);
    assert_true(fixture_address_space() <= space + ADDRESS_SPACE_SLACK);
    assert_true(count_maps() <= maps + 2);
}

/* jemalloc has 4,094 arenas, which must be released. */
static void test_more_lives_than_there_are_arenas(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4500; i++)
        fixture_destroy(fixture_pmem(0));
}

static void *live_in_thread(void *unused)
{
    (void)unused;
    live(0);
    live(1);
    return NULL;
}

/* Threads that start and end leave nothing behind. */
static void test_lives_of_threads(void **state)
{
    size_t space = 0;

    (void)state;
    for (size_t i = 0; i < 200; i++) {
        pthread_t thread;

        if (i == WARM_UP)
            space = fixture_address_space();
        assert_int_equal(pthread_create(&thread, NULL, live_in_thread, NULL), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    assert_true(fixture_address_space() <= space + ADDRESS_SPACE_SLACK);
}

/* One kind, one thread after another: a thread's cache is flushed when the thread ends. */
static void *use_kind(void *kind)
{
    void *blocks[100];

    for (size_t i = 0; i < COUNT_OF(blocks); i++)
        blocks[i] = memkind_malloc(kind, 1 + i * 10);
    for (size_t i = 0; i < COUNT_OF(blocks); i++)
        memkind_free(kind, blocks[i]);
    return NULL;
}

static void test_threads_of_one_kind(void **state)
{
    memkind_t kind = *state;
    size_t allocated;

    for (size_t i = 0; i < 500; i++) {
        pthread_t thread;

        assert_int_equal(pthread_create(&thread, NULL, use_kind, kind), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    assert_int_equal(memkind_update_cached_stats(), MEMKIND_SUCCESS);
    assert_int_equal(memkind_get_stat(kind, MEMKIND_STAT_TYPE_ALLOCATED, &allocated),
                     MEMKIND_SUCCESS);
    assert_int_equal(allocated, 0);
}

/* -- Ten threads ------------------------------------------------------------------------------- */

struct worker {
    memkind_t kind;
    unsigned seed;
    bool intact;
};

/* Writes a word to each page, to detect pages that two blocks share. */
static void stamp(char *block, size_t size, size_t value)
{
    for (size_t at = 0; at + sizeof(value) <= size; at += 4096)
        memcpy(block + at, &value, sizeof(value));
}

static bool has_stamp(const char *block, size_t size, size_t value)
{
    for (size_t at = 0; at + sizeof(value) <= size; at += 4096)
        if (memcmp(block + at, &value, sizeof(value)) != 0)
            return false;
    return true;
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    char *blocks[HELD] = {NULL};
    size_t sizes[HELD] = {0};
    unsigned random = worker->seed;

    worker->intact = true;
    for (size_t step = 0; step < ROUNDS; step++) {
        random = random * 1103515245 + 12345;
        size_t i = (random >> 16) % HELD;

        worker->intact &= has_stamp(blocks[i], blocks[i] != NULL ? sizes[i] : 0, worker->seed);
        memkind_free(step % 2 == 0 ? worker->kind : NULL, blocks[i]);
        sizes[i] = MIB + (random >> 4) % (2 * MIB);
        blocks[i] = memkind_malloc(worker->kind, sizes[i]);
        worker->intact &= blocks[i] != NULL;
        stamp(blocks[i], blocks[i] != NULL ? sizes[i] : 0, worker->seed);
    }
    for (size_t i = 0; i < HELD; i++) {
        worker->intact &= has_stamp(blocks[i], blocks[i] != NULL ? sizes[i] : 0, worker->seed);
        memkind_free(worker->kind, blocks[i]);
    }
    return NULL;
}

/* memkind 1.14 crashes in most runs: extents of two arenas merge, and both arenas allocate them. */
static void test_ten_threads_with_large_blocks(void **state)
{
    memkind_t kind = *state;
    static struct worker workers[THREADS];
    pthread_t threads[THREADS];

    for (size_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.kind = kind, .seed = (unsigned)i + 1};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(workers[i].intact);
    }
    size_t allocated;
    assert_int_equal(memkind_update_cached_stats(), MEMKIND_SUCCESS);
    assert_int_equal(memkind_get_stat(kind, MEMKIND_STAT_TYPE_ALLOCATED, &allocated),
                     MEMKIND_SUCCESS);
    assert_int_equal(allocated, 0);
}

static int unlimited_conservative_setup(void **state)
{
    int result = fixture_setup(state);

    *state = fixture_conservative_pmem(0);
    return result;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_a_thousand_lives),
        FIXTURE_TEST(test_more_lives_than_there_are_arenas),
        FIXTURE_TEST(test_lives_of_threads),
        FIXTURE_TEST_ON_PMEM(test_threads_of_one_kind),
        FIXTURE_TEST_ON(test_ten_threads_with_large_blocks, FIXTURE_UNLIMITED),
        cmocka_unit_test_setup_teardown(test_ten_threads_with_large_blocks,
                                        unlimited_conservative_setup, fixture_kind_teardown),
    };

    /* The idle thread would change the addresses in use and the counters. */
    setenv("MEMKIND_IDLE_THREAD", "0", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
