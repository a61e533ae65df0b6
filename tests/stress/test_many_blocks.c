/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Very many small blocks at once: their contents, and the file space that is held after all are
 * freed.
 *
 * STRESS_BLOCKS (200,000; at 10,000,000 the blocks take 2.6 GB).
 */
#include <stdio.h>
#include <stdlib.h>

#include "stress/kinds.h"
#include "stress/parameters.h"
#include "stress/pattern.h"

#define SMALLEST   16
#define LARGEST    512
#define SPACE_LEFT (4 * MIB)

static size_t size_of_block(size_t i)
{
    return SMALLEST + pattern_mix(i) % (LARGEST - SMALLEST + 1);
}

static void make_blocks(memkind_t kind, char **blocks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        blocks[i] = memkind_malloc(kind, size_of_block(i));
        if (blocks[i] == NULL)
            fail_msg("no space for block %zu", i);
        pattern_fill(blocks[i], size_of_block(i));
    }
}

static void check_and_free(memkind_t kind, char *block, size_t i)
{
    if (!pattern_holds(block, size_of_block(i), pattern_seed(block, size_of_block(i))))
        fail_msg("block %zu at %p was overwritten", i, (void *)block);
    memkind_free(kind, block);
}

static void shuffle(size_t *order, size_t count)
{
    uint64_t random = count;

    for (size_t i = 0; i < count; i++) {
        size_t other = pattern_random(&random) % (i + 1);

        order[i] = order[other];
        order[other] = i;
    }
}

/* Frees the first half in the order of allocation, and the rest in random order. */
static void free_blocks(memkind_t kind, char **blocks, size_t count)
{
    size_t half = count / 2;
    size_t *order = malloc((count - half) * sizeof(*order));

    assert_non_null(order);
    for (size_t i = 0; i < half; i++)
        check_and_free(kind, blocks[i], i);
    shuffle(order, count - half);
    for (size_t i = 0; i < count - half; i++)
        check_and_free(kind, blocks[half + order[i]], half + order[i]);
    free(order);
}

static void check_many_blocks(memkind_mem_usage_policy policy, size_t space_left)
{
    size_t count = parameter("STRESS_BLOCKS", 200000);
    memkind_t kind = make_kind(0, policy);
    char **blocks = malloc(count * sizeof(*blocks));

    assert_non_null(blocks);
    make_blocks(kind, blocks, count);
    size_t peak = kind_space_held(kind);
    free_blocks(kind, blocks, count);
    size_t left = kind_space_held(kind);
    printf("%zu blocks: %zu bytes of file space, %zu when all are freed\n", count, peak, left);
    assert_true(left < space_left);
    free(blocks);
    assert_int_equal(memkind_destroy_kind(kind), MEMKIND_SUCCESS);
}

static void test_conservative_policy(void **state)
{
    (void)state;
    check_many_blocks(MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE, SPACE_LEFT);
}

static void test_default_policy(void **state)
{
    (void)state;
    check_many_blocks(MEMKIND_MEM_USAGE_POLICY_DEFAULT, SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conservative_policy),
        cmocka_unit_test(test_default_policy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
