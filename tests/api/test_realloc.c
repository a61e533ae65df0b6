/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of realloc and of defragmentation on kinds of every sort. */
#include "api/fixture.h"

#define NO_ERRNO (-12345) /* a value that no call gives errno */

/* Each is the old size once with each as the new size. */
static const size_t sizes[] = {1,        8,        9,   100,     1000,        4096,   14336,
                               16 * KIB, 70 * KIB, MIB, 2 * MIB, 3 * MIB + 1, 9 * MIB};

static void test_realloc_of_null_allocates(void **state)
{
    memkind_t kind = *state;

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        errno = NO_ERRNO;
        char *block = memkind_realloc(kind, NULL, sizes[i]);
        assert_non_null(block);
        assert_int_equal(errno, NO_ERRNO);
        assert_ptr_equal(memkind_detect_kind(block), kind);
        memset(block, 1, sizes[i]);
        memkind_free(kind, block);
    }
}

static void test_realloc_to_0_frees(void **state)
{
    memkind_t kind = *state;

    /* More blocks than fit together. */
    for (size_t i = 0; i < FIXTURE_KIND_SIZE / (8 * MIB) + 2; i++) {
        void *block = memkind_malloc(kind, 8 * MIB);

        assert_non_null(block);
        errno = NO_ERRNO;
        assert_null(memkind_realloc(i % 2 == 0 ? kind : NULL, block, 0));
        assert_int_equal(errno, NO_ERRNO);
    }
}

static void test_realloc_from_each_size_to_each(void **state)
{
    memkind_t kind = *state;

    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        for (size_t j = 0; j < COUNT_OF(sizes); j++) {
            size_t kept = sizes[i] < sizes[j] ? sizes[i] : sizes[j];
            void *block = memkind_malloc(kind, sizes[i]);

            assert_non_null(block);
            fixture_fill(block, sizes[i], (unsigned)i);
            errno = NO_ERRNO;
            block = memkind_realloc(kind, block, sizes[j]);
            assert_non_null(block);
            assert_int_equal(errno, NO_ERRNO);
            assert_true(fixture_is_filled(block, kept, (unsigned)i));
            assert_true(memkind_malloc_usable_size(kind, block) >= sizes[j]);
            assert_ptr_equal(memkind_detect_kind(block), kind);
            fixture_fill(block, sizes[j], (unsigned)j);
            assert_true(fixture_is_filled(block, sizes[j], (unsigned)j));
            memkind_free(kind, block);
        }
}

static void test_realloc_finds_the_kind(void **state)
{
    memkind_t kind = *state;
    size_t size = 1;
    void *block = memkind_malloc(kind, size);

    assert_non_null(block);
    fixture_fill(block, size, 1);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        block = memkind_realloc(NULL, block, sizes[i]);
        assert_non_null(block);
        assert_ptr_equal(memkind_detect_kind(block), kind);
        assert_true(fixture_is_filled(block, size, 1));
        size = sizes[i];
        fixture_fill(block, size, 1);
    }
    memkind_free(NULL, block);
}

static void test_realloc_of_nothing(void **state)
{
    (void)state;
    errno = 0;
    assert_null(memkind_realloc(NULL, NULL, 100));
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_null(memkind_realloc(NULL, NULL, 0));
    assert_int_equal(errno, EINVAL);
}

static void test_realloc_that_fails_leaves_the_block(void **state)
{
    static const size_t too_much[] = {FIXTURE_KIND_SIZE + 1, FIXTURE_KIND_SIZE * 2, GIB,
                                      SIZE_MAX / 2, SIZE_MAX};
    memkind_t kind = *state;

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        void *block = memkind_malloc(kind, sizes[i]);
        size_t usable = memkind_malloc_usable_size(kind, block);

        assert_non_null(block);
        fixture_fill(block, usable, (unsigned)i);
        for (size_t j = 0; j < COUNT_OF(too_much); j++) {
            errno = 0;
            assert_null(memkind_realloc(j % 2 == 0 ? kind : NULL, block, too_much[j]));
            assert_int_equal(errno, ENOMEM);
            assert_int_equal(memkind_malloc_usable_size(kind, block), usable);
            assert_true(fixture_is_filled(block, usable, (unsigned)i));
        }
        memkind_free(kind, block);
    }
}

/* Grows a block in a kind that has no room for a second copy. */
static void test_realloc_in_a_full_kind(void **state)
{
    memkind_t kind = *state;
    size_t size = FIXTURE_KIND_SIZE / 8 * 5;
    void *block = memkind_malloc(kind, size);

    assert_non_null(block);
    memset(block, 7, size);
    errno = 0;
    void *grown = memkind_realloc(kind, block, FIXTURE_KIND_SIZE / 8 * 7);
    if (grown == NULL)
        assert_int_equal(errno, ENOMEM);
    else
        block = grown;
    for (size_t i = 0; i < size; i += KIB)
        assert_int_equal(((char *)block)[i], 7);
    block = memkind_realloc(kind, block, 1000);
    assert_non_null(block);
    assert_int_equal(((char *)block)[999], 7);
    memkind_free(kind, block);
}

/* Grows like a vector: by half at each step. */
static void test_realloc_grows_step_by_step(void **state)
{
    memkind_t kind = *state;
    size_t size = 16;
    unsigned char *block = memkind_malloc(kind, size);

    assert_non_null(block);
    fixture_fill(block, size, 5);
    while (size < 10 * MIB) {
        size_t larger = size + size / 2;

        block = memkind_realloc(kind, block, larger);
        assert_non_null(block);
        assert_true(fixture_is_filled(block, size, 5));
        fixture_fill(block, larger, 5);
        size = larger;
    }
    memkind_free(kind, block);
}

/* -- Defragmentation --------------------------------------------------------------------------- */

#define SMALL_BLOCKS (FIXTURE_PAGE > 4 * KIB ? 100000 : 20000) /* several slabs */
#define SMALL_SIZE   200
#define MOST_ROUNDS  32
#define KEPT_OF      8 /* one block of so many is kept */

static size_t active_bytes(memkind_t kind)
{
    size_t bytes;

    assert_int_equal(memkind_update_cached_stats(), MEMKIND_SUCCESS);
    assert_int_equal(memkind_get_stat(kind, MEMKIND_STAT_TYPE_ACTIVE, &bytes), MEMKIND_SUCCESS);
    return bytes;
}

/* Moves blocks until no move helps any more. Returns how many were moved. */
static size_t move_all(memkind_t kind, void **blocks)
{
    size_t moved = 0;
    size_t before;
    int round = 0;

    do {
        before = moved;
        for (size_t i = 0; i < SMALL_BLOCKS; i += KEPT_OF) {
            void *block = memkind_defrag_reallocate(round % 2 == 0 ? kind : NULL, blocks[i]);

            if (block != NULL) {
                assert_ptr_not_equal(block, blocks[i]);
                blocks[i] = block;
                moved++;
            }
        }
    } while (moved != before && ++round < MOST_ROUNDS);
    return moved;
}

static void test_moving_makes_room(void **state)
{
    memkind_t kind = *state;
    static void *blocks[SMALL_BLOCKS];

    for (size_t i = 0; i < SMALL_BLOCKS; i++) {
        blocks[i] = memkind_malloc(kind, SMALL_SIZE);
        assert_non_null(blocks[i]);
        fixture_fill(blocks[i], SMALL_SIZE, (unsigned)i);
    }
    for (size_t i = 0; i < SMALL_BLOCKS; i++)
        if (i % KEPT_OF != 0)
            memkind_free(kind, blocks[i]);
    size_t before = active_bytes(kind);
    errno = NO_ERRNO;
    assert_true(move_all(kind, blocks) > 0);
    assert_int_equal(errno, NO_ERRNO);
    for (size_t i = 0; i < SMALL_BLOCKS; i += KEPT_OF) {
        assert_true(fixture_is_filled(blocks[i], SMALL_SIZE, (unsigned)i));
        assert_ptr_equal(memkind_detect_kind(blocks[i]), kind);
    }
    assert_true(active_bytes(kind) < before / 2);
    for (size_t i = 0; i < SMALL_BLOCKS; i += KEPT_OF)
        memkind_free(kind, blocks[i]);
}

static void test_moving_where_it_does_not_help(void **state)
{
    memkind_t kind = *state;
    void *only = memkind_malloc(kind, 100);
    void *large = memkind_malloc(kind, 3 * MIB);

    assert_non_null(only);
    assert_non_null(large);
    fixture_fill(only, 100, 1);
    fixture_fill(large, 3 * MIB, 2);
    assert_null(memkind_defrag_reallocate(kind, large));
    assert_null(memkind_defrag_reallocate(NULL, large));
    assert_null(memkind_defrag_reallocate(kind, NULL));
    assert_null(memkind_defrag_reallocate(NULL, NULL));
    assert_true(fixture_is_filled(only, 100, 1));
    assert_true(fixture_is_filled(large, 3 * MIB, 2));
    memkind_free(kind, only);
    memkind_free(kind, large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST_ON_ALL(test_realloc_of_null_allocates),
        FIXTURE_TEST_ON_ALL(test_realloc_to_0_frees),
        FIXTURE_TEST_ON_ALL(test_realloc_from_each_size_to_each),
        FIXTURE_TEST_ON_ALL(test_realloc_finds_the_kind),
        FIXTURE_TEST(test_realloc_of_nothing),
        FIXTURE_TEST_ON(test_realloc_that_fails_leaves_the_block, FIXTURE_PMEM),
        FIXTURE_TEST_ON(test_realloc_that_fails_leaves_the_block, FIXTURE_CONSERVATIVE),
        FIXTURE_TEST_ON(test_realloc_in_a_full_kind, FIXTURE_PMEM),
        FIXTURE_TEST_ON(test_realloc_in_a_full_kind, FIXTURE_CONSERVATIVE),
        FIXTURE_TEST_ON_ALL(test_realloc_grows_step_by_step),
        FIXTURE_TEST_ON_ALL(test_moving_makes_room),
        FIXTURE_TEST_ON_ALL(test_moving_where_it_does_not_help),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
