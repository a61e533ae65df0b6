/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the address map: which addresses it covers, the owner of each, and that no entry is
 * lost. Without memory for the map, the process goes on.
 */
/* WRAP: mprotect */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>

#include "space/address_map.h"
#include "space/page_map.h"
#include "support/fake_mmap.h"
#include "support/faults.h"

#define GRANULE     ADDRESS_MAP_GRANULE
#define LAST        (ADDRESS_MAP_ENTRIES - 1)
#define OWNER       (ADDRESS_MAP_FIRST_OWNER + 7u)
#define OTHER       (ADDRESS_MAP_FIRST_OWNER + 600u)
#define SOME_ENTRY  ((size_t)1000)
#define SOME_LENGTH ((size_t)5)

/* Returns an address in the granule. Nothing needs to be mapped there. */
static const void *address(size_t granule, size_t offset)
{
    return (const void *)(granule * GRANULE + offset);
}

static struct fault mprotect_fault;

int __real_mprotect(void *addr, size_t size, int protection);
int __wrap_mprotect(void *addr, size_t size, int protection);

int __wrap_mprotect(void *addr, size_t size, int protection)
{
    return fault_hits(&mprotect_fault) ? -1 : __real_mprotect(addr, size, protection);
}

/* Sets the owner of granules. */
static void own(size_t granule, size_t count, unsigned owner)
{
    assert_int_equal(address_map_open(address(granule, 0), count * GRANULE), 0);
    address_map_set(address(granule, 0), count * GRANULE, owner);
}

/* Runs first: no entry has been made yet. */
static void without_tables_no_address_has_an_owner(void **state)
{
    (void)state;
    fault_set(&mmap_fault, ENOMEM, FAULT_ALWAYS);
    assert_int_equal(address_map_open(address(SOME_ENTRY, 0), GRANULE), -ENOMEM);
    assert_int_equal(address_map_mark_mixed(address(SOME_ENTRY, 0)), -ENOMEM);
    assert_int_equal(address_map_mark_ranges(address(SOME_ENTRY, 0), GRANULE), -ENOMEM);
    assert_int_equal(address_map_owner(NULL), ADDRESS_MAP_NONE);
    assert_int_equal(address_map_owner(address(SOME_ENTRY, 0)), ADDRESS_MAP_NONE);
    assert_int_equal(address_map_owner(state), ADDRESS_MAP_NONE);
    assert_null(page_map_at(state));
    page_map_put(state, 1);
    assert_int_equal(page_map_get(state), 0);
    mmap_fault = (struct fault){0};
}

/* Runs second. */
static void spare_addresses_are_unmapped_once(void **state)
{
    (void)state;
    address_map_free_spare();
    assert_int_equal(address_map_begin_at_load(), 0);
    char *end = (char *)(address_map_tables + 1);
    assert_int_equal(msync(end, ADDRESS_MAP_SPARE, MS_ASYNC), 0);
    address_map_free_spare();
    assert_int_equal(msync(end, ADDRESS_MAP_SPARE, MS_ASYNC), -1);
    assert_int_equal(errno, ENOMEM);
    address_map_free_spare();
    /* The tables exist: others are unmapped again. */
    struct address_map_tables *tables = address_map_tables;
    assert_int_equal(address_map_begin_at_load(), 0);
    assert_ptr_equal(address_map_tables, tables);
    assert_int_equal(msync(end, ADDRESS_MAP_SPARE, MS_ASYNC), -1);
}

/* With few addresses, the tables are mapped without the spare ones. */
static void tables_come_without_spare_addresses(void **state)
{
    (void)state;
    fault_set(&mmap_fault, ENOMEM, 1);
    assert_int_equal(address_map_begin_at_load(), 0);
    mmap_fault = (struct fault){0};
    fault_set(&mmap_fault, ENOMEM, FAULT_ALWAYS);
    assert_int_equal(address_map_begin_at_load(), -ENOMEM);
    mmap_fault = (struct fault){0};
}

/* Writable pages count as data of the process, and locked ones take memory. */
static void few_pages_can_be_written(void **state)
{
    size_t writable = 0;
    char line[256];

    (void)state;
    own(SOME_ENTRY, SOME_LENGTH, OWNER);
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps) != NULL) {
        unsigned long first, end;
        char can_write;

        assert_int_equal(sscanf(line, "%lx-%lx %*c%c", &first, &end, &can_write), 3);
        if (can_write == 'w' && first >= (uintptr_t)address_map_tables &&
            end <= (uintptr_t)(address_map_tables + 1))
            writable += end - first;
    }
    fclose(maps);
    assert_in_range(writable, 2, 2 * ((size_t)64 << 10));
    own(SOME_ENTRY, SOME_LENGTH, ADDRESS_MAP_NONE);
}

static void no_memory_for_entries_is_enomem(void **state)
{
    const void *far = address(LAST / 2, 0);

    (void)state;
    for (unsigned skip = 0; skip < 2; skip++) {
        fault_set(&mprotect_fault, ENOMEM, FAULT_ALWAYS);
        mprotect_fault.skip = skip;
        assert_int_equal(address_map_open(far, GRANULE), -ENOMEM);
        mprotect_fault.calls = 0;
        assert_int_equal(address_map_mark_mixed(far), -ENOMEM);
        mprotect_fault.calls = 0;
        assert_int_equal(address_map_mark_ranges(far, GRANULE), -ENOMEM);
        assert_int_equal(address_map_owner(far), ADDRESS_MAP_NONE);
    }
    mprotect_fault = (struct fault){0};
    assert_int_equal(address_map_mark_mixed(far), 0);
    assert_int_equal(address_map_owner(far), ADDRESS_MAP_MIXED);
    /* A granule that is marked already needs no memory. */
    fault_set(&mprotect_fault, ENOMEM, FAULT_ALWAYS);
    assert_int_equal(address_map_mark_mixed(far), 0);
    mprotect_fault = (struct fault){0};
    own(LAST / 2, 1, ADDRESS_MAP_NONE);
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
    own(SOME_ENTRY, SOME_LENGTH, OWNER);
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
    own(0, 1, OWNER);
    own(LAST, 1, OTHER);
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
    own(SOME_ENTRY, 1, OWNER);
    own(SOME_ENTRY, 1, OTHER);
    assert_int_equal(address_map_owner(address(SOME_ENTRY, 0)), OTHER);
    forget(SOME_ENTRY, 1);
}

static void mixed_marks_one_granule(void **state)
{
    (void)state;
    assert_int_equal(address_map_mark_mixed(address(SOME_ENTRY, GRANULE - 1)), 0);
    assert_int_equal(address_map_mark_mixed(address(SOME_ENTRY, 0)), 0);
    assert_int_equal(address_map_owner(address(SOME_ENTRY, GRANULE / 2)), ADDRESS_MAP_MIXED);
    assert_int_equal(address_map_owner(address(SOME_ENTRY - 1, GRANULE - 1)), ADDRESS_MAP_NONE);
    assert_int_equal(address_map_owner(address(SOME_ENTRY + 1, 0)), ADDRESS_MAP_NONE);
    forget(SOME_ENTRY, 1);
}

static void mixed_never_replaces_an_owner(void **state)
{
    (void)state;
    own(SOME_ENTRY, 1, OWNER);
    assert_int_equal(address_map_mark_mixed(address(SOME_ENTRY, 1)), 0);
    assert_int_equal(address_map_owner(address(SOME_ENTRY, 1)), OWNER);
    forget(SOME_ENTRY, 1);
}

static void mixed_of_an_address_that_is_not_covered_is_ignored(void **state)
{
    (void)state;
    assert_int_equal(address_map_mark_mixed((const void *)UINTPTR_MAX), 0);
    assert_int_equal(address_map_mark_mixed(address(LAST + 1, 0)), 0);
    assert_int_equal(address_map_owner((const void *)UINTPTR_MAX), ADDRESS_MAP_NONE);
    assert_int_equal(address_map_owner(address(LAST + 1, 0)), ADDRESS_MAP_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_tables_no_address_has_an_owner),
        cmocka_unit_test(spare_addresses_are_unmapped_once),
        cmocka_unit_test(tables_come_without_spare_addresses),
        cmocka_unit_test(few_pages_can_be_written),
        cmocka_unit_test(no_memory_for_entries_is_enomem),
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
