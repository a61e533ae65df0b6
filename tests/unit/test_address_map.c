/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the address map: which addresses it covers, what it says of each, and that nobody's
 * entry is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "space/address_map.h"

#define GRANULE     ADDRESS_MAP_GRANULE
#define LAST        (ADDRESS_MAP_ENTRIES - 1)
#define OWNER       (ADDRESS_MAP_FIRST_OWNER + 7u)
#define OTHER       (ADDRESS_MAP_FIRST_OWNER + 600u)
#define SOME_ENTRY  ((size_t)1000)
#define SOME_LENGTH ((size_t)5)

/* An address in the granule; nothing needs to be there. */
static const void *address(size_t granule, size_t offset)
{
    return (const void *)(granule * GRANULE + offset);
}

static void forget(size_t granule, size_t count)
{
    address_map_set(address(granule, 0), count * GRANULE, ADDRESS_MAP_NONE);
}

static void unknown_addresses_have_no_owner(void **state)
{
    (void)state;
    assert_int_equal(address_map_owner(NULL), ADDRESS_MAP_NONE);
    assert_int_equal(address_map_owner((const void *)1), ADDRESS_MAP_NONE);
    assert_int_equal(address_map_owner(state), ADDRESS_MAP_NONE);
    assert_int_equal(address_map_owner((const void *)UINTPTR_MAX), ADDRESS_MAP_NONE);
    assert_int_equal(address_map_owner((const void *)((uintptr_t)1 << ADDRESS_MAP_BITS)),
                     ADDRESS_MAP_NONE);
}

static void map_covers_all_user_addresses(void **state)
{
    (void)state;
    assert_true(address_map_covers(address(0, 0), GRANULE));
    assert_true(address_map_covers(address(LAST, 0), GRANULE));
    assert_true(address_map_covers(address(0, 0), ADDRESS_MAP_ENTRIES * GRANULE));
    assert_false(address_map_covers(address(LAST, 0), 2 * GRANULE));
    assert_false(address_map_covers(address(1, 0), ADDRESS_MAP_ENTRIES * GRANULE));
    assert_false(address_map_covers(address(LAST + 1, 0), GRANULE));
    assert_false(address_map_covers(address(SOME_ENTRY, 0), SIZE_MAX & ~(GRANULE - 1)));
    assert_false(address_map_covers((const void *)(UINTPTR_MAX & ~(GRANULE - 1)), GRANULE));
}

static void owner_has_exactly_the_range(void **state)
{
    (void)state;
    address_map_set(address(SOME_ENTRY, 0), SOME_LENGTH * GRANULE, OWNER);
    assert_int_equal(address_map_owner(address(SOME_ENTRY - 1, GRANULE - 1)), ADDRESS_MAP_NONE);
    for (size_t i = 0; i < SOME_LENGTH; i++) {
        assert_int_equal(address_map_owner(address(SOME_ENTRY + i, 0)), OWNER);
        assert_int_equal(address_map_owner(address(SOME_ENTRY + i, GRANULE - 1)), OWNER);
    }
    assert_int_equal(address_map_owner(address(SOME_ENTRY + SOME_LENGTH, 0)), ADDRESS_MAP_NONE);
    forget(SOME_ENTRY, SOME_LENGTH);
    for (size_t i = 0; i < SOME_LENGTH; i++)
        assert_int_equal(address_map_owner(address(SOME_ENTRY + i, 0)), ADDRESS_MAP_NONE);
}

static void first_and_last_granule_can_be_owned(void **state)
{
    (void)state;
    address_map_set(address(0, 0), GRANULE, OWNER);
    address_map_set(address(LAST, 0), GRANULE, OTHER);
    assert_int_equal(address_map_owner(address(0, GRANULE - 1)), OWNER);
    assert_int_equal(address_map_owner(address(1, 0)), ADDRESS_MAP_NONE);
    assert_int_equal(address_map_owner(address(LAST, GRANULE - 1)), OTHER);
    assert_int_equal(address_map_owner(address(LAST - 1, 0)), ADDRESS_MAP_NONE);
    forget(0, 1);
    forget(LAST, 1);
}

static void granule_can_change_hands(void **state)
{
    (void)state;
    address_map_set(address(SOME_ENTRY, 0), GRANULE, OWNER);
    address_map_set(address(SOME_ENTRY, 0), GRANULE, OTHER);
    assert_int_equal(address_map_owner(address(SOME_ENTRY, 0)), OTHER);
    forget(SOME_ENTRY, 1);
}

static void mixed_marks_one_granule(void **state)
{
    (void)state;
    address_map_mark_mixed(address(SOME_ENTRY, GRANULE - 1));
    address_map_mark_mixed(address(SOME_ENTRY, 0));
    assert_int_equal(address_map_owner(address(SOME_ENTRY, GRANULE / 2)), ADDRESS_MAP_MIXED);
    assert_int_equal(address_map_owner(address(SOME_ENTRY - 1, GRANULE - 1)), ADDRESS_MAP_NONE);
    assert_int_equal(address_map_owner(address(SOME_ENTRY + 1, 0)), ADDRESS_MAP_NONE);
    forget(SOME_ENTRY, 1);
}

static void mixed_never_replaces_an_owner(void **state)
{
    (void)state;
    address_map_set(address(SOME_ENTRY, 0), GRANULE, OWNER);
    address_map_mark_mixed(address(SOME_ENTRY, 1));
    assert_int_equal(address_map_owner(address(SOME_ENTRY, 1)), OWNER);
    forget(SOME_ENTRY, 1);
}

static void mixed_of_an_address_that_is_not_covered_is_ignored(void **state)
{
    (void)state;
    address_map_mark_mixed((const void *)UINTPTR_MAX);
    address_map_mark_mixed(address(LAST + 1, 0));
    assert_int_equal(address_map_owner((const void *)UINTPTR_MAX), ADDRESS_MAP_NONE);
    assert_int_equal(address_map_owner(address(LAST + 1, 0)), ADDRESS_MAP_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_addresses_have_no_owner),
        cmocka_unit_test(map_covers_all_user_addresses),
        cmocka_unit_test(owner_has_exactly_the_range),
        cmocka_unit_test(first_and_last_granule_can_be_owned),
        cmocka_unit_test(granule_can_change_hands),
        cmocka_unit_test(mixed_marks_one_granule),
        cmocka_unit_test(mixed_never_replaces_an_owner),
        cmocka_unit_test(mixed_of_an_address_that_is_not_covered_is_ignored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
