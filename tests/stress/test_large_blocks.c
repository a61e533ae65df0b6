/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks of gigabytes, blocks that fill their kind, and large blocks allocated and freed many
 * times.
 *
 * STRESS_GIB (1): size of the largest block; the file system must have room for it.
 *
 * STRESS_ROUNDS (500; at 2,000, the file of memkind 1.14 has an apparent size of 40 GB).
 */
#include <errno.h>
#include <stdio.h>

#include "stress/kinds.h"
#include "stress/parameters.h"
#include "stress/pattern.h"

#define STRIDE             (2 * MIB) /* between the bytes that are checked */
#define SPACE_LEFT         (4 * MIB)
#define ROUND_SIZE         (20 * MIB)
#define MOST_APPARENT_SIZE GIB

static void touch_some(char *block, size_t size)
{
    for (size_t at = 0; at < size; at += STRIDE)
        block[at] = (char)pattern_mix(at);
    block[size - 1] = 1;
}

static void check_some(const char *block, size_t size)
{
    for (size_t at = 0; at < size; at += STRIDE)
        if (block[at] != (char)pattern_mix(at))
            fail_msg("byte %zu of %zu has changed", at, size);
    assert_int_equal(block[size - 1], 1);
}

static void test_gigabytes(void **state)
{
    size_t size = parameter("STRESS_GIB", 1) * GIB;
    memkind_t kind = make_kind(0, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
    char *block = memkind_malloc(kind, size);

    (void)state;
    assert_non_null(block);
    assert_true(memkind_malloc_usable_size(kind, block) >= size);
    assert_ptr_equal(memkind_detect_kind(block), kind);
    assert_ptr_equal(memkind_detect_kind(block + size - 1), kind);
    /* File space is allocated before the block is touched. */
    assert_true(kind_space_held(kind) >= size);
    touch_some(block, size);
    check_some(block, size);
    printf("%zu bytes: %zu of file space, apparent size %zu\n", size, kind_space_held(kind),
           kind_apparent_size(kind));
    memkind_free(kind, block);
    assert_true(kind_space_held(kind) < SPACE_LEFT);
    assert_int_equal(memkind_destroy_kind(kind), MEMKIND_SUCCESS);
}

static void fill_whole_kind(memkind_t kind, size_t size)
{
    char *block = memkind_malloc(kind, size);

    if (block == NULL)
        fail_msg("no block of %zu bytes in a kind of that size", size);
    pattern_fill(block, size);
    assert_true(pattern_holds(block, size, pattern_seed(block, size)));
    errno = 0;
    assert_null(memkind_malloc(kind, 1));
    assert_int_equal(errno, ENOMEM);
    assert_true(pattern_holds(block, size, pattern_seed(block, size)));
    memkind_free(kind, block);
}

static void check_whole_kind(size_t size, memkind_mem_usage_policy policy)
{
    memkind_t kind = make_kind(size, policy);

    fill_whole_kind(kind, size);
    fill_whole_kind(kind, size);
    assert_int_equal(memkind_destroy_kind(kind), MEMKIND_SUCCESS);
}

static void test_block_of_max_size(void **state)
{
    static const size_t sizes[] = {16 * MIB, 32 * MIB, 64 * MIB};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        check_whole_kind(sizes[i], MEMKIND_MEM_USAGE_POLICY_DEFAULT);
        check_whole_kind(sizes[i], MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
    }
}

static void check_again_and_again(memkind_mem_usage_policy policy)
{
    size_t rounds = parameter("STRESS_ROUNDS", 500);
    memkind_t kind = make_kind(0, policy);

    for (size_t i = 0; i < rounds; i++) {
        char *block = memkind_malloc(kind, ROUND_SIZE);

        if (block == NULL)
            fail_msg("no space in round %zu", i);
        touch_some(block, ROUND_SIZE);
        check_some(block, ROUND_SIZE);
        memkind_free(kind, block);
    }
    printf("%zu times %zu bytes: apparent size %zu\n", rounds, ROUND_SIZE,
           kind_apparent_size(kind));
    assert_true(kind_apparent_size(kind) < MOST_APPARENT_SIZE);
    assert_int_equal(memkind_destroy_kind(kind), MEMKIND_SUCCESS);
}

static void test_again_and_again(void **state)
{
    (void)state;
    check_again_and_again(MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    check_again_and_again(MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gigabytes),
        cmocka_unit_test(test_block_of_max_size),
        cmocka_unit_test(test_again_and_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
