/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of page bitmaps: each operation against an array of bool, at word boundaries and at random.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "space/page_bitmap.h"

#define PAGES  ((size_t)200)
#define WORDS  ((size_t)4)
#define ROUNDS 20000
#define SEED   20240917u
#define CANARY 0xa5a5a5a5a5a5a5a5u

/* A bitmap, the same as an array, and a guard word that must not change. */
struct pair {
    uint64_t map[WORDS + 1];
    bool model[PAGES];
};

static void pair_init(struct pair *pair)
{
    memset(pair, 0, sizeof(*pair));
    pair->map[WORDS] = CANARY;
}

static void pair_write(struct pair *pair, size_t first, size_t end, bool value)
{
    (value ? page_bitmap_set : page_bitmap_clear)(pair->map, first, end);
    for (size_t i = first; i < end; i++)
        pair->model[i] = value;
}

static size_t model_next(const bool *model, size_t first, size_t end, bool wanted)
{
    while (first < end && model[first] != wanted)
        first++;
    return first;
}

static size_t model_count(const bool *model, size_t first, size_t end)
{
    size_t count = 0;

    for (size_t i = first; i < end; i++)
        count += model[i];
    return count;
}

static void pair_check(const struct pair *pair, size_t first, size_t end)
{
    assert_int_equal(page_bitmap_count(pair->map, first, end),
                     model_count(pair->model, first, end));
    assert_int_equal(page_bitmap_next_set(pair->map, first, end),
                     model_next(pair->model, first, end, true));
    assert_int_equal(page_bitmap_next_clear(pair->map, first, end),
                     model_next(pair->model, first, end, false));
}

static void pair_check_all(const struct pair *pair)
{
    for (size_t i = 0; i < PAGES; i++)
        assert_int_equal(pair->map[i / PAGE_BITMAP_WORD_PAGES] >> i % PAGE_BITMAP_WORD_PAGES & 1,
                         pair->model[i]);
    assert_true(pair->map[WORDS] == CANARY);
}

static void words_hold_all_pages(void **state)
{
    (void)state;
    assert_int_equal(page_bitmap_words(0), 0);
    assert_int_equal(page_bitmap_words(1), 1);
    assert_int_equal(page_bitmap_words(PAGE_BITMAP_WORD_PAGES), 1);
    assert_int_equal(page_bitmap_words(PAGE_BITMAP_WORD_PAGES + 1), 2);
    assert_int_equal(page_bitmap_words(PAGES), WORDS);
}

static void every_range_of_two_words(void **state)
{
    const size_t last = 2 * PAGE_BITMAP_WORD_PAGES + 1;
    struct pair pair;

    (void)state;
    for (size_t first = 0; first <= last; first++)
        for (size_t end = first; end <= last; end++) {
            pair_init(&pair);
            pair_write(&pair, first, end, true);
            pair_check_all(&pair);
            pair_check(&pair, 0, PAGES);
            pair_check(&pair, first, end);
            pair_write(&pair, 0, PAGES, true);
            pair_write(&pair, first, end, false);
            pair_check_all(&pair);
            pair_check(&pair, 0, PAGES);
            pair_check(&pair, first, end);
        }
}

static void empty_range_is_nothing(void **state)
{
    struct pair pair;

    (void)state;
    pair_init(&pair);
    for (size_t at = 0; at <= PAGES; at++) {
        pair_write(&pair, at, at, true);
        assert_int_equal(page_bitmap_count(pair.map, at, at), 0);
        assert_int_equal(page_bitmap_next_set(pair.map, at, at), at);
        assert_int_equal(page_bitmap_next_clear(pair.map, at, at), at);
    }
    pair_check_all(&pair);
    assert_int_equal(page_bitmap_count(pair.map, 0, PAGES), 0);
}

static void search_ends_at_the_end_of_the_range(void **state)
{
    struct pair pair;

    (void)state;
    pair_init(&pair);
    pair_write(&pair, 70, 71, true);
    assert_int_equal(page_bitmap_next_set(pair.map, 0, 70), 70);
    assert_int_equal(page_bitmap_next_set(pair.map, 0, 71), 70);
    assert_int_equal(page_bitmap_next_set(pair.map, 71, PAGES), PAGES);
    pair_write(&pair, 0, PAGES, true);
    assert_int_equal(page_bitmap_next_clear(pair.map, 0, PAGES), PAGES);
    assert_int_equal(page_bitmap_next_clear(pair.map, 3, 5), 5);
}

static void random_operations_agree_with_an_array(void **state)
{
    unsigned seed = SEED;
    struct pair pair;

    (void)state;
    pair_init(&pair);
    for (int i = 0; i < ROUNDS; i++) {
        size_t first = (size_t)rand_r(&seed) % (PAGES + 1);
        size_t end = first + (size_t)rand_r(&seed) % (PAGES + 1 - first);

        if (rand_r(&seed) % 2 == 0)
            pair_write(&pair, first, end, rand_r(&seed) % 2 == 0);
        pair_check(&pair, first, end);
        pair_check(&pair, end, PAGES);
    }
    pair_check_all(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_hold_all_pages),
        cmocka_unit_test(every_range_of_two_words),
        cmocka_unit_test(empty_range_is_nothing),
        cmocka_unit_test(search_ends_at_the_end_of_the_range),
        cmocka_unit_test(random_operations_agree_with_an_array),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
