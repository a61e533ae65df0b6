/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of a cache's bins: bins share no slot, keep their blocks as they grow, and start close
 * together.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>

#include "heap/cache_bin.h"

#define CLOSE_BYTES ((size_t)12 << 10) /* from the first to the last slot in use */

static struct cache_bin bins[SIZE_CLASS_LIMIT];
static void **slots;

static void *name(unsigned size_class, size_t i)
{
    return &((char *)slots)[size_class * CACHE_BIN_BLOCKS + i];
}

static size_t room(const struct cache_bin *bin)
{
    return cache_bin_capacity(bin);
}

static void **end_of(const struct cache_bin *bin)
{
    return cache_bin_base(bin) + room(bin);
}

static void reset_and_open(unsigned c)
{
    cache_bin_reset(&bins[c], c, slots);
    cache_bin_open(&bins[c]);
}

static int setup(void **state)
{
    (void)state;
    assert_int_equal(size_class_init(), 0);
    cache_bin_lay_out();
    slots = calloc(cache_bin_slots(), sizeof(*slots));
    assert_non_null(slots);
    for (unsigned c = 1; c <= size_class_count; c++)
        reset_and_open(c);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(slots);
    return 0;
}

/* Fills the bin to its capacity. */
static void fill(unsigned c)
{
    for (size_t i = cache_bin_count(&bins[c]); i < room(&bins[c]); i++) {
        void *block = name(c, i);
        cache_bin_push(&bins[c], &block, 1);
    }
}

static void check_all(void)
{
    for (unsigned c = 1; c <= size_class_count; c++)
        for (size_t i = 0; i < cache_bin_count(&bins[c]); i++)
            assert_ptr_equal(cache_bin_base(&bins[c])[i], name(c, i));
}

static void bins_keep_their_blocks_as_they_grow(void **state)
{
    bool grows = true;

    (void)state;
    while (grows) {
        grows = false;
        for (unsigned c = 1; c <= size_class_count; c++) {
            fill(c);
            size_t before = room(&bins[c]);
            cache_bin_grow(&bins[c], c, slots);
            grows |= room(&bins[c]) > before;
            assert_true(end_of(&bins[c]) <= slots + cache_bin_slots());
            check_all();
        }
    }
    for (unsigned c = 1; c <= size_class_count; c++)
        assert_in_range(room(&bins[c]), 2, CACHE_BIN_BLOCKS);
    assert_int_equal(room(&bins[1]), CACHE_BIN_BLOCKS);
}

static void little_use_touches_few_pages(void **state)
{
    (void)state;
    for (unsigned c = 1; c <= size_class_count; c++) {
        cache_bin_grow(&bins[c], c, slots);
        cache_bin_grow(&bins[c], c, slots);
        assert_true((size_t)((char *)end_of(&bins[c]) - (char *)slots) <= CLOSE_BYTES);
    }
}

static void reset_bin_is_empty_and_small(void **state)
{
    size_t first = room(&bins[1]);

    (void)state;
    for (int i = 0; i < 3; i++) {
        fill(1);
        cache_bin_grow(&bins[1], 1, slots);
    }
    assert_true(room(&bins[1]) > first);
    reset_and_open(1);
    assert_int_equal(cache_bin_count(&bins[1]), 0);
    assert_int_equal(room(&bins[1]), first);
}

/* As the owner compares on the fast path. */
static bool has_block(const struct cache_bin *bin)
{
    return atomic_load(&bin->top) > atomic_load(&bin->low);
}

static bool has_room(const struct cache_bin *bin)
{
    return atomic_load(&bin->top) < atomic_load(&bin->high);
}

static void closed_bin_has_neither_block_nor_room(void **state)
{
    static struct cache_bin zeros;
    void *block = name(1, 0);

    (void)state;
    cache_bin_push(&bins[1], &block, 1);
    assert_true(has_block(&bins[1]) && has_room(&bins[1]));
    size_t before = room(&bins[1]);
    cache_bin_close(&bins[1]);
    assert_false(has_block(&bins[1]) || has_room(&bins[1]));
    assert_int_equal(cache_bin_count(&bins[1]), 1);
    assert_int_equal(room(&bins[1]), before);
    cache_bin_open(&bins[1]);
    assert_true(has_block(&bins[1]) && has_room(&bins[1]));
    cache_bin_reset(&bins[1], 1, slots);
    assert_false(has_block(&bins[1]) || has_room(&bins[1]));
    assert_false(has_block(&zeros) || has_room(&zeros));
}

static void oldest_are_taken_first(void **state)
{
    void *taken[2];

    (void)state;
    fill(1);
    size_t count = cache_bin_count(&bins[1]);
    cache_bin_take_oldest(&bins[1], taken, 2);
    assert_int_equal(cache_bin_count(&bins[1]), count - 2);
    for (size_t i = 0; i < count; i++)
        assert_ptr_equal(i < 2 ? taken[i] : cache_bin_base(&bins[1])[i - 2], name(1, i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(closed_bin_has_neither_block_nor_room, setup, teardown),
        cmocka_unit_test_setup_teardown(bins_keep_their_blocks_as_they_grow, setup, teardown),
        cmocka_unit_test_setup_teardown(little_use_touches_few_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(reset_bin_is_empty_and_small, setup, teardown),
        cmocka_unit_test_setup_teardown(oldest_are_taken_first, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
