/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of when freed memory goes back to the file system.
 *
 * The program defines clock_gettime(), which the library then calls, so that ten seconds pass at
 * once.
 */
#include "api/fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>

#include "memkind/internal/memkind_arena.h"

#define DECAY_SECONDS 10
#define BLOCKS        1000
#define DIRTY_SIZE    (4 * MIB)

/* Mappings that a test may add for other reasons: segments, jemalloc's metadata, stacks. */
#define MAPPINGS_FEW 200

static atomic_long seconds_ahead;

/* The library must find this function before libc's, whatever the compiler's default visibility. */
__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = (int)syscall(SYS_clock_gettime, clock, now);

    if (result == 0)
        now->tv_sec += atomic_load(&seconds_ahead);
    return result;
}

static const size_t small_sizes[] = {8, 16, 64, 100, 320, 1000, 2048, 3584, 4096, 10 * KIB, 14336};
static const size_t large_sizes[] = {
    4 * FIXTURE_PAGE, 5 * FIXTURE_PAGE, 16 * FIXTURE_PAGE, 25 * FIXTURE_PAGE, MIB,
    2 * MIB,          3 * MIB,          5 * MIB,           16 * MIB};

/* Checks the library's account and the file system's, once all is freed. */
static void expect_nothing_held(memkind_t kind)
{
    assert_int_equal(fixture_current_size(kind), 0);
    assert_true(fixture_file_space(kind) <= fixture_space_for(kind, 0));
}

/* -- CONSERVATIVE ------------------------------------------------------------------------------ */

static void test_conservative_gives_one_block_back(void **state)
{
    memkind_t kind = *state;

    for (size_t i = 0; i < COUNT_OF(small_sizes); i++) {
        char *block = memkind_malloc(kind, small_sizes[i]);

        assert_non_null(block);
        memset(block, 1, small_sizes[i]);
        memkind_free(kind, block);
        expect_nothing_held(kind);
    }
    for (size_t i = 0; i < COUNT_OF(large_sizes); i++) {
        char *block = memkind_malloc(kind, large_sizes[i]);

        assert_non_null(block);
        memset(block, 1, large_sizes[i]);
        memkind_free(NULL, block);
        expect_nothing_held(kind);
    }
}

static void test_conservative_gives_many_small_blocks_back(void **state)
{
    memkind_t kind = *state;
    static void *blocks[BLOCKS];

    for (size_t i = 0; i < COUNT_OF(small_sizes); i++) {
        for (size_t j = 0; j < BLOCKS; j++) {
            blocks[j] = memkind_malloc(kind, small_sizes[i]);
            assert_non_null(blocks[j]);
            memset(blocks[j], 1, small_sizes[i]);
        }
        size_t held = fixture_file_space(kind);
        assert_true(held >= BLOCKS * small_sizes[i]);
        for (size_t j = 0; j < BLOCKS; j += 2)
            memkind_free(kind, blocks[j]);
        for (size_t j = 1; j < BLOCKS; j += 2)
            memkind_free(kind, blocks[j]);
        expect_nothing_held(kind);
    }
}

/* Frees large blocks one by one: only live blocks hold file space. */
static void test_conservative_holds_what_is_needed(void **state)
{
    memkind_t kind = *state;
    void *blocks[COUNT_OF(large_sizes)];
    size_t needed = 0;

    for (size_t i = 0; i < COUNT_OF(large_sizes); i++) {
        blocks[i] = memkind_malloc(kind, large_sizes[i]);
        assert_non_null(blocks[i]);
        needed += memkind_malloc_usable_size(kind, blocks[i]);
        assert_int_equal(fixture_current_size(kind), needed);
        assert_in_range(fixture_file_space(kind), needed, fixture_space_for(kind, needed));
    }
    for (size_t i = 0; i < COUNT_OF(large_sizes); i++) {
        needed -= memkind_malloc_usable_size(kind, blocks[i]);
        memkind_free(kind, blocks[i]);
        assert_int_equal(fixture_current_size(kind), needed);
        assert_in_range(fixture_file_space(kind), needed, fixture_space_for(kind, needed));
    }
}

/* A small block takes the pages of one slab, which has a few pages at most. */
static void test_conservative_commits_no_chunk_for_a_small_block(void **state)
{
    memkind_t kind = *state;

    for (size_t i = 0; i < COUNT_OF(small_sizes); i++) {
        void *block = memkind_malloc(kind, small_sizes[i]);

        assert_non_null(block);
        assert_in_range(fixture_current_size(kind), FIXTURE_PAGE, 16 * FIXTURE_PAGE);
        memkind_free(kind, block);
    }
}

static void test_conservative_shrinks_with_realloc(void **state)
{
    memkind_t kind = *state;
    void *block = memkind_malloc(kind, 8 * MIB);

    assert_non_null(block);
    memset(block, 1, 8 * MIB);
    block = memkind_realloc(kind, block, MIB);
    assert_non_null(block);
    assert_int_equal(fixture_current_size(kind), memkind_malloc_usable_size(kind, block));
    assert_in_range(fixture_file_space(kind), MIB, fixture_space_for(kind, MIB));
    assert_null(memkind_realloc(kind, block, 0));
    expect_nothing_held(kind);
}

/* The blocks of a slab are freed one by one, and the pages of each go back at once. */
static void test_conservative_gives_each_page_back(void **state)
{
    memkind_t kind = *state;
    static char *blocks[BLOCKS];

    for (size_t size = FIXTURE_PAGE; size <= 3 * FIXTURE_PAGE; size += FIXTURE_PAGE) {
        /* Pages of 64 KiB: half of the kind. */
        size_t count = size * BLOCKS < FIXTURE_KIND_SIZE ? BLOCKS : FIXTURE_KIND_SIZE / 2 / size;
        size_t used = count * size;

        for (size_t i = 0; i < count; i++) {
            blocks[i] = memkind_malloc(kind, size);
            assert_non_null(blocks[i]);
            fixture_fill(blocks[i], size, (unsigned)i);
            assert_int_equal(fixture_current_size(kind), (i + 1) * size);
        }
        for (size_t i = 0; i < count; i += 2) {
            memkind_free(kind, blocks[i]);
            used -= size;
            assert_int_equal(fixture_current_size(kind), used);
        }
        assert_in_range(fixture_file_space(kind), used, fixture_space_for(kind, used));
        for (size_t i = 1; i < count; i += 2)
            assert_true(fixture_is_filled(blocks[i], size, (unsigned)i));
        for (size_t i = 0; i < count; i += 2) {
            blocks[i] = memkind_calloc(kind, 1, size);
            assert_non_null(blocks[i]);
            assert_true(fixture_is_zero(blocks[i], size));
        }
        for (size_t i = 0; i < count; i++) {
            blocks[i] = memkind_realloc(kind, blocks[i], 0);
            assert_null(blocks[i]);
        }
        expect_nothing_held(kind);
    }
}

static void test_conservative_reallocs_pages(void **state)
{
    memkind_t kind = *state;

    for (size_t size = FIXTURE_PAGE; size <= 3 * FIXTURE_PAGE; size += FIXTURE_PAGE) {
        char *block = memkind_malloc(kind, size);

        assert_non_null(block);
        fixture_fill(block, size, 1);
        block = memkind_realloc(kind, block, MIB);
        assert_non_null(block);
        assert_true(fixture_is_filled(block, size, 1));
        assert_int_equal(fixture_current_size(kind), MIB);
        block = memkind_realloc(kind, block, size);
        assert_non_null(block);
        assert_true(fixture_is_filled(block, size, 1));
        assert_int_equal(fixture_current_size(kind), size);
        memkind_free(kind, block);
        expect_nothing_held(kind);
    }
}

static void *allocate_all(void *argument)
{
    void **blocks = argument;
    memkind_t kind = blocks[BLOCKS];

    for (size_t i = 0; i < BLOCKS; i++)
        blocks[i] = memkind_malloc(kind, 64 + i);
    return NULL;
}

/* Another thread frees while the allocating thread still exists with its caches. */
static void test_conservative_and_threads(void **state)
{
    memkind_t kind = *state;
    static void *blocks[BLOCKS + 1];
    pthread_t thread;

    blocks[BLOCKS] = kind;
    assert_int_equal(pthread_create(&thread, NULL, allocate_all, blocks), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    for (size_t i = 0; i < BLOCKS; i++) {
        assert_non_null(blocks[i]);
        memkind_free(kind, blocks[i]);
    }
    expect_nothing_held(kind);
    allocate_all(blocks);
    for (size_t i = 0; i < BLOCKS; i++)
        memkind_free(NULL, blocks[i]);
    expect_nothing_held(kind);
}

static void test_memory_that_went_back_reads_as_zero(void **state)
{
    memkind_t kind = *state;

    for (size_t i = 0; i < COUNT_OF(large_sizes); i++)
        for (int round = 0; round < 3; round++) {
            char *block = memkind_calloc(kind, 1, large_sizes[i]);

            assert_non_null(block);
            assert_true(fixture_is_zero(block, large_sizes[i]));
            memset(block, 0xcc, large_sizes[i]);
            memkind_free(kind, block);
        }
}

/*
 * memkind 1.14 unmaps freed pages: half of 400,000 pages leaves 65,439 mappings, the kernel's limit
 * for a process, and every later allocation fails.
 */
static void test_holes_do_not_multiply_mappings(void **state)
{
    enum { PAGES = 20000 * (4 * KIB) / FIXTURE_PAGE };
    /* XFS has a record of 16 bytes for each hole, in blocks that are half full or more. */
    enum { BYTES_OF_HOLE = 2 * 16 };
    memkind_t kind = fixture_conservative_pmem(0);
    void **blocks = calloc(PAGES, sizeof(*blocks));
    size_t before = count_maps();

    (void)state;
    assert_non_null(blocks);
    for (size_t i = 0; i < PAGES; i++) {
        blocks[i] = memkind_malloc(kind, FIXTURE_PAGE);
        assert_non_null(blocks[i]);
    }
    for (size_t i = 0; i < PAGES; i += 2)
        memkind_free(kind, blocks[i]);
    assert_true(count_maps() < before + MAPPINGS_FEW);
    assert_true(fixture_file_space(kind) <=
                fixture_space_for(kind, PAGES / 2 * (FIXTURE_PAGE + BYTES_OF_HOLE)));
    for (size_t i = 0; i < PAGES; i += 4) {
        blocks[i] = memkind_malloc(kind, FIXTURE_PAGE);
        assert_non_null(blocks[i]);
    }
    void *large = memkind_malloc(kind, 32 * MIB);
    assert_non_null(large);
    assert_true(count_maps() < before + MAPPINGS_FEW);
    free(blocks);
    fixture_destroy(kind);
}

/*
 * memkind 1.14 never reuses an offset of the file: 2,000 rounds of 20 MiB leave a file of 40 GB,
 * 20 a file of 400 MB.
 */
static void test_file_size_follows_the_peak(void **state)
{
    enum { ROUNDS = 20 };
    const size_t size = 20 * MIB;
    const memkind_t kinds[] = {fixture_conservative_pmem(0), fixture_pmem(0)};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        for (size_t round = 0; round < ROUNDS; round++) {
            char *block = memkind_malloc(kinds[i], size);

            assert_non_null(block);
            block[0] = 1;
            memkind_free(kinds[i], block);
        }
        assert_true(fixture_file_size(kinds[i]) <= 4 * size);
        fixture_destroy(kinds[i]);
    }
}

/* -- DEFAULT ----------------------------------------------------------------------------------- */

/* An arena's clock advances when its threads allocate and free. */
static void pass_time(memkind_t kind, long seconds)
{
    atomic_fetch_add(&seconds_ahead, seconds);
    for (size_t i = 0; i < 5000; i++) {
        void *block = memkind_malloc(kind, 64);

        assert_non_null(block);
        memkind_free(kind, block);
    }
}

static void test_default_gives_back_after_ten_seconds(void **state)
{
    memkind_t kind = *state;
    char *block = memkind_malloc(kind, DIRTY_SIZE);

    assert_non_null(block);
    memset(block, 1, DIRTY_SIZE);
    assert_true(fixture_file_space(kind) >= DIRTY_SIZE);
    memkind_free(kind, block);
    assert_true(fixture_file_space(kind) >= DIRTY_SIZE);
    /* The memory decays along a curve, not all at once. */
    for (long second = 0; second <= DECAY_SECONDS + 1; second++)
        pass_time(kind, 1);
    /* The small blocks that advanced the clock hold pages, and the chunk around them. */
    assert_true(fixture_file_space(kind) <= fixture_space_for(kind, 2 * MEMKIND_PMEM_CHUNK_SIZE));
}

/* Pages of blocks of every size are kept for the next block. */
static void test_default_keeps_blocks_of_every_size(void **state)
{
    memkind_t kind = *state;

    for (size_t size = 16 * KIB; size <= 32 * MIB; size *= 2) {
        void *block = memkind_malloc(kind, size);

        assert_non_null(block);
        size_t held = fixture_file_space(kind);
        memkind_free(kind, block);
        assert_int_equal(fixture_file_space(kind), held);
    }
}

static void test_default_gives_small_blocks_back(void **state)
{
    memkind_t kind = *state;
    static void *blocks[20 * BLOCKS];

    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        blocks[i] = memkind_malloc(kind, 500);
        assert_non_null(blocks[i]);
    }
    assert_true(fixture_file_space(kind) >= COUNT_OF(blocks) * 500);
    for (size_t i = 0; i < COUNT_OF(blocks); i++)
        memkind_free(kind, blocks[i]);
    for (long second = 0; second <= DECAY_SECONDS + 1; second++)
        pass_time(kind, 1);
    assert_true(fixture_file_space(kind) <= fixture_space_for(kind, 4 * MEMKIND_PMEM_CHUNK_SIZE));
}

/* Each page of which the block was freed goes back, though its neighbours are in use. */
static void test_default_gives_each_page_back(void **state)
{
    memkind_t kind = *state;
    static void *blocks[4 * BLOCKS];

    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        blocks[i] = memkind_malloc(kind, FIXTURE_PAGE);
        assert_non_null(blocks[i]);
    }
    for (size_t i = 0; i < COUNT_OF(blocks); i += 2)
        memkind_free(kind, blocks[i]);
    for (long second = 0; second <= DECAY_SECONDS + 3; second++)
        pass_time(kind, 1);
    size_t used = COUNT_OF(blocks) / 2 * FIXTURE_PAGE;
    assert_in_range(fixture_file_space(kind), used,
                    fixture_space_for(kind, used + MEMKIND_PMEM_CHUNK_SIZE));
    for (size_t i = 1; i < COUNT_OF(blocks); i += 2)
        memkind_free(kind, blocks[i]);
}

/* -- Changes of the policy --------------------------------------------------------------------- */

static void test_from_default_to_conservative(void **state)
{
    memkind_t kind = *state;
    void *block = memkind_malloc(kind, DIRTY_SIZE);
    void *small = memkind_malloc(kind, 64);

    assert_non_null(block);
    assert_non_null(small);
    memkind_free(kind, block);
    assert_true(fixture_current_size(kind) >= DIRTY_SIZE);
    assert_int_equal(
        memkind_arena_update_memory_usage_policy(kind, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE),
        MEMKIND_SUCCESS);
    /*
     * Dirty pages are gone. The chunk of the small block may stay committed until that block is
     * freed.
     */
    assert_true(fixture_current_size(kind) <= MEMKIND_PMEM_CHUNK_SIZE);
    memkind_free(kind, small);
    block = memkind_malloc(kind, 3 * MIB);
    memkind_free(kind, block);
    expect_nothing_held(kind);
}

static void test_from_conservative_to_default(void **state)
{
    memkind_t kind = *state;

    assert_int_equal(
        memkind_arena_update_memory_usage_policy(kind, MEMKIND_MEM_USAGE_POLICY_DEFAULT),
        MEMKIND_SUCCESS);
    void *block = memkind_malloc(kind, DIRTY_SIZE);
    assert_non_null(block);
    memkind_free(kind, block);
    assert_true(fixture_current_size(kind) >= DIRTY_SIZE);
}

static void test_policies_that_are_none(void **state)
{
    memkind_t kind = *state;

    assert_int_equal(
        memkind_arena_update_memory_usage_policy(kind, MEMKIND_MEM_USAGE_POLICY_MAX_VALUE),
        MEMKIND_ERROR_INVALID);
    assert_int_equal(memkind_arena_update_memory_usage_policy(kind, (memkind_mem_usage_policy)-1),
                     MEMKIND_ERROR_INVALID);
    assert_int_equal(memkind_arena_update_memory_usage_policy(kind, (memkind_mem_usage_policy)99),
                     MEMKIND_ERROR_INVALID);
}

/* A policy also applies to arenas that threads get later. */
static void *allocate_and_free(void *kind)
{
    void *block = memkind_malloc(kind, 3 * MIB);

    memkind_free(kind, block);
    return block;
}

static void test_policy_holds_for_new_threads(void **state)
{
    memkind_t kind = *state;

    for (int i = 0; i < 8; i++) {
        pthread_t thread;
        void *block;

        assert_int_equal(pthread_create(&thread, NULL, allocate_and_free, kind), 0);
        assert_int_equal(pthread_join(thread, &block), 0);
        assert_non_null(block);
        expect_nothing_held(kind);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST_ON(test_conservative_gives_one_block_back, FIXTURE_CONSERVATIVE),
        FIXTURE_TEST_ON(test_conservative_gives_many_small_blocks_back, FIXTURE_CONSERVATIVE),
        FIXTURE_TEST_ON(test_conservative_holds_what_is_needed, FIXTURE_CONSERVATIVE),
        FIXTURE_TEST_ON(test_conservative_commits_no_chunk_for_a_small_block, FIXTURE_CONSERVATIVE),
        FIXTURE_TEST_ON(test_conservative_shrinks_with_realloc, FIXTURE_CONSERVATIVE),
        FIXTURE_TEST_ON(test_conservative_gives_each_page_back, FIXTURE_CONSERVATIVE),
        FIXTURE_TEST_ON(test_conservative_reallocs_pages, FIXTURE_CONSERVATIVE),
        FIXTURE_TEST_ON(test_conservative_and_threads, FIXTURE_CONSERVATIVE),
        FIXTURE_TEST_ON_PMEM(test_memory_that_went_back_reads_as_zero),
        FIXTURE_TEST(test_holes_do_not_multiply_mappings),
        FIXTURE_TEST(test_file_size_follows_the_peak),
        FIXTURE_TEST_ON(test_default_gives_back_after_ten_seconds, FIXTURE_PMEM),
        FIXTURE_TEST_ON(test_default_gives_back_after_ten_seconds, FIXTURE_UNLIMITED),
        FIXTURE_TEST_ON(test_default_keeps_blocks_of_every_size, FIXTURE_UNLIMITED),
        FIXTURE_TEST_ON(test_default_gives_small_blocks_back, FIXTURE_PMEM),
        FIXTURE_TEST_ON(test_default_gives_small_blocks_back, FIXTURE_UNLIMITED),
        FIXTURE_TEST_ON(test_default_gives_each_page_back, FIXTURE_UNLIMITED),
        FIXTURE_TEST_ON(test_from_default_to_conservative, FIXTURE_PMEM),
        FIXTURE_TEST_ON(test_from_conservative_to_default, FIXTURE_CONSERVATIVE),
        FIXTURE_TEST_ON(test_policies_that_are_none, FIXTURE_PMEM),
        FIXTURE_TEST_ON(test_policy_holds_for_new_threads, FIXTURE_CONSERVATIVE),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
