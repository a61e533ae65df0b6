/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of rounding, and of sets of bits in longs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/align.h"
#include "util/bits.h"

#define UNIT ((size_t)4096)

static void sizes_in_whole_units(void **state)
{
    static const struct {
        size_t n, down, up;
    } cases[] = {
        {0, 0, 0},
        {1, 0, UNIT},
        {UNIT - 1, 0, UNIT},
        {UNIT, UNIT, UNIT},
        {UNIT + 1, UNIT, 2 * UNIT},
        {SIZE_MAX - UNIT + 1, SIZE_MAX - UNIT + 1, SIZE_MAX - UNIT + 1},
        {SIZE_MAX - UNIT + 2, SIZE_MAX - UNIT + 1, 0},
        {SIZE_MAX, SIZE_MAX - UNIT + 1, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t n = cases[i].n;

        assert_int_equal(align_down(n, UNIT), cases[i].down);
        assert_int_equal(align_up(n, UNIT), cases[i].up);
        assert_int_equal(n + align_rest(n, UNIT), cases[i].up);
        assert_int_equal(is_aligned(n, UNIT), n == cases[i].down);
    }
}

static void addresses_in_whole_units(void **state)
{
    static _Alignas(8) char memory[32];

    (void)state;
    for (size_t i = 0; i <= 16; i++) {
        assert_ptr_equal(align_ptr_down(memory + i, 8), memory + i / 8 * 8);
        assert_ptr_equal(align_ptr_up(memory + i, 8), memory + (i + 7) / 8 * 8);
        assert_int_equal(is_aligned_ptr(memory + i, 8), i % 8 == 0);
    }
}

static void bits_are_apart(void **state)
{
    unsigned long bits[4] = {0, 0, 0, ~0ul};

    (void)state;
    assert_int_equal(BITS_LONGS(1), 1);
    assert_int_equal(BITS_LONGS(BITS_PER_LONG), 1);
    assert_int_equal(BITS_LONGS(BITS_PER_LONG + 1), 2);
    for (size_t i = 0; i < 3 * BITS_PER_LONG; i += 7)
        bits_add(bits, i);
    for (size_t i = 0; i < 3 * BITS_PER_LONG; i++)
        assert_int_equal(bits_has(bits, i), i % 7 == 0);
    /* Only whole longs. */
    bits_clear(bits, 2 * BITS_PER_LONG + 1);
    for (size_t i = 0; i < 3 * BITS_PER_LONG; i++)
        assert_false(bits_has(bits, i));
    assert_int_equal(bits[3], ~0ul);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_in_whole_units),
        cmocka_unit_test(addresses_in_whole_units),
        cmocka_unit_test(bits_are_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
