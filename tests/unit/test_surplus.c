/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of what a store holds in excess of the account. The store is an array of pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "space/address_map.h"
#include "space/segment.h"
#include "space/space.h"
#include "space/surplus.h"
#include "support/faults.h"

#define CHUNK       SPACE_CHUNK
#define LITTLE      ((size_t)64 << 10)
#define STORE_SIZE  (32 * CHUNK)
#define STORE_PAGES (STORE_SIZE / 4096)
#define OWNER       (ADDRESS_MAP_FIRST_OWNER + 4u)

static struct space space;
static bool store[STORE_PAGES];
static struct fault holds_fault;
static struct fault release_fault;

static void store_write(off_t offset, size_t size, bool value)
{
    size_t first = (size_t)offset / space.page;

    assert_true((size_t)offset + size <= STORE_SIZE);
    for (size_t i = first; i < first + size / space.page; i++)
        store[i] = value;
}

static size_t store_held(void)
{
    size_t pages = 0;

    for (size_t i = 0; i < STORE_PAGES; i++)
        pages += store[i];
    return pages * space.page;
}

static int fake_map(struct space *of, void *addr, size_t size, off_t offset)
{
    (void)of;
    (void)offset;
    return mmap(addr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
                0) == MAP_FAILED
               ? -errno
               : 0;
}

static int fake_commit(struct space *of, void *addr, off_t offset, size_t size)
{
    store_write(offset, size, true);
    return segment_open(of, addr, size);
}

static int fake_release(struct space *of, void *addr, off_t offset, size_t size)
{
    (void)of;
    (void)addr;
    if (fault_hits(&release_fault))
        return -release_fault.error;
    store_write(offset, size, false);
    return 0;
}

static int fake_holds(const struct space *of, size_t *bytes)
{
    (void)of;
    if (fault_hits(&holds_fault))
        return -holds_fault.error;
    *bytes = store_held();
    return 0;
}

static const struct store_ops array_ops = {
    .map = fake_map,
    .commit = fake_commit,
    .release = fake_release,
    .holds = fake_holds,
};

static int setup(void **state)
{
    (void)state;
    holds_fault = release_fault = (struct fault){0};
    memset(store, 0, sizeof(store));
    assert_int_equal(space_init(&space, &array_ops, 0, OWNER), 0);
    space.exact = true;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    space_fini(&space);
    return 0;
}

static char *committed(size_t size, size_t alignment)
{
    void *addr;

    assert_int_equal(space_reserve(&space, size, alignment, &addr), 0);
    assert_int_equal(space_commit(&space, addr, size), 0);
    return addr;
}

/* Uses a chunk, skips one, and uses one and a half, in which the second page is empty. */
static void use_some(void)
{
    (void)committed(CHUNK, CHUNK);
    char *addr = committed(CHUNK + CHUNK / 2, 2 * CHUNK);

    assert_int_equal(space_decommit(&space, addr + space.page, space.page), 0);
    assert_int_equal(store_held(), space_held(&space));
    assert_int_equal(surplus_bytes(&space), 0);
}

static size_t opened(void)
{
    return 4 * CHUNK; /* because of the last chunk, of which half is committed */
}

static void all_holes_are_made_again(void **state)
{
    (void)state;
    use_some();
    size_t held = space_held(&space);
    store_write(0, opened(), true);
    assert_int_equal(surplus_bytes(&space), opened() - held);
    surplus_release(&space);
    assert_int_equal(store_held(), held);
    assert_int_equal(space_held(&space), held);
    assert_int_equal(surplus_bytes(&space), 0);
}

static void without_surplus_nothing_is_released(void **state)
{
    (void)state;
    use_some();
    unsigned calls = release_fault.calls;
    surplus_release(&space);
    store_write((off_t)CHUNK, LITTLE - space.page, true);
    surplus_release(&space);
    assert_int_equal(release_fault.calls, calls);
    store_write((off_t)CHUNK, LITTLE, true);
    surplus_release(&space);
    assert_true(release_fault.calls > calls);
    assert_int_equal(store_held(), space_held(&space));
}

static void unknown_is_no_surplus(void **state)
{
    (void)state;
    use_some();
    store_write(0, opened(), true);
    unsigned calls = release_fault.calls;
    fault_set(&holds_fault, EBADF, FAULT_ALWAYS);
    assert_int_equal(surplus_bytes(&space), 0);
    surplus_release(&space);
    assert_int_equal(release_fault.calls, calls);
}

/* Surplus that stays is not tried again until there is more. It may also disappear by itself. */
static void what_stays_is_tried_once(void **state)
{
    (void)state;
    use_some();
    size_t held = space_held(&space);
    store_write(0, opened() - LITTLE, true);
    fault_set(&release_fault, EIO, FAULT_ALWAYS);
    surplus_release(&space);
    unsigned calls = release_fault.calls;
    assert_true(calls > 0);
    surplus_release(&space);
    assert_int_equal(release_fault.calls, calls);
    store_write((off_t)(opened() - LITTLE), LITTLE, true);
    fault_set(&release_fault, 0, 0);
    surplus_release(&space);
    assert_int_equal(store_held(), held);
    surplus_release(&space);
    store_write((off_t)CHUNK, LITTLE, true);
    assert_int_equal(surplus_bytes(&space), LITTLE);
    surplus_release(&space);
    assert_int_equal(store_held(), held);
}

static void store_without_holes_is_asked_once(void **state)
{
    (void)state;
    use_some();
    store_write(0, opened(), true);
    fault_set(&release_fault, EOPNOTSUPP, FAULT_ALWAYS);
    surplus_release(&space);
    unsigned calls = release_fault.calls;
    assert_int_equal(surplus_bytes(&space), 0);
    surplus_release(&space);
    assert_int_equal(release_fault.calls, calls);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(all_holes_are_made_again),
        TEST(without_surplus_nothing_is_released),
        TEST(unknown_is_no_surplus),
        TEST(what_stays_is_tried_once),
        TEST(store_without_holes_is_asked_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
