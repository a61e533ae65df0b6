/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Holes between blocks do not split memory maps, of which a process may have 65,530.
 *
 * STRESS_BLOCKS (400,000 of 4 KiB: 1.6 GB of file space).
 */
#include <stdio.h>
#include <stdlib.h>

#include "stress/kinds.h"
#include "stress/parameters.h"
#include "stress/pattern.h"

#define BLOCK_SIZE ((size_t)4096)
/* A map for each hole would be 200,000. The thread sanitizer adds some 120 of its own. */
#define MOST_MAPS   1000
#define EXTENT_SIZE 12

static void make_blocks(memkind_t kind, uint64_t **blocks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        blocks[i] = memkind_malloc(kind, BLOCK_SIZE);
        if (blocks[i] == NULL)
            fail_msg("no space for block %zu", i);
        *blocks[i] = pattern_mix(i);
    }
}

static void free_from(memkind_t kind, uint64_t **blocks, size_t first, size_t count)
{
    for (size_t i = first; i < count; i += 2) {
        if (*blocks[i] != pattern_mix(i))
            fail_msg("block %zu was overwritten", i);
        memkind_free(kind, blocks[i]);
    }
}

static void test_holes(void **state)
{
    size_t count = parameter("STRESS_BLOCKS", 400000);
    uint64_t **blocks = malloc(count * sizeof(*blocks));

    (void)state;
    assert_non_null(blocks);
    size_t maps_before = count_maps();
    memkind_t kind = make_kind(0, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
    make_blocks(kind, blocks, count);
    size_t maps_full = count_maps();
    size_t held_full = kind_space_held(kind);
    free_from(kind, blocks, 0, count);
    size_t maps_holes = count_maps();
    size_t held_holes = kind_space_held(kind);
    printf("maps: %zu, with all blocks %zu, with half %zu; file space %zu, %zu\n", maps_before,
           maps_full, maps_holes, held_full, held_holes);
    assert_true(maps_full < maps_before + MOST_MAPS);
    assert_true(maps_holes < maps_before + MOST_MAPS);
    /*
     * The holes exist in the file. ext4 uses an extent of 12 bytes, in blocks of the file, for each
     * piece between two holes.
     */
    assert_true(held_holes <= held_full - count / 2 * BLOCK_SIZE + count * EXTENT_SIZE);
    free_from(kind, blocks, 1, count);
    free(blocks);
    assert_int_equal(memkind_destroy_kind(kind), MEMKIND_SUCCESS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
