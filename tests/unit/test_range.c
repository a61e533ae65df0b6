/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of ranges: which pages are allocated, how they are returned, and failures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "space/address_map.h"
#include "space/range.h"
#include "support/fake_mmap.h"
#include "support/faults.h"
#include "support/no_mapping_cache.h"

#define PAGE  ((size_t)4096)
#define PAGES ((size_t)200) /* not a multiple of a bitmap's word */
#define OWNER (ADDRESS_MAP_FIRST_OWNER + 2u)

static char *memory;
static struct space space;
static struct range range;
static const struct store_ops no_store;

static int setup(void **state)
{
    (void)state;
    mmap_fault = (struct fault){0};
    memory = aligned_alloc(PAGE, PAGES * PAGE);
    assert_non_null(memory);
    assert_int_equal(space_init(&space, &no_store, 0, OWNER), 0);
    range_init(&range, &space);
    assert_ptr_equal(space.range, &range);
    return 0;
}

static int setup_open(void **state)
{
    return setup(state) != 0 || range_open(&range, memory, PAGES * PAGE) != 0;
}

static int teardown(void **state)
{
    (void)state;
    space_fini(&space);
    free(memory);
    return 0;
}

static char *take(size_t pages)
{
    return range_alloc(&range, pages * PAGE, PAGE);
}

static void give(char *addr, size_t pages)
{
    range_free(&range, addr, pages * PAGE);
}

static void range_without_memory_has_nothing(void **state)
{
    (void)state;
    assert_null(take(1));
    assert_int_equal(space_held(&space), 0);
}

static void records_may_find_no_memory(void **state)
{
    (void)state;
    fault_set(&mmap_fault, ENOMEM, FAULT_ALWAYS);
    assert_int_equal(range_open(&range, memory, PAGES * PAGE), -ENOMEM);
    assert_null(take(1));
    mmap_fault = (struct fault){0};
    assert_int_equal(range_open(&range, memory, PAGES * PAGE), 0);
    assert_ptr_equal(take(PAGES), memory);
    assert_int_equal(space.max_size, PAGES * PAGE);
}

static void lowest_pages_come_first(void **state)
{
    (void)state;
    char *first = take(3);
    char *second = take(2);
    char *third = take(PAGES - 5);

    assert_ptr_equal(first, memory);
    assert_ptr_equal(second, memory + 3 * PAGE);
    assert_ptr_equal(third, memory + 5 * PAGE);
    assert_int_equal(space_held(&space), PAGES * PAGE);
    assert_null(take(1));
    give(second, 2);
    assert_null(take(3));
    assert_ptr_equal(take(1), second);
    give(first, 3);
    assert_ptr_equal(take(1), first);
    assert_ptr_equal(take(2), first + PAGE);
    assert_ptr_equal(take(1), second + PAGE);
    assert_null(take(1));
}

/* Pieces can be returned in any partition, and adjacent runs merge. */
static void neighbours_are_one_run(void **state)
{
    char *all = take(PAGES);

    (void)state;
    assert_ptr_equal(all, memory);
    for (size_t i = 0; i < PAGES; i += 2)
        give(all + i * PAGE, 1);
    assert_null(take(2));
    for (size_t i = 1; i < PAGES; i += 2)
        give(all + i * PAGE, 1);
    assert_int_equal(space_held(&space), 0);
    assert_ptr_equal(take(PAGES), memory);
}

static void alignment_is_of_the_address(void **state)
{
    (void)state;
    for (size_t alignment = PAGE; alignment <= 64 * PAGE; alignment *= 2) {
        char *block = range_alloc(&range, PAGE, alignment);

        assert_non_null(block);
        assert_int_equal((uintptr_t)block % alignment, 0);
        assert_true(block >= memory && block < memory + PAGES * PAGE);
    }
    assert_null(range_alloc(&range, PAGE, (size_t)1 << 46));
    /* Skipped pages are used by other requests. */
    assert_true(take(1) < memory + 4 * PAGE);
}

static void memory_is_not_touched(void **state)
{
    (void)state;
    memset(memory, 0x5a, PAGES * PAGE);
    give(take(PAGES), PAGES);
    for (size_t i = 0; i < PAGES * PAGE; i++)
        assert_int_equal(memory[i], 0x5a);
}

/* In the child of a fork, another thread of the parent may have held the lock. */
static void range_that_ends_takes_no_lock(void **state)
{
    char *all = take(PAGES);

    (void)state;
    atomic_store(&space.closing, true);
    pthread_mutex_lock(&space.lock);
    give(all, PAGES);
    pthread_mutex_unlock(&space.lock);
    assert_int_equal(space_held(&space), PAGES * PAGE);
}

#define CLOSED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define OPEN(test)   cmocka_unit_test_setup_teardown(test, setup_open, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLOSED(range_without_memory_has_nothing),
        CLOSED(records_may_find_no_memory),
        OPEN(lowest_pages_come_first),
        OPEN(neighbours_are_one_run),
        OPEN(alignment_is_of_the_address),
        OPEN(memory_is_not_touched),
        OPEN(range_that_ends_takes_no_lock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
