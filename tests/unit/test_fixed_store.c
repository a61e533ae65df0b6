/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of spaces over memory of the program: their pages, the owner of addresses, and failures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "space/address_map.h"
#include "space/range.h"
#include "space/range_map.h"
#include "store/fixed_store.h"
#include "support/fake_calloc.h"
#include "support/fake_mmap.h"
#include "support/fake_mutex.h"
#include "support/faults.h"
#include "support/no_mapping_cache.h"

#define PAGE  ((size_t)4096)
#define PAGES ((size_t)200)
#define OWNER (ADDRESS_MAP_FIRST_OWNER + 2u)

static char *memory;
static struct space *space;

static int setup(void **state)
{
    (void)state;
    mmap_fault = mutex_fault = calloc_fault = (struct fault){0};
    memory = aligned_alloc(PAGE, PAGES * PAGE);
    assert_non_null(memory);
    space = fixed_store_create(OWNER);
    assert_non_null(space);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    space_destroy(space);
    assert_int_equal(range_map_owner(memory), *ADDRESS_MAP_ENTRY(beside, memory));
    free(memory);
    return 0;
}

static char *take(size_t pages)
{
    return range_alloc(space->range, pages * PAGE, PAGE);
}

static int open_store(void *addr, size_t size, size_t given)
{
    return fixed_store_open(space, addr, size, (struct fixed_area){.addr = addr, .size = given});
}

static void area_that_begins_another(void **state)
{
    const struct fixed_area same = {memory + 1, 3 * PAGE};

    (void)state;
    assert_false(fixed_store_meets(space, (struct fixed_area){.addr = NULL, .size = 0}));
    assert_int_equal(open_store(same.addr, same.size, same.size), 0);
    assert_true(fixed_store_meets(space, same));
    assert_true(fixed_store_meets(space, (struct fixed_area){memory + 1, SIZE_MAX}));
    assert_true(fixed_store_meets(space, (struct fixed_area){memory + 1, PAGE + 1}));
    assert_true(fixed_store_meets(space, (struct fixed_area){memory + 1, 0}));
    assert_false(fixed_store_meets(space, (struct fixed_area){memory, 4 * PAGE}));
}

static void area_in_an_allocation(void **state)
{
    (void)state;
    assert_int_equal(open_store(memory, 3 * PAGE, 3 * PAGE), 0);
    assert_non_null(take(2));
    assert_false(fixed_store_meets(space, (struct fixed_area){memory, 1}));
    assert_false(fixed_store_meets(space, (struct fixed_area){memory, 2 * PAGE}));
    assert_true(fixed_store_meets(space, (struct fixed_area){memory, 2 * PAGE + 1}));
    assert_true(fixed_store_meets(space, (struct fixed_area){memory, 0}));
    assert_non_null(take(1));
    assert_false(fixed_store_meets(space, (struct fixed_area){memory, 3 * PAGE}));
    assert_true(fixed_store_meets(space, (struct fixed_area){memory, SIZE_MAX}));
}

static void area_without_pages(void **state)
{
    (void)state;
    assert_false(fixed_store_meets(space, (struct fixed_area){NULL, 0}));
    assert_int_equal(open_store(NULL, 0, 0), 0);
    assert_true(fixed_store_meets(space, (struct fixed_area){NULL, 0}));
    assert_true(fixed_store_meets(space, (struct fixed_area){NULL, 1}));
    assert_false(fixed_store_meets(space, (struct fixed_area){memory, 0}));
}

static void only_whole_pages_are_used(void **state)
{
    (void)state;
    assert_int_equal(open_store(memory + 1, 3 * PAGE, 3 * PAGE + 1), 0);
    assert_int_equal(fixed_store_size(space), 3 * PAGE + 1);
    assert_int_equal(space->max_size, 2 * PAGE);
    assert_ptr_equal(take(2), memory + PAGE);
    assert_null(take(1));
    assert_int_equal(range_map_owner(memory + PAGE - 1), *ADDRESS_MAP_ENTRY(beside, memory));
    assert_int_equal(range_map_owner(memory + PAGE), OWNER);
    assert_int_equal(range_map_owner(memory + 3 * PAGE - 1), OWNER);
}

static void less_than_a_page_is_nothing(void **state)
{
    (void)state;
    assert_int_equal(open_store(memory + 1, 2 * PAGE - 2, 2 * PAGE - 2), 0);
    assert_int_equal(fixed_store_size(space), 2 * PAGE - 2);
    assert_null(take(1));
}

static void impossible_addresses_are_refused(void **state)
{
    static const struct {
        uintptr_t addr;
        size_t size;
    } cases[] = {{PAGE, SIZE_MAX}, {UINTPTR_MAX - 8, 8}, {(uintptr_t)1 << 60, PAGE}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        void *addr = (void *)cases[i].addr;

        assert_int_equal(open_store(addr, cases[i].size, cases[i].size), -EINVAL);
    }
    assert_null(take(1));
}

static void records_may_find_no_memory(void **state)
{
    (void)state;
    fault_set(&mmap_fault, ENOMEM, FAULT_ALWAYS);
    assert_int_equal(open_store(memory, PAGES * PAGE, PAGES * PAGE), -ENOMEM);
    assert_null(take(1));
    mmap_fault = (struct fault){0};
    assert_int_equal(open_store(memory, PAGES * PAGE, PAGES * PAGE), 0);
    assert_ptr_equal(take(PAGES), memory);
}

static void space_that_cannot_be_made_is_null(void **state)
{
    (void)state;
    fault_set(&calloc_fault, ENOMEM, 1);
    assert_null(fixed_store_create(OWNER));
    fault_set(&mutex_fault, EAGAIN, 1);
    assert_null(fixed_store_create(OWNER));
}

/* No child of a fork and no other kind may use memory that this space has released. */
static void memory_of_the_program_is_its_own(void **state)
{
    (void)state;
    assert_false(space_is_shared(space));
    assert_false(space_shares_store(space, space));
    assert_null(space_directory(space));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    /* The address map's tables are mapped once in a process. */
    if (address_map_open(NULL, 0) != 0)
        return 1;
    const struct CMUnitTest tests[] = {
        TEST(only_whole_pages_are_used),
        TEST(area_that_begins_another),
        TEST(area_in_an_allocation),
        TEST(area_without_pages),
        TEST(less_than_a_page_is_nothing),
        TEST(impossible_addresses_are_refused),
        TEST(records_may_find_no_memory),
        TEST(space_that_cannot_be_made_is_null),
        TEST(memory_of_the_program_is_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
