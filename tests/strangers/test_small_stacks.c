/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Report: threads with the smallest stack that pthread_attr_setstack(3) accepts crashed when a kind
 * was created, refilled or full. glibc's malloc works on such a stack.
 */
#include "api/fixture.h"

#include <limits.h>
#include <pthread.h>

#define STACK  ((size_t)PTHREAD_STACK_MIN)
#define BLOCKS 4096
#define LARGE  (3 * MIB)
#define LIMIT  (32 * MIB)

static void *blocks[BLOCKS];

/* -- Threads on small stacks ------------------------------------------------------------------- */

/* Calls `run` on a stack of the smallest size, above a page that cannot be accessed. */
static void run_on_small_stack(void *(*run)(void *argument), void *argument)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *mapping = mmap(NULL, page + STACK, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_attr_t attributes;
    pthread_t thread;

    assert_ptr_not_equal(mapping, MAP_FAILED);
    assert_int_equal(mprotect(mapping + page, STACK, PROT_READ | PROT_WRITE), 0);
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstack(&attributes, mapping + page, STACK), 0);
    assert_int_equal(pthread_create(&thread, &attributes, run, argument), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(pthread_attr_destroy(&attributes), 0);
    assert_int_equal(munmap(mapping, page + STACK), 0);
}

/* -- What the threads do ----------------------------------------------------------------------- */

static void *use(void *argument)
{
    memkind_t kind = argument;
    void *aligned = NULL;

    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = memkind_malloc(kind, 16 + i * 37 % 5000);
        assert_non_null(blocks[i]);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = memkind_realloc(kind, blocks[i], 16 + i * 53 % 5000);
        assert_non_null(blocks[i]);
        assert_ptr_equal(memkind_detect_kind(blocks[i]), kind);
    }
    assert_int_equal(memkind_posix_memalign(kind, &aligned, 64 * KIB, LARGE), 0);
    memkind_free(NULL, aligned);
    for (size_t i = 0; i < BLOCKS; i++)
        memkind_free(i % 2 == 0 ? kind : NULL, blocks[i]);
    return NULL;
}

/* Including a request that exceeds the whole file system. */
static void *use_up(void *argument)
{
    memkind_t kind = argument;
    size_t count = 0;

    for (void *block; count < BLOCKS && (block = memkind_malloc(kind, 100 * KIB)) != NULL;)
        blocks[count++] = block;
    assert_true(count > 0 && count < BLOCKS);
    assert_null(memkind_malloc(kind, LIMIT));
    assert_null(memkind_calloc(kind, 1, SIZE_MAX / 2));
    while (count > 0)
        memkind_free(kind, blocks[--count]);
    return NULL;
}

static void *live(void *argument)
{
    memkind_t kind;
    size_t held;

    (void)argument;
    assert_int_equal(memkind_create_pmem(fixture_dir, LIMIT, &kind), MEMKIND_SUCCESS);
    (void)use_up(kind);
    assert_int_equal(memkind_update_cached_stats(), MEMKIND_SUCCESS);
    assert_int_equal(memkind_get_stat(kind, MEMKIND_STAT_TYPE_RESIDENT, &held), MEMKIND_SUCCESS);
    assert_int_equal(memkind_purge(kind), MEMKIND_SUCCESS);
    assert_int_equal(memkind_destroy_kind(kind), MEMKIND_SUCCESS);
    return NULL;
}

/* -- Tests ------------------------------------------------------------------------------------- */

static void test_each_kind(void **state)
{
    memkind_t pmem = fixture_pmem(0);
    const memkind_t kinds[] = {pmem, MEMKIND_DEFAULT, MEMKIND_REGULAR};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        run_on_small_stack(use, kinds[i]);
    fixture_destroy(pmem);
}

static void test_full_kind(void **state)
{
    memkind_t kind = fixture_pmem(LIMIT);

    (void)state;
    run_on_small_stack(use_up, kind);
    fixture_destroy(kind);
}

static void test_life_of_a_kind(void **state)
{
    (void)state;
    run_on_small_stack(live, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_each_kind),
        FIXTURE_TEST(test_full_kind),
        FIXTURE_TEST(test_life_of_a_kind),
    };

    if (FIXTURE_ASAN || FIXTURE_TSAN) {
        puts("skipped: the sanitizers need larger stacks");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
