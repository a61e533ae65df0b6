/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the hooks as jemalloc calls them: true is failure, errno is kept, and a failed call
 * changes nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "heap/extent_hooks.h"
#include "space/address_map.h"
#include "space/space.h"
#include "support/fake_mmap.h"
#include "support/faults.h"
#include "support/no_mapping_cache.h"

#define PAGE       ((size_t)4096)
#define CHUNK      SPACE_CHUNK
#define GIB        ((size_t)1 << 30)
#define OWNER      (ADDRESS_MAP_FIRST_OWNER + 1u)
#define ARENA      17
#define SOME_ERRNO 1234

static struct space space;
static struct extent_hooks hooks;
static struct fault map_fault;
static struct fault commit_fault;
static struct fault release_fault;

static int fake_map(struct space *of, void *addr, size_t size, off_t offset)
{
    (void)of;
    (void)addr;
    (void)size;
    (void)offset;
    return fault_hits(&map_fault) ? -map_fault.error : 0;
}

static int fake_commit(struct space *of, void *addr, off_t offset, size_t size)
{
    (void)addr;
    (void)of;
    (void)offset;
    (void)size;
    return fault_hits(&commit_fault) ? -commit_fault.error : 0;
}

static int fake_release(struct space *of, void *addr, off_t offset, size_t size)
{
    (void)of;
    (void)addr;
    (void)offset;
    (void)size;
    return fault_hits(&release_fault) ? -release_fault.error : 0;
}

static size_t longest; /* the most bytes that the file may hold */

static size_t fake_longest(const struct space *of)
{
    (void)of;
    return longest;
}

static const struct store_ops fake_store = {
    .map = fake_map,
    .commit = fake_commit,
    .release = fake_release,
    .longest = fake_longest,
};

static int start(bool hold)
{
    mmap_fault = munmap_fault = map_fault = commit_fault = release_fault = (struct fault){0};
    mapped = 0;
    longest = SIZE_MAX;
    assert_int_equal(space_init(&space, &fake_store, 0, OWNER), 0);
    space.exact = true;
    assert_int_equal(extent_hooks_init(&hooks, &space, hold), 0);
    extent_hooks_begin(PAGE, 0);
    errno = SOME_ERRNO;
    return 0;
}

static int setup(void **state)
{
    (void)state;
    return start(false);
}

static int setup_hold(void **state)
{
    (void)state;
    return start(true);
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(errno, SOME_ERRNO);
    extent_hooks_fini(&hooks);
    space_fini(&space);
    assert_int_equal(mapped, 0);
    return 0;
}

static char *alloc(void *wanted, size_t size, size_t alignment, bool *zero, bool *commit)
{
    return hooks.table.alloc(&hooks.table, wanted, size, alignment, zero, commit, ARENA);
}

/* Returns a region without committed pages. */
static char *region(size_t size)
{
    bool zero = false;
    bool commit = false;
    char *addr = alloc(NULL, size, PAGE, &zero, &commit);

    assert_non_null(addr);
    assert_true(zero);
    assert_false(commit);
    return addr;
}

static bool commit_fails(char *addr, size_t size, size_t offset, size_t length)
{
    return hooks.table.commit(&hooks.table, addr, size, offset, length, ARENA);
}

static bool decommit_fails(char *addr, size_t size, size_t offset, size_t length)
{
    return hooks.table.decommit(&hooks.table, addr, size, offset, length, ARENA);
}

/* -- Regions ----------------------------------------------------------------------------------- */

static void region_takes_no_file_space(void **state)
{
    char *addr = region(GIB);

    (void)state;
    assert_int_equal((uintptr_t)addr % CHUNK, 0);
    assert_int_equal(address_map_owner(addr), OWNER);
    assert_int_equal(space_held(&space), 0);
}

static void alignment_is_honoured(void **state)
{
    bool zero = false;
    bool commit = false;

    (void)state;
    assert_int_equal((uintptr_t)alloc(NULL, PAGE, GIB, &zero, &commit) % GIB, 0);
}

static void address_of_the_callers_choice_is_refused(void **state)
{
    char *addr = region(CHUNK);
    bool zero = false;
    bool commit = false;

    (void)state;
    assert_null(alloc(addr + CHUNK, CHUNK, PAGE, &zero, &commit));
    assert_false(zero);
}

static void committed_region_is_refused_while_there_are_addresses(void **state)
{
    bool zero = false;
    bool commit = true;

    (void)state;
    region(CHUNK);
    assert_null(alloc(NULL, CHUNK, PAGE, &zero, &commit));
    assert_int_equal(space_held(&space), 0);
}

static void committed_region_is_had_when_addresses_are_short(void **state)
{
    bool zero = false;
    bool commit = false;

    (void)state;
    fault_set(&map_fault, ENOMEM, 1);
    assert_null(alloc(NULL, GIB, PAGE, &zero, &commit));
    commit = true;
    char *addr = alloc(NULL, 3 * PAGE, PAGE, &zero, &commit);
    assert_non_null(addr);
    assert_true(commit);
    assert_true(zero);
    assert_int_equal(space_held(&space), 3 * PAGE);
}

/*
 * As jemalloc does if no large region can be reserved: requests one of the exact size, committed.
 */
static char *alloc_exactly(size_t size)
{
    bool zero = false;
    bool commit = false;

    extent_hooks_begin(PAGE, 0);
    fault_set(&map_fault, ENOMEM, 1);
    assert_null(alloc(NULL, GIB, PAGE, &zero, &commit));
    fault_set(&map_fault, 0, 0);
    commit = true;
    return alloc(NULL, size, PAGE, &zero, &commit);
}

static void committed_region_without_file_space_is_handed_back(void **state)
{
    (void)state;
    fault_set(&commit_fault, ENOSPC, FAULT_ALWAYS);
    for (int i = 0; i < 100; i++)
        assert_null(alloc_exactly(40 * CHUNK));
    assert_int_equal(space_held(&space), 0);
    /* One region served all requests. */
    assert_true(space.reserved <= 2 * ADDRESS_MAP_GRANULE);
    fault_set(&commit_fault, 0, 0);
    assert_non_null(alloc_exactly(40 * CHUNK));
    assert_int_equal(space_held(&space), 40 * CHUNK);
}

/* Requests a block of this size as jemalloc does, in two steps. */
static char *block(size_t size, unsigned arena)
{
    bool zero = false;
    bool commit = false;

    extent_hooks_begin(size, 0);
    char *addr = hooks.table.alloc(&hooks.table, NULL, size, PAGE, &zero, &commit, arena);
    commit = true;
    return addr != NULL ? addr
                        : hooks.table.alloc(&hooks.table, NULL, size, PAGE, &zero, &commit, arena);
}

static void blocks_lie_in_rows_where_the_file_must_not_become_long(void **state)
{
    const size_t size = CHUNK + CHUNK / 2;

    (void)state;
    longest = 10 * size + CHUNK / 2;
    char *first = block(size, ARENA);
    assert_non_null(first);
    assert_int_equal((uintptr_t)first % CHUNK, 0);
    assert_int_equal(space_held(&space), size);
    /* Another arena or size has a row of its own. */
    char *other = block(size, ARENA + 1);
    char *smaller = block(CHUNK / 2, ARENA);
    assert_non_null(other);
    assert_ptr_equal(block(size, ARENA), first + size);
    assert_ptr_equal(block(size, ARENA + 1), other + size);
    assert_ptr_equal(block(CHUNK / 2, ARENA), smaller + CHUNK / 2);
    assert_int_equal(space_held(&space), 4 * size + CHUNK);
    /* The remainder is shorter than a row. */
    size_t count = 4;
    while (block(size, ARENA) != NULL)
        count++;
    assert_int_equal(count, 9);
    assert_int_equal(space_held(&space), count * size + CHUNK);
}

static void row_without_file_space_is_handed_back(void **state)
{
    const size_t size = CHUNK + CHUNK / 2;

    (void)state;
    longest = 4 * size;
    fault_set(&commit_fault, ENOSPC, FAULT_ALWAYS);
    for (int i = 0; i < 50; i++)
        assert_null(block(size, ARENA));
    assert_int_equal(space_held(&space), 0);
    fault_set(&commit_fault, 0, 0);
    char *first = block(size, ARENA);
    assert_non_null(first);
    /* The next block gets the place whose commit has failed. */
    fault_set(&commit_fault, ENOSPC, FAULT_ALWAYS);
    assert_null(block(size, ARENA));
    fault_set(&commit_fault, 0, 0);
    assert_ptr_equal(block(size, ARENA), first + size);
    assert_non_null(block(size, ARENA));
    assert_non_null(block(size, ARENA));
    assert_null(block(size, ARENA));
    extent_hooks_adopt(&hooks);
    assert_null(block(size, ARENA));
}

static void no_region_is_taken_where_file_space_is_short(void **state)
{
    char *addr = region(CHUNK);
    bool zero = false;
    bool commit = false;

    (void)state;
    fault_set(&commit_fault, ENOSPC, FAULT_ALWAYS);
    assert_true(commit_fails(addr, CHUNK, 0, PAGE));
    assert_null(alloc(NULL, CHUNK, PAGE, &zero, &commit));
    commit = true;
    assert_null(alloc(NULL, CHUNK, PAGE, &zero, &commit));
    /* The refusal was recorded for that block only. */
    extent_hooks_begin(PAGE, 0);
    region(CHUNK);
}

static void nothing_is_taken_for_what_the_limit_forbids(void **state)
{
    bool zero = false;
    bool commit = false;

    (void)state;
    space.max_size = 4 * CHUNK;
    extent_hooks_begin(5 * CHUNK, 0);
    assert_null(alloc(NULL, 5 * CHUNK, PAGE, &zero, &commit));
    commit = true;
    assert_null(alloc(NULL, 5 * CHUNK, PAGE, &zero, &commit));
    assert_int_equal(mapped, 0);
}

/* One size after another, each of which fails. */
static void huge_region_without_file_space_leaves_no_addresses(void **state)
{
    (void)state;
    for (int aligned = 0; aligned <= 1; aligned++)
        for (size_t size = 2 * GIB; size <= 64 * GIB; size += size / 4) {
            bool zero = false;
            bool commit = false;

            extent_hooks_begin(size, aligned ? 2 * GIB : 0);
            assert_null(alloc(NULL, size + size / 8, PAGE, &zero, &commit));
            fault_set(&commit_fault, ENOSPC, FAULT_ALWAYS);
            commit = true;
            assert_null(alloc(NULL, size, aligned ? 2 * GIB : PAGE, &zero, &commit));
            assert_int_equal(space.reserved, 0);
            assert_int_equal(space.offset, 0);
            fault_set(&commit_fault, 0, 0);
        }
    extent_hooks_begin(PAGE, 0);
    region(CHUNK);
}

static void impossible_region_is_null(void **state)
{
    bool zero = false;
    bool commit = false;

    (void)state;
    assert_null(alloc(NULL, SIZE_MAX & ~(PAGE - 1), PAGE, &zero, &commit));
    assert_null(alloc(NULL, PAGE, (size_t)1 << 62, &zero, &commit));
    fault_set(&mmap_fault, ENOMEM, FAULT_ALWAYS);
    assert_null(alloc(NULL, CHUNK, PAGE, &zero, &commit));
}

/* -- Pages ------------------------------------------------------------------------------------- */

static void part_of_a_region_is_committed(void **state)
{
    char *addr = region(4 * CHUNK);

    (void)state;
    assert_false(commit_fails(addr, CHUNK, 2 * PAGE, 3 * PAGE));
    assert_int_equal(space_held(&space), 3 * PAGE);
    assert_false(decommit_fails(addr, CHUNK, 3 * PAGE, PAGE));
    assert_int_equal(space_held(&space), 2 * PAGE);
}

static void failures_are_true(void **state)
{
    char *addr = region(CHUNK);

    (void)state;
    fault_set(&commit_fault, ENOSPC, FAULT_ALWAYS);
    assert_true(commit_fails(addr, CHUNK, 0, CHUNK));
    fault_set(&commit_fault, 0, 0);
    space.max_size = CHUNK / 2;
    assert_true(commit_fails(addr, CHUNK, 0, CHUNK));
    assert_false(commit_fails(addr, CHUNK, 0, CHUNK / 2));
    fault_set(&release_fault, EOPNOTSUPP, 1);
    assert_true(decommit_fails(addr, CHUNK, 0, PAGE));
    assert_int_equal(space_held(&space), CHUNK / 2);
    errno = SOME_ERRNO;
}

static void errno_is_kept_by_failures(void **state)
{
    char *addr = region(CHUNK);

    (void)state;
    fault_set(&commit_fault, ENOSPC, FAULT_ALWAYS);
    errno = SOME_ERRNO;
    assert_true(commit_fails(addr, CHUNK, 0, CHUNK));
    assert_int_equal(errno, SOME_ERRNO);
    fault_set(&commit_fault, 0, 0);
    assert_false(commit_fails(addr, CHUNK, 0, CHUNK));
    fault_set(&release_fault, EIO, 1);
    assert_false(decommit_fails(addr, CHUNK, 0, PAGE));
    assert_int_equal(errno, SOME_ERRNO);
    fault_set(&release_fault, EOPNOTSUPP, 1);
    assert_true(decommit_fails(addr, CHUNK, PAGE, CHUNK - PAGE));
}

static void held_pages_are_not_given_back(void **state)
{
    char *addr = region(CHUNK);

    (void)state;
    assert_false(commit_fails(addr, CHUNK, 0, CHUNK));
    assert_true(decommit_fails(addr, CHUNK, 0, CHUNK));
    assert_int_equal(release_fault.calls, 0);
    assert_int_equal(space_held(&space), CHUNK);
}

/* -- Extents ----------------------------------------------------------------------------------- */

static bool merge_fails(char *addr, size_t size_a, size_t size_b)
{
    return hooks.table.merge(&hooks.table, addr, size_a, addr + size_a, size_b, true, ARENA);
}

static void extents_merge_within_a_region_only(void **state)
{
    char *first = region(2 * CHUNK);
    char *second = region(CHUNK);

    (void)state;
    assert_false(
        hooks.table.split(&hooks.table, first, 2 * CHUNK, PAGE, 2 * CHUNK - PAGE, true, ARENA));
    assert_false(merge_fails(first, PAGE, PAGE));
    assert_false(merge_fails(first, CHUNK, CHUNK));
    assert_ptr_equal(second, first + 2 * CHUNK);
    assert_true(merge_fails(first, 2 * CHUNK, CHUNK));
    assert_true(merge_fails(first + CHUNK, CHUNK, PAGE));
}

static void part_of_a_region_never_goes(void **state)
{
    (void)state;
    /* jemalloc treats a missing hook as one that declines. */
    assert_null(hooks.table.dalloc);
    assert_null(hooks.table.destroy);
    assert_null(hooks.table.purge_lazy);
    assert_null(hooks.table.purge_forced);
}

int main(void)
{
    /* Maps the address map's tables, which happens once in a process. */
    if (address_map_open(NULL, 0) != 0)
        return 1;
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(region_takes_no_file_space),
        TEST(alignment_is_honoured),
        TEST(address_of_the_callers_choice_is_refused),
        TEST(committed_region_is_refused_while_there_are_addresses),
        TEST(committed_region_is_had_when_addresses_are_short),
        TEST(committed_region_without_file_space_is_handed_back),
        TEST(no_region_is_taken_where_file_space_is_short),
        TEST(nothing_is_taken_for_what_the_limit_forbids),
        TEST(huge_region_without_file_space_leaves_no_addresses),
        TEST(impossible_region_is_null),
        TEST(blocks_lie_in_rows_where_the_file_must_not_become_long),
        TEST(row_without_file_space_is_handed_back),
        TEST(part_of_a_region_is_committed),
        TEST(failures_are_true),
        TEST(errno_is_kept_by_failures),
        cmocka_unit_test_setup_teardown(held_pages_are_not_given_back, setup_hold, teardown),
        TEST(extents_merge_within_a_region_only),
        TEST(part_of_a_region_never_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
