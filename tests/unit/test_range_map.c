/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the map of ranges: who owns an address, in adjacent and nested ranges and beside them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "space/address_map.h"
#include "space/page_map.h"
#include "space/range_map.h"

#define PAGE    PAGE_MAP_PAGE
#define GRANULE ADDRESS_MAP_GRANULE
#define PAGES   64
#define OWNER   (ADDRESS_MAP_FIRST_OWNER + 5u)
#define OTHER   (ADDRESS_MAP_FIRST_OWNER + 6u)
#define BEYOND  ((uintptr_t)1 << ADDRESS_MAP_BITS)
#define ROUNDS  20000u

/* Granules that no two tests share: marks stay. */
static uintptr_t next_base = (uintptr_t)1000 * GRANULE;

static _Atomic uint8_t classes[PAGES];
static _Atomic uint8_t other_classes[PAGES];

static char *new_granules(void)
{
    next_base += 4 * GRANULE;
    assert_int_equal(address_map_open((void *)next_base, 4 * GRANULE), 0);
    return (char *)next_base;
}

static void address_in_area_has_its_owner(void **state)
{
    char *base = new_granules() + 3 * PAGE;

    (void)state;
    assert_int_equal(address_map_owner(base), ADDRESS_MAP_NONE);
    assert_int_equal(range_map_add(base, 4 * PAGE, OWNER, classes), 0);
    assert_int_equal(address_map_owner(base), ADDRESS_MAP_RANGES);
    assert_int_equal(range_map_owner(base), OWNER);
    assert_int_equal(range_map_owner(base + 4 * PAGE - 1), OWNER);
    assert_int_equal(range_map_owner(base - 1), ADDRESS_MAP_NONE);
    assert_int_equal(range_map_owner(base + 4 * PAGE), ADDRESS_MAP_NONE);
    range_map_remove(base, OTHER);
    assert_int_equal(range_map_owner(base), OWNER);
    range_map_remove(base, OWNER);
    assert_int_equal(range_map_owner(base), ADDRESS_MAP_NONE);
}

static void area_marks_all_of_its_granules_and_no_other(void **state)
{
    char *base = new_granules();

    (void)state;
    assert_int_equal(range_map_add(base + GRANULE - PAGE, GRANULE + 2 * PAGE, OWNER, classes), 0);
    assert_int_equal(address_map_owner(base - 1), ADDRESS_MAP_NONE);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(address_map_owner(base + i * GRANULE), ADDRESS_MAP_RANGES);
    assert_int_equal(address_map_owner(base + 3 * GRANULE), ADDRESS_MAP_NONE);
    range_map_remove(base + GRANULE - PAGE, OWNER);
}

static void what_is_beside_areas_is_remembered(void **state)
{
    char *base = new_granules();

    (void)state;
    address_map_set(base, GRANULE, OTHER);
    assert_int_equal(address_map_mark_mixed(base + GRANULE), 0);
    assert_int_equal(range_map_add(base + PAGE, 2 * GRANULE, OWNER, classes), 0);
    assert_int_equal(range_map_owner(base), OTHER);
    assert_int_equal(range_map_owner(base + PAGE), OWNER);
    range_map_remove(base + PAGE, OWNER);
    assert_int_equal(range_map_owner(base + PAGE), OTHER);
    assert_int_equal(range_map_owner(base + GRANULE), ADDRESS_MAP_MIXED);
    assert_int_equal(range_map_owner(base + 2 * GRANULE), ADDRESS_MAP_NONE);
    /* The default heap uses granules that have ranges. */
    assert_int_equal(address_map_mark_mixed(base + 2 * GRANULE), 0);
    assert_int_equal(address_map_mark_mixed(base), 0);
    assert_int_equal(range_map_owner(base + 2 * GRANULE), ADDRESS_MAP_MIXED);
    assert_int_equal(range_map_owner(base), OTHER);
    /* A segment uses the addresses. */
    address_map_set(base, GRANULE, OWNER);
    assert_int_equal(address_map_owner(base), OWNER);
    address_map_set(base, GRANULE, ADDRESS_MAP_NONE);
    assert_int_equal(range_map_add(base, PAGE, OTHER, classes), 0);
    assert_int_equal(range_map_owner(base + PAGE), ADDRESS_MAP_NONE);
    range_map_remove(base, OTHER);
}

static void smallest_area_counts(void **state)
{
    char *base = new_granules();

    (void)state;
    for (int order = 0; order < 2; order++) {
        if (order == 0)
            assert_int_equal(range_map_add(base + 2 * PAGE, 2 * PAGE, OTHER, other_classes), 0);
        assert_int_equal(range_map_add(base, 8 * PAGE, OWNER, classes), 0);
        if (order == 1)
            assert_int_equal(range_map_add(base + 2 * PAGE, 2 * PAGE, OTHER, other_classes), 0);
        assert_int_equal(range_map_owner(base + PAGE), OWNER);
        assert_int_equal(range_map_owner(base + 2 * PAGE), OTHER);
        assert_int_equal(range_map_owner(base + 4 * PAGE), OWNER);
        assert_ptr_equal(range_map_class_at(base + 3 * PAGE), &other_classes[1]);
        range_map_remove(base + 2 * PAGE, OTHER);
        assert_int_equal(range_map_owner(base + 2 * PAGE), OWNER);
        range_map_remove(base, OWNER);
    }
}

static void class_of_a_block_is_found_in_its_area(void **state)
{
    char *base = new_granules();

    (void)state;
    assert_int_equal(range_map_add(base, PAGES * PAGE, OWNER, classes), 0);
    page_map_put(base + 5 * PAGE + 17, 9);
    assert_int_equal(classes[5], 9);
    assert_int_equal(page_map_get(base + 5 * PAGE), 9);
    assert_int_equal(page_map_get(base + 6 * PAGE), 0);
    assert_null(page_map_at(base + PAGES * PAGE));
    page_map_put(base + PAGES * PAGE, 9);
    assert_int_equal(page_map_get(base + PAGES * PAGE), 0);
    range_map_remove(base, OWNER);
    assert_null(page_map_at(base + 5 * PAGE));
    classes[5] = 0;
}

static void addresses_that_no_map_covers_are_refused(void **state)
{
    (void)state;
    assert_int_equal(range_map_add((void *)BEYOND, PAGE, OWNER, classes), -EINVAL);
    assert_int_equal(range_map_add((void *)(BEYOND - PAGE), 2 * PAGE, OWNER, classes), -EINVAL);
    assert_int_equal(range_map_add((void *)(UINTPTR_MAX - PAGE + 1), 2 * PAGE, OWNER, classes),
                     -EINVAL);
    assert_int_equal(range_map_add((void *)(BEYOND - PAGE), PAGE, OWNER, classes), 0);
    assert_int_equal(range_map_owner((void *)(BEYOND - 1)), OWNER);
    range_map_remove((void *)(BEYOND - PAGE), OWNER);
}

static void there_is_an_end_to_areas(void **state)
{
    char *base = new_granules();

    (void)state;
    for (size_t i = 0; i < RANGE_MAP_ENTRIES; i++)
        assert_int_equal(range_map_add(base + i * PAGE, PAGE, OWNER, classes), 0);
    assert_int_equal(range_map_add(base - PAGE, PAGE, OWNER, classes), -ENFILE);
    range_map_remove(base + 7 * PAGE, OWNER);
    assert_int_equal(range_map_add(base - PAGE, PAGE, OTHER, classes), 0);
    assert_int_equal(range_map_owner(base - 1), OTHER);
    range_map_remove(base - PAGE, OTHER);
    for (size_t i = 0; i < RANGE_MAP_ENTRIES; i++)
        range_map_remove(base + i * PAGE, OWNER);
    assert_int_equal(range_map_owner(base), ADDRESS_MAP_NONE);
}

static atomic_bool stop;

static void *come_and_go(void *arg)
{
    char *base = arg;

    while (!atomic_load(&stop)) {
        assert_int_equal(range_map_add(base + 8 * PAGE, 4 * PAGE, OTHER, other_classes), 0);
        assert_int_equal(address_map_mark_mixed(base + 2 * GRANULE), 0);
        range_map_remove(base + 8 * PAGE, OTHER);
    }
    return NULL;
}

/* An entry that stays is found whatever changes around it. */
static void readers_need_no_lock(void **state)
{
    char *base = new_granules();
    pthread_t thread;

    (void)state;
    atomic_store(&stop, false);
    assert_int_equal(range_map_add(base, 4 * PAGE, OWNER, classes), 0);
    assert_int_equal(pthread_create(&thread, NULL, come_and_go, base), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned owner = range_map_owner(base + 9 * PAGE);

        assert_true(owner == OTHER || owner == ADDRESS_MAP_NONE);
        assert_int_equal(range_map_owner(base + PAGE), OWNER);
        assert_ptr_equal(range_map_class_at(base + PAGE), &classes[1]);
    }
    atomic_store(&stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    range_map_remove(base, OWNER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(address_in_area_has_its_owner),
        cmocka_unit_test(area_marks_all_of_its_granules_and_no_other),
        cmocka_unit_test(what_is_beside_areas_is_remembered),
        cmocka_unit_test(smallest_area_counts),
        cmocka_unit_test(class_of_a_block_is_found_in_its_area),
        cmocka_unit_test(addresses_that_no_map_covers_are_refused),
        cmocka_unit_test(there_is_an_end_to_areas),
        cmocka_unit_test(readers_need_no_lock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
