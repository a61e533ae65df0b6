/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of memkind_purge(): unused memory goes back at once, and blocks keep their contents. */
#include "api/fixture.h"

#include <pthread.h>
#include <semaphore.h>

#define BLOCKS 4000
#define LARGE  (5 * MIB)

static char *blocks[BLOCKS];

static size_t size_of(size_t i)
{
    return 16 + i * 7 % 6000;
}

static void fill(memkind_t kind)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = memkind_malloc(kind, size_of(i));
        assert_non_null(blocks[i]);
        fixture_fill(blocks[i], size_of(i), (unsigned)i);
    }
}

static void free_all(memkind_t kind)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        memkind_free(kind, blocks[i]);
        blocks[i] = NULL;
    }
}

static void test_nothing_is_held(void **state)
{
    memkind_t kind = *state;

    fill(kind);
    char *large = memkind_malloc(kind, LARGE);
    assert_non_null(large);
    memset(large, 1, LARGE);
    free_all(kind);
    memkind_free(kind, large);
    errno = 77;
    assert_int_equal(memkind_purge(kind), MEMKIND_SUCCESS);
    assert_int_equal(errno, 77);
    assert_int_equal(fixture_current_size(kind), 0);
    assert_true(fixture_file_space(kind) <= fixture_space_for(kind, 0));
    /* The kind can still allocate. */
    fill(kind);
    free_all(kind);
}

static void test_blocks_stay(void **state)
{
    memkind_t kind = *state;
    size_t live = 0;

    fill(kind);
    for (size_t i = 0; i < BLOCKS; i++) {
        if (i % 8 != 0) {
            memkind_free(kind, blocks[i]);
            blocks[i] = NULL;
        } else {
            live += memkind_malloc_usable_size(kind, blocks[i]);
        }
    }
    size_t held = fixture_current_size(kind);
    assert_int_equal(memkind_purge(kind), MEMKIND_SUCCESS);
    assert_in_range(fixture_current_size(kind), live, held);
    for (size_t i = 0; i < BLOCKS; i += 8)
        assert_true(fixture_is_filled(blocks[i], size_of(i), (unsigned)i));
    free_all(kind);
}

struct owner {
    memkind_t kind;
    sem_t filled;
    sem_t purged;
};

static void *keep_in_cache(void *argument)
{
    struct owner *owner = argument;
    char *own[100];

    for (size_t i = 0; i < COUNT_OF(own); i++)
        own[i] = memkind_malloc(owner->kind, 500);
    for (size_t i = 0; i < COUNT_OF(own); i++)
        memkind_free(owner->kind, own[i]);
    sem_post(&owner->filled);
    sem_wait(&owner->purged);
    return NULL;
}

/* The caches of other threads are emptied too. */
static void test_caches_of_other_threads(void **state)
{
    struct owner owner = {.kind = *state};
    pthread_t thread;

    assert_int_equal(sem_init(&owner.filled, 0, 0), 0);
    assert_int_equal(sem_init(&owner.purged, 0, 0), 0);
    assert_int_equal(pthread_create(&thread, NULL, keep_in_cache, &owner), 0);
    sem_wait(&owner.filled);
    assert_int_equal(memkind_purge(owner.kind), MEMKIND_SUCCESS);
    assert_int_equal(fixture_current_size(owner.kind), 0);
    sem_post(&owner.purged);
    pthread_join(thread, NULL);
}

static void test_other_kinds(void **state)
{
    static memkind_t *const kinds[] = {&MEMKIND_DEFAULT, &MEMKIND_REGULAR, &MEMKIND_INTERLEAVE,
                                       &MEMKIND_HBW};
    size_t before, after;

    (void)state;
    assert_int_equal(memkind_purge(NULL), MEMKIND_ERROR_INVALID);
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        char *block = memkind_malloc(*kinds[i], LARGE);

        if (block != NULL)
            memset(block, 1, LARGE);
        memkind_free(*kinds[i], block);
        memkind_update_cached_stats();
        memkind_get_stat(*kinds[i], MEMKIND_STAT_TYPE_RESIDENT, &before);
        assert_int_equal(memkind_purge(*kinds[i]), MEMKIND_SUCCESS);
        memkind_update_cached_stats();
        memkind_get_stat(*kinds[i], MEMKIND_STAT_TYPE_RESIDENT, &after);
        assert_true(block == NULL || after + LARGE <= before);
    }
}

static void test_unused_kind(void **state)
{
    memkind_t kind = *state;

    assert_int_equal(memkind_purge(kind), MEMKIND_SUCCESS);
    assert_int_equal(fixture_current_size(kind), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST_ON_PMEM(test_nothing_is_held),
        FIXTURE_TEST_ON_PMEM(test_blocks_stay),
        FIXTURE_TEST_ON_PMEM(test_caches_of_other_threads),
        FIXTURE_TEST(test_other_kinds),
        FIXTURE_TEST_ON_PMEM(test_unused_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
