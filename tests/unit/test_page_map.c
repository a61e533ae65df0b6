/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the page map: which addresses have a class, and that nothing is written needlessly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <sys/mman.h>

#include "space/page_map.h"

#define GRANULE      ADDRESS_MAP_GRANULE
#define PAGE         PAGE_MAP_PAGE
#define LAST         (ADDRESS_MAP_ENTRIES - 1)
#define SOME_GRANULE ((size_t)1000)
#define SOME_PAGE    ((size_t)77)
#define LENGTH       ((size_t)3) /* granules of a piece */
#define SOME_CLASS   5u
#define OTHER_CLASS  63u

static uint8_t *bytes; /* of a piece of LENGTH granules */

/* Returns an address in the granule. Nothing needs to be mapped there. */
static const void *address(size_t granule, size_t offset)
{
    return (const void *)(granule * GRANULE + offset);
}

static int setup(void **state)
{
    (void)state;
    bytes = calloc(1, page_map_bytes(LENGTH * GRANULE));
    if (bytes == NULL)
        return -1;
    if (address_map_open(address(SOME_GRANULE, 0), LENGTH * GRANULE) != 0)
        return -1;
    page_map_set(address(SOME_GRANULE, 0), LENGTH * GRANULE, bytes);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    page_map_set(address(SOME_GRANULE, 0), LENGTH * GRANULE, NULL);
    free(bytes);
    return 0;
}

static void one_byte_is_needed_for_a_page(void **state)
{
    (void)state;
    assert_int_equal(page_map_bytes(GRANULE), GRANULE / PAGE);
    assert_int_equal(page_map_bytes(LENGTH * GRANULE), LENGTH * PAGE_MAP_GRANULE_PAGES);
}

static void foreign_addresses_have_no_class(void **state)
{
    const void *foreign[] = {
        NULL,
        (const void *)1,
        state,
        address(SOME_GRANULE - 1, GRANULE - 1),
        address(SOME_GRANULE + LENGTH, 0),
        address(LAST, GRANULE - 1),
        address(LAST + 1, 0),
        (const void *)UINTPTR_MAX,
    };

    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        assert_null(page_map_at(foreign[i]));
        assert_int_equal(page_map_get(foreign[i]), 0);
        page_map_put(foreign[i], SOME_CLASS);
        assert_int_equal(page_map_get(foreign[i]), 0);
    }
    for (size_t i = 0; i < page_map_bytes(LENGTH * GRANULE); i++)
        assert_int_equal(bytes[i], 0);
}

static void class_is_that_of_exactly_the_page(void **state)
{
    const size_t offset = SOME_PAGE * PAGE;

    (void)state;
    assert_int_equal(page_map_get(address(SOME_GRANULE, offset)), 0);
    page_map_put(address(SOME_GRANULE, offset + PAGE / 2), SOME_CLASS);
    assert_int_equal(page_map_get(address(SOME_GRANULE, offset)), SOME_CLASS);
    assert_int_equal(page_map_get(address(SOME_GRANULE, offset + PAGE - 1)), SOME_CLASS);
    assert_int_equal(page_map_get(address(SOME_GRANULE, offset - 1)), 0);
    assert_int_equal(page_map_get(address(SOME_GRANULE, offset + PAGE)), 0);
    /* No class in another granule. */
    assert_int_equal(page_map_get(address(SOME_GRANULE + 1, offset)), 0);
}

static void each_page_of_a_piece_has_its_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH * PAGE_MAP_GRANULE_PAGES; i++)
        page_map_put(address(SOME_GRANULE, i * PAGE), (unsigned)(i % OTHER_CLASS));
    for (size_t i = 0; i < LENGTH * PAGE_MAP_GRANULE_PAGES; i++) {
        assert_int_equal(page_map_get(address(SOME_GRANULE, i * PAGE)), i % OTHER_CLASS);
        assert_ptr_equal(page_map_at(address(SOME_GRANULE, i * PAGE)), bytes + i);
    }
}

static void blocks_of_several_pages_get_their_class(void **state)
{
    const size_t offset = SOME_PAGE * PAGE;
    void *const blocks[] = {
        (void *)address(SOME_GRANULE, offset),
        (void *)address(SOME_GRANULE, offset + PAGE / 2),
        (void *)address(SOME_GRANULE, offset + 2 * PAGE),
        (void *)address(SOME_GRANULE, offset + PAGE),
        (void *)address(SOME_GRANULE - 1, 0), /* foreign */
        (void *)address(SOME_GRANULE + 1, offset),
        (void *)address(SOME_GRANULE + 1, offset + PAGE), /* is not counted */
    };

    (void)state;
    page_map_put_many(blocks, sizeof(blocks) / sizeof(blocks[0]) - 1, SOME_CLASS);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(page_map_get(address(SOME_GRANULE, offset + i * PAGE)), SOME_CLASS);
    assert_int_equal(page_map_get(address(SOME_GRANULE, offset - PAGE)), 0);
    assert_int_equal(page_map_get(address(SOME_GRANULE, offset + 3 * PAGE)), 0);
    assert_int_equal(page_map_get(address(SOME_GRANULE - 1, 0)), 0);
    assert_int_equal(page_map_get(address(SOME_GRANULE + 1, offset)), SOME_CLASS);
    assert_int_equal(page_map_get(address(SOME_GRANULE + 1, offset + PAGE)), 0);
}

static void class_can_change_and_end(void **state)
{
    const void *block = address(SOME_GRANULE + 1, SOME_PAGE * PAGE);

    (void)state;
    page_map_put(block, SOME_CLASS);
    page_map_put(block, OTHER_CLASS);
    assert_int_equal(page_map_get(block), OTHER_CLASS);
    page_map_put(block, 0);
    assert_int_equal(page_map_get(block), 0);
}

static void nothing_is_written_where_nothing_changes(void **state)
{
    const size_t size = page_map_bytes(GRANULE);
    uint8_t *memory;

    (void)state;
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    assert_int_equal(address_map_open(address(LAST, 0), GRANULE), 0);
    page_map_set(address(LAST, 0), GRANULE, memory);
    page_map_put(address(LAST, 0), SOME_CLASS);
    /* A write would end the test. */
    assert_int_equal(mprotect(memory, size, PROT_READ), 0);
    page_map_put(address(LAST, 0), SOME_CLASS);
    page_map_put(address(LAST, PAGE), 0);
    assert_int_equal(page_map_get(address(LAST, 0)), SOME_CLASS);
    page_map_set(address(LAST, 0), GRANULE, NULL);
    assert_int_equal(munmap(memory, size), 0);
}

static void what_is_taken_away_has_no_class(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH; i++)
        page_map_put(address(SOME_GRANULE + i, 0), SOME_CLASS);
    page_map_set(address(SOME_GRANULE + 1, 0), GRANULE, NULL);
    assert_int_equal(page_map_get(address(SOME_GRANULE, 0)), SOME_CLASS);
    assert_null(page_map_at(address(SOME_GRANULE + 1, 0)));
    assert_int_equal(page_map_get(address(SOME_GRANULE + 1, 0)), 0);
    assert_int_equal(page_map_get(address(SOME_GRANULE + 2, 0)), SOME_CLASS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(one_byte_is_needed_for_a_page),
        TEST(foreign_addresses_have_no_class),
        TEST(class_is_that_of_exactly_the_page),
        TEST(each_page_of_a_piece_has_its_byte),
        TEST(blocks_of_several_pages_get_their_class),
        TEST(class_can_change_and_end),
        TEST(nothing_is_written_where_nothing_changes),
        TEST(what_is_taken_away_has_no_class),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
