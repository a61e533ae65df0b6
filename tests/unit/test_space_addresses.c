/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the address space of spaces: regions, their alignment and owners, and what remains when
 * a reservation fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "space/address_map.h"
#include "space/region.h"
#include "space/space.h"
#include "store/file_store.h"
#include "support/faults.h"
#include "support/leftovers.h"
#include "support/page_size.h"
#include "support/space_fixture.h"

#define MANY_REGIONS 5000
#define RETRIES      50

static void reserve_takes_no_store(void **state)
{
    (void)state;
    reserve(GIB, CHUNK);
    assert_int_equal(space_held(space), 0);
    assert_int_equal(store_calls, 0);
}

static void regions_are_aligned_owned_and_apart(void **state)
{
    const size_t sizes[] = {1, 4096, CHUNK, CHUNK + 1, 3 * CHUNK, GRANULE, GRANULE + CHUNK};

    (void)state;
    for (size_t alignment = 1; alignment <= GIB; alignment *= 4)
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            char *addr = reserve(sizes[i], alignment);

            assert_int_equal((uintptr_t)addr % CHUNK, 0);
            assert_int_equal((uintptr_t)addr % alignment, 0);
            assert_int_equal(address_map_owner(addr), OWNER);
            assert_int_equal(address_map_owner(addr + sizes[i] - 1), OWNER);
            assert_true(space_is_region_start(space, addr));
            if (sizes[i] > CHUNK)
                assert_false(space_is_region_start(space, addr + CHUNK));
            assert_false(space_is_region_start(space, addr + 1));
        }
}

static int compare_regions(const void *a, const void *b)
{
    const struct region *left = *(struct region *const *)a;
    const struct region *right = *(struct region *const *)b;

    return left->base < right->base ? -1 : left->base > right->base;
}

static void regions_do_not_overlap(void **state)
{
    static struct region *regions[ROUNDS];
    unsigned seed = SEED;
    size_t count = 0;

    (void)state;
    for (int i = 0; i < ROUNDS; i++)
        reserve(1 + (size_t)rand_r(&seed) % (8 * CHUNK), CHUNK << rand_r(&seed) % 7);
    for (struct region *region = space->regions; region != NULL; region = region->next)
        regions[count++] = region;
    assert_int_equal(count, ROUNDS);
    qsort(regions, count, sizeof(regions[0]), compare_regions);
    for (size_t i = 0; i + 1 < count; i++) {
        size_t size = regions[i]->pages * page;

        assert_true(regions[i]->base + size <= regions[i + 1]->base);
        assert_int_equal((size_t)regions[i]->offset % CHUNK, 0);
    }
}

/* The range map changes while the space's lock is held: debug builds check the lock order. */
static void few_addresses_are_used(void **state)
{
    (void)state;
    largest = SPACE_CHUNK;
    char *first = reserve(CHUNK, CHUNK);
    char *second = reserve(CHUNK, CHUNK);
    commit(first, CHUNK);
    commit(second, page);
    assert_true(space_contains(space, first) && space_contains(space, second));
    decommit(first, CHUNK);
    space_return(space, second);
    largest = 0;
}

static void many_regions_are_few_maps(void **state)
{
    size_t maps = count_maps();

    (void)state;
    for (int i = 0; i < MANY_REGIONS; i++)
        reserve(CHUNK, CHUNK);
    assert_true(count_maps() - maps < 40);
}

static void impossible_reservations_are_refused(void **state)
{
    void *addr = &space;

    (void)state;
    assert_int_equal(space_reserve(space, 0, CHUNK, &addr), -EINVAL);
    assert_int_equal(space_reserve(space, SIZE_MAX, CHUNK, &addr), -ENOMEM);
    assert_int_equal(space_reserve(space, SIZE_MAX / 2, CHUNK, &addr), -ENOMEM);
    assert_int_equal(space_reserve(space, (size_t)1 << 48, CHUNK, &addr), -ENOMEM);
    assert_int_equal(space_reserve(space, 1, (size_t)1 << 63, &addr), -ENOMEM);
    assert_int_equal(space_reserve(space, 1, (size_t)1 << 61, &addr), -ENOMEM);
    assert_int_equal(mapped, 0);
    reserve(1, 1);
}

static void no_addresses_is_enomem(void **state)
{
    void *addr;

    (void)state;
    fault_set(&mmap_fault, ENOMEM, FAULT_ALWAYS);
    assert_int_equal(space_reserve(space, 1, 1, &addr), -ENOMEM);
    assert_int_equal(mapped, 0);
    fault_set(&mmap_fault, 0, 0);
    reserve(1, 1);
}

/* Each anonymous map of a first reservation fails in turn. */
static void no_memory_for_records_is_enomem(void **state)
{
    void *addr;
    unsigned n = 0;
    int err;

    do {
        fault_set(&mmap_fault, ENOMEM, FAULT_ALWAYS);
        mmap_fault.skip = n++;
        err = space_reserve(space, GIB, 1, &addr);
        assert_true(err == 0 || err == -ENOMEM);
        fault_set(&mmap_fault, 0, 0);
        teardown(state);
        setup_fake(state);
    } while (err != 0);
    assert_true(n >= 3);
}

static void no_lock_for_a_region_is_enomem(void **state)
{
    void *addr;

    (void)state;
    fault_set(&mutex_fault, ENOMEM, 1);
    assert_int_equal(space_reserve(space, 1, 1, &addr), -ENOMEM);
    fault_set(&mutex_fault, 0, 0);
    assert_true(space_is_region_start(space, reserve(1, 1)));
}

static void store_that_cannot_be_mapped_is_its_error(void **state)
{
    void *addr;

    (void)state;
    fault_set(&file_map_fault, ENODEV, 1);
    assert_int_equal(space_reserve(space, 1, 1, &addr), -ENODEV);
    assert_null(space->segments);
    assert_int_equal(space->offset, 0);
    reserve(1, 1);
}

static void no_file_is_ebadf(void **state)
{
    struct space *other = file_store_create(OWNER);
    void *addr;
    size_t mapped_once = 0;

    (void)state;
    assert_non_null(other);
    for (int i = 0; i < RETRIES; i++) {
        assert_int_equal(space_reserve(other, 1, 1, &addr), -EBADF);
        if (i == 0)
            mapped_once = mapped;
    }
    size_t mapped_often = mapped;
    space_destroy(other);
    assert_int_equal(mapped_often, mapped_once);
}

static void regions_end_where_the_store_must(void **state)
{
    void *addr;

    (void)state;
    assert_int_equal(space_longest(space), SIZE_MAX);
    space->store = &short_store;
    assert_int_equal(space_longest(space), GRANULE - CHUNK / 2);
    assert_int_equal(space_reserve(space, GRANULE, CHUNK, &addr), -EFBIG);
    assert_int_equal(mapped, 0);
    char *first = reserve(GRANULE - CHUNK, CHUNK);
    assert_int_equal(space_reserve(space, CHUNK / 2 + page, CHUNK, &addr), -EFBIG);
    assert_ptr_equal(reserve(CHUNK / 2, CHUNK), first + GRANULE - CHUNK);
    assert_int_equal(space_reserve(space, page, CHUNK, &addr), -EFBIG);
    assert_int_equal(space->reserved, GRANULE);
}

static void returned_region_is_used_again(void **state)
{
    char *addr = reserve(4 * CHUNK, CHUNK);
    off_t offset = space->offset;

    (void)state;
    commit(addr, 4 * CHUNK);
    decommit(addr, 4 * CHUNK);
    space_return(space, addr);
    assert_ptr_equal(reserve(3 * CHUNK, CHUNK), addr);
    assert_int_equal(space->offset, offset);
    commit(addr, 3 * CHUNK);
    decommit(addr, 3 * CHUNK);
    assert_int_equal(space_held(space), 0);
    assert_true(reserve(4 * CHUNK, CHUNK) != addr);
}

static void returned_region_is_not_wasted_or_misaligned(void **state)
{
    char *large = reserve(64 * CHUNK, CHUNK);
    char *small = reserve(CHUNK, CHUNK);

    (void)state;
    space_return(space, large);
    space_return(space, small);
    assert_true(reserve(2 * CHUNK, CHUNK) != large);
    assert_true(reserve(CHUNK, GIB) != small || (uintptr_t)small % GIB == 0);
    /* An address in `large` may happen to have this alignment, and be reused. */
    if ((-(uintptr_t)large & (GIB - 1)) >= 64 * CHUNK)
        assert_ptr_equal(reserve(64 * CHUNK, CHUNK), large);
    /* A page would waste most of `small`. */
    assert_true(reserve(page, CHUNK) != small);
}

static int run(void)
{
#define FAKE(name) cmocka_unit_test_setup_teardown(name, setup_fake, teardown)
#define REAL(name) cmocka_unit_test_setup_teardown(name, setup_file, teardown)
    const struct CMUnitTest tests[] = {
        FAKE(reserve_takes_no_store),
        FAKE(regions_are_aligned_owned_and_apart),
        FAKE(regions_do_not_overlap),
        REAL(many_regions_are_few_maps),
        FAKE(few_addresses_are_used),
        FAKE(impossible_reservations_are_refused),
        FAKE(no_addresses_is_enomem),
        FAKE(no_memory_for_records_is_enomem),
        FAKE(no_lock_for_a_region_is_enomem),
        REAL(store_that_cannot_be_mapped_is_its_error),
        FAKE(no_file_is_ebadf),
        FAKE(regions_end_where_the_store_must),
        FAKE(returned_region_is_used_again),
        FAKE(returned_region_is_not_wasted_or_misaligned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    /* The address map's tables are mapped once in a process. */
    return address_map_open(NULL, 0) != 0 ? 1 : on_each_page_size(run);
}
