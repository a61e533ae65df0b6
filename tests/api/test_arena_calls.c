/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of memkind_arena(3): blocks whose kind is found, and calls for other allocators. */
#include "api/fixture.h"

#include <sched.h>
#include <unistd.h>

#include "memkind/internal/memkind_arena.h"

#define BLOCKS 500
#define FULL   (32 * MIB)

/* -- With the kind found from the block -------------------------------------------------------- */

static void test_calls_that_find_the_kind(void **state)
{
    memkind_t kind = *state;
    void *block = memkind_malloc(kind, 100);

    assert_non_null(block);
    fixture_fill(block, 100, 1);
    assert_ptr_equal(memkind_arena_detect_kind(block), kind);
    block = memkind_arena_realloc_with_kind_detect(block, 5 * MIB);
    assert_non_null(block);
    assert_ptr_equal(memkind_arena_detect_kind(block), kind);
    assert_true(fixture_is_filled(block, 100, 1));
    memkind_arena_free_with_kind_detect(block);
    block = memkind_malloc(kind, 100);
    assert_null(memkind_arena_realloc_with_kind_detect(block, 0));
}

static void test_calls_that_find_nothing(void **state)
{
    (void)state;
    assert_null(memkind_arena_detect_kind(NULL));
    assert_null(memkind_arena_detect_kind(state));
    memkind_arena_free_with_kind_detect(NULL);
    errno = 0;
    assert_null(memkind_arena_realloc_with_kind_detect(NULL, 100));
    assert_int_equal(errno, EINVAL);
}

/* -- For other allocators' interfaces ---------------------------------------------------------- */

static uint64_t number_of(memkind_t kind, const char *name)
{
    uint64_t value = 77;
    size_t size = 0;

    assert_int_equal(memkind_update_cached_stats(), MEMKIND_SUCCESS);
    assert_int_equal(memkind_arena_get_number(kind, name, &value, &size), MEMKIND_SUCCESS);
    assert_int_equal(size, sizeof(size_t));
    return value;
}

static unsigned refused_mallocs, refused_frees;

static memkind_t refused_kind;

static void *refused_malloc(size_t size)
{
    refused_mallocs++;
    return memkind_arena_malloc(refused_kind, size);
}

static void refused_free(void *ptr)
{
    refused_frees++;
    memkind_arena_free_with_kind_detect(ptr);
}

static unsigned foreign_frees;

static void count_foreign(void *ptr)
{
    (void)ptr;
    foreign_frees++;
}

static void test_fast_ways(void **state)
{
    memkind_t kind = fixture_pmem(0);
    int foreign;

    (void)state;
    refused_kind = kind;
    void *block = memkind_arena_malloc_or(100, refused_malloc, kind);
    assert_ptr_equal(memkind_detect_kind(block), kind);
    assert_int_equal(refused_mallocs, 1);
    /* The thread has cached blocks of the kind by now. */
    memkind_arena_free_or(block, refused_free);
    assert_int_equal(refused_frees, 0);
    assert_ptr_equal(memkind_arena_malloc_or(100, refused_malloc, kind), block);
    assert_int_equal(refused_mallocs, 1);
    memkind_arena_free_or(block, refused_free);
    assert_int_equal(refused_frees, 0);
    /* A block that no thread caches, NULL, and an address that is not the library's. */
    block = memkind_arena_malloc_or(MIB, refused_malloc, kind);
    assert_non_null(block);
    assert_int_equal(refused_mallocs, 2);
    memkind_arena_free_or(block, refused_free);
    assert_int_equal(refused_frees, 1);
    memkind_arena_free_or(NULL, refused_free);
    assert_int_equal(refused_frees, 2);
    memkind_arena_free_or(&foreign, count_foreign);
    assert_int_equal(foreign_frees, 1);
    fixture_destroy(kind);
}

/* A block from before, of 8 bytes, is never returned for a request of 16. */
static void test_least_block(void **state)
{
    enum { LEAST = 16 };
    memkind_t kind = fixture_pmem(0);
    void *blocks[BLOCKS];
    void *small = memkind_malloc(kind, 1);
    void *uncached = memkind_arena_malloc_uncached(kind, 1);

    (void)state;
    assert_int_equal(memkind_arena_set_least_block(0), MEMKIND_ERROR_INVALID);
    assert_int_equal(memkind_arena_set_least_block(65), MEMKIND_ERROR_INVALID);
    assert_int_equal(memkind_malloc_usable_size(kind, small), LEAST / 2);
    assert_int_equal(memkind_arena_set_least_block(LEAST), MEMKIND_SUCCESS);
    memkind_free(kind, small);
    memkind_free(kind, uncached);
    memkind_free(kind, memkind_arena_malloc_uncached(kind, 1));
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = memkind_malloc(kind, 1);
        assert_int_equal((uintptr_t)blocks[i] % LEAST, 0);
        assert_int_equal(memkind_malloc_usable_size(kind, blocks[i]), LEAST);
        memset(blocks[i], 1, LEAST);
    }
    for (size_t i = 0; i < BLOCKS; i++)
        memkind_free(kind, blocks[i]);
    assert_int_equal(memkind_arena_set_least_block(1), MEMKIND_SUCCESS);
    small = memkind_malloc(kind, 1);
    assert_int_equal(memkind_malloc_usable_size(kind, small), LEAST / 2);
    memkind_free(kind, small);
    fixture_destroy(kind);
}

/* The third size class, of 48 bytes. */
#define BIN_SIZE    "arenas.bin.3.size"
#define BIN_CURREGS "stats.arenas.0.bins.3.curregs"

static void test_blocks_past_the_caches(void **state)
{
    memkind_t kind = *state;
    void *blocks[BLOCKS];

    assert_int_equal(number_of(kind, BIN_SIZE), 48);
    assert_int_equal(number_of(kind, BIN_CURREGS), 0);
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = memkind_arena_malloc_uncached(kind, 48);
        assert_non_null(blocks[i]);
        memset(blocks[i], 1, 48);
        assert_ptr_equal(memkind_detect_kind(blocks[i]), kind);
        assert_int_equal(number_of(kind, BIN_CURREGS), i + 1);
    }
    /* Both ways of freeing accept both sorts of block. */
    memkind_free(kind, blocks[0]);
    for (size_t i = 1; i < BLOCKS; i++)
        memkind_arena_free_uncached(i % 2 == 0 ? kind : NULL, blocks[i]);
    assert_true(number_of(kind, BIN_CURREGS) <= 1);
    memkind_arena_free_uncached(kind, memkind_malloc(kind, 48));
    memkind_arena_free_uncached(kind, memkind_malloc(kind, MIB));
    memkind_arena_free_uncached(kind, NULL);
    char *large = memkind_arena_malloc_uncached(kind, MIB);
    assert_non_null(large);
    memset(large, 1, MIB);
    memkind_arena_free_uncached(kind, large);
    errno = 0;
    assert_null(memkind_arena_malloc_uncached(kind, 0));
    assert_null(memkind_arena_malloc_uncached(kind, SIZE_MAX));
    assert_int_equal(errno, ENOMEM);
}

/* Eventually a request finds a cached block of another size. */
static void test_kind_with_a_fallback(void **state)
{
    static void *blocks[2 * FULL / KIB];
    memkind_t kind = fixture_pmem(FULL);
    size_t count = 0;

    (void)state;
    assert_int_equal(memkind_arena_set_fallback(kind, true), MEMKIND_SUCCESS);
    while ((blocks[count] = memkind_malloc(kind, KIB)) != NULL)
        memset(blocks[count++], 1, KIB);
    assert_int_equal(errno, ENOMEM);
    assert_true(count * KIB >= FULL / 10 * 9);
    while (count > 0)
        memkind_free(kind, blocks[--count]);
    void *large;
    while ((large = memkind_malloc(kind, FULL / 2)) == NULL)
        sched_yield();
    memset(large, 1, FULL / 2);
    memkind_free(kind, large);
    assert_int_equal(memkind_arena_set_fallback(kind, false), MEMKIND_SUCCESS);
    fixture_destroy(kind);
}

static void test_slab_of_a_block(void **state)
{
    memkind_t kind = *state;
    struct memkind_arena_slab slab;
    struct memkind_arena_slab before;
    void *first = memkind_arena_malloc_uncached(kind, 100);
    void *second = memkind_arena_malloc_uncached(kind, 100);
    void *large = memkind_arena_malloc_uncached(kind, MIB);

    assert_int_equal(memkind_arena_get_slab(kind, first, &before), MEMKIND_SUCCESS);
    assert_true(before.blocks > 2 && before.free == before.blocks - 2);
    assert_int_equal(before.size, before.blocks * memkind_malloc_usable_size(kind, first));
    assert_int_equal(before.all_blocks, before.blocks);
    assert_non_null(before.being_filled);
    memkind_arena_free_uncached(kind, second);
    assert_int_equal(memkind_arena_get_slab(kind, first, &slab), MEMKIND_SUCCESS);
    assert_int_equal(slab.free, before.free + 1);
    assert_int_equal(slab.all_free, before.all_free + 1);
    assert_int_equal(memkind_arena_get_slab(kind, large, &slab), MEMKIND_SUCCESS);
    assert_int_equal(slab.blocks, 1);
    assert_int_equal(slab.free, 0);
    assert_int_equal(memkind_arena_get_slab(MEMKIND_REGULAR, first, &slab), MEMKIND_ERROR_INVALID);
    assert_int_equal(memkind_arena_get_slab(kind, &slab, &slab), MEMKIND_ERROR_INVALID);
    assert_int_equal(memkind_arena_get_slab(kind, NULL, &slab), MEMKIND_ERROR_INVALID);
    assert_int_equal(slab.blocks, 0);
    memkind_arena_free_uncached(kind, first);
    memkind_arena_free_uncached(kind, large);
}

static void test_names_of_no_number(void **state)
{
    static const char *const names[] = {"",
                                        "arenas.bin.1000.size",
                                        "arenas.create",
                                        "stats.arenas.0.none",
                                        "stats.arenas.x.pactive",
                                        "stats.arenas.0",
                                        "thread.allocated"};
    uint64_t value;
    size_t size;

    for (size_t i = 0; i < COUNT_OF(names); i++)
        assert_int_equal(memkind_arena_get_number(*state, names[i], &value, &size),
                         MEMKIND_ERROR_INVALID);
    assert_int_equal(memkind_arena_get_number(NULL, BIN_CURREGS, &value, &size), MEMKIND_SUCCESS);
    assert_int_equal(value, 0);
    assert_int_equal(memkind_arena_get_number(NULL, BIN_SIZE, &value, &size), MEMKIND_SUCCESS);
    assert_int_equal(value, 48);
}

/* The parent's blocks are unchanged. */
static void test_uncached_in_a_child(void **state)
{
    memkind_t kind = *state;
    char *block = memkind_arena_malloc_uncached(kind, 100);

    memset(block, 'x', 100);
    pid_t child = fixture_fork();
    if (child == 0) {
        memkind_arena_free_uncached(kind, block);
        char *own = memkind_arena_malloc_uncached(kind, 100);
        if (own == NULL || own == block)
            _exit(1);
        memset(own, 'y', 100);
        memkind_arena_free_uncached(kind, own);
        _exit(block[99] == 'x' ? 0 : 2);
    }
    assert_int_equal(fixture_wait(child), 0);
    assert_int_equal(block[0], 'x');
    memkind_arena_free_uncached(kind, block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST_ON_ALL(test_calls_that_find_the_kind),
        FIXTURE_TEST(test_calls_that_find_nothing),
        FIXTURE_TEST_ON_PMEM(test_blocks_past_the_caches),
        FIXTURE_TEST(test_kind_with_a_fallback),
        FIXTURE_TEST_ON_PMEM(test_slab_of_a_block),
        FIXTURE_TEST_ON_PMEM(test_names_of_no_number),
        FIXTURE_TEST_ON_PMEM(test_uncached_in_a_child),
        FIXTURE_TEST(test_fast_ways),
        FIXTURE_TEST(test_least_block),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
