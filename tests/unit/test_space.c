/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the file space of spaces: what is committed and released, the limit, and what remains
 * when a call fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "space/address_map.h"
#include "space/space.h"
#include "support/faults.h"
#include "support/leftovers.h"
#include "support/page_size.h"
#include "support/space_fixture.h"

/* -- Life -------------------------------------------------------------------------------------- */

static void new_space_has_nothing(void **state)
{
    (void)state;
    assert_int_equal(space->fd, -1);
    assert_int_equal(space->offset, 0);
    assert_null(space->path);
    assert_null(space_directory(space));
    assert_int_equal(space_held(space), 0);
    assert_int_equal(mapped, 0);
    assert_int_equal(space_trim(space), 0);
}

static void no_lock_is_an_error(void **state)
{
    struct space other;

    (void)state;
    fault_set(&mutex_fault, EAGAIN, 1);
    assert_int_equal(space_init(&other, &fake_store, 0, OWNER), -EAGAIN);
}

static void destroy_releases_everything(void **state)
{
    char *addr = reserve(3 * CHUNK, CHUNK);
    int fd = space->fd;

    (void)state;
    commit(addr, 3 * CHUNK);
    memset(addr, 1, 3 * CHUNK);
    reserve(GIB, GIB);
    space_destroy(space);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(address_map_owner(addr), ADDRESS_MAP_NONE);
    assert_int_equal(mapped, 0);
    leftovers_check(&before);
    test_dir_remove(dir_path);
    setup_file(state);
}

/* -- File space -------------------------------------------------------------------------------- */

static void commit_takes_a_chunk(void **state)
{
    char *addr = reserve(2 * CHUNK, CHUNK);

    (void)state;
    commit(addr + page, page);
    assert_int_equal(space_held(space), CHUNK);
    commit(addr + 2 * page, page);
    assert_int_equal(store_calls, 1);
    assert_int_equal(space_trim(space), CHUNK - 2 * page);
    assert_int_equal(space_held(space), 2 * page);
    assert_int_equal(space_trim(space), 0);
}

static void new_space_begins_in_steps_below_a_chunk(void **state)
{
    struct space other;
    void *addr;

    (void)state;
    assert_int_equal(space_init(&other, &fake_store, 0, OWNER), 0);
    assert_true(other.first_step >= page && other.first_step <= CHUNK);
    assert_int_equal(other.first_step & (other.first_step - 1), 0);
    assert_int_equal(space_reserve(&other, CHUNK, CHUNK, &addr), 0);
    assert_int_equal(space_commit(&other, addr, page), 0);
    assert_int_equal(space_held(&other), other.first_step);
    assert_int_equal(space_decommit(&other, addr, page), 0);
    assert_int_equal(space_held(&other), 0);
    space_fini(&other);
}

static void exact_space_commits_what_is_requested(void **state)
{
    char *addr = reserve(2 * CHUNK, CHUNK);

    (void)state;
    space->exact = true;
    commit(addr + page, page);
    assert_int_equal(space_held(space), page);
    assert_int_equal(space_trim(space), 0);
}

static void peak_chunks_and_purges_are_counted(void **state)
{
    char *addr = reserve(4 * CHUNK + page, CHUNK);
    char *other = reserve(CHUNK, CHUNK);

    (void)state;
    space->exact = true;
    assert_int_equal(space_chunks(space), 0);
    assert_int_equal(space->peak, 0);
    /* The end of one chunk, a whole one, the beginning of the next; and the last, which is cut. */
    commit(addr + CHUNK - page, CHUNK + 2 * page);
    commit(addr + 4 * CHUNK, page);
    commit(other, page);
    assert_int_equal(space_chunks(space), 5);
    size_t most = space_held(space);
    assert_int_equal(most, CHUNK + 4 * page);
    assert_int_equal(space->peak, most);
    assert_int_equal(space->purges, 0);

    decommit(addr + CHUNK - page, CHUNK + page);
    assert_int_equal(space_chunks(space), 3);
    assert_int_equal(space->purges, 1);
    commit(addr, 3 * page);
    assert_int_equal(space->peak, most);
    /* Failed commits and releases do not count. */
    fault_set(&release_fault, EIO, 1);
    assert_int_equal(space_decommit(space, addr, page), 0);
    assert_int_equal(space->purges, 1);
    space->max_size = 2 * CHUNK;
    assert_int_equal(space_commit(space, addr + 2 * CHUNK + page, 2 * CHUNK - page), -ENOMEM);
    assert_int_equal(space->peak, most);
}

static void what_others_have_ahead_is_taken_at_the_limit(void **state)
{
    char *first = reserve(CHUNK, CHUNK);
    char *second = reserve(CHUNK, CHUNK);
    char *third = reserve(CHUNK, CHUNK);

    (void)state;
    space->max_size = 2 * CHUNK;
    commit(first, page);
    commit(second, page);
    assert_int_equal(space_held(space), 2 * CHUNK);
    commit(third, CHUNK);
    assert_int_equal(space_held(space), CHUNK + 2 * page);
    assert_int_equal(space_commit(space, first + page, CHUNK - page), -ENOMEM);
    assert_int_equal(space_held(space), CHUNK + 2 * page);
    commit(first + page, CHUNK - 2 * page);
    assert_int_equal(space_held(space), 2 * CHUNK);
    assert_int_equal(space_commit(space, second + page, page), -ENOMEM);
    assert_false(limit_was_passed);
}

static void block_of_max_size_fits(void **state)
{
    char *small = reserve(CHUNK, CHUNK);
    char *large = reserve(8 * CHUNK, CHUNK);

    (void)state;
    space->max_size = 8 * CHUNK;
    commit(small, page);
    assert_int_equal(space_commit(space, large, 8 * CHUNK), -ENOMEM);
    decommit(small, page);
    assert_int_equal(space_held(space), 0);
    commit(large, 8 * CHUNK);
    assert_int_equal(space_held(space), space->max_size);
}

static void full_space_is_known_without_trying(void **state)
{
    void *addr;

    (void)state;
    assert_true(space_has_room(space, SIZE_MAX));
    space->max_size = 2 * CHUNK;
    assert_false(space_has_room(space, 2 * CHUNK + 1));
    assert_true(space_has_room(space, 2 * CHUNK));
    assert_int_equal(space_reserve(space, 2 * CHUNK, CHUNK, &addr), 0);
    assert_int_equal(space_commit(space, addr, space->page), 0);
    /* The rest of the committed pages is ahead of need. */
    assert_true(space_has_room(space, CHUNK));
    assert_false(space_has_room(space, 2 * CHUNK));
    assert_int_equal(space_commit(space, (char *)addr + space->page, 2 * CHUNK - space->page), 0);
    assert_false(space_has_room(space, 1));
}

static void full_store_is_its_error(void **state)
{
    char *addr = reserve(2 * CHUNK, CHUNK);

    (void)state;
    commit(addr, page);
    fault_set(&commit_fault, ENOSPC, FAULT_ALWAYS);
    assert_int_equal(space_commit(space, addr + CHUNK, page), -ENOSPC);
    /* Pages that were ahead were released before the last attempt. */
    assert_int_equal(space_held(space), page);
    assert_int_equal(space->ahead, 0);
    assert_int_equal(store_held, page);
}

static void released_store_is_needed_first(void **state)
{
    char *addr = reserve(CHUNK, CHUNK);

    (void)state;
    commit(addr, page);
    fault_set(&release_fault, EIO, FAULT_ALWAYS);
    assert_int_equal(space_decommit(space, addr, page), 0);
    assert_int_equal(space_held(space), CHUNK);
    assert_int_equal(space_trim(space), 0);
    space_retry(space);
    assert_int_equal(space_held(space), CHUNK);
    fault_set(&release_fault, 0, 0);
    space_retry(space);
    assert_int_equal(space_held(space), 0);
    assert_int_equal(space->stale, 0);
}

static void later_decommit_takes_what_failed_with_it(void **state)
{
    char *addr = reserve(CHUNK, CHUNK);
    char *other = reserve(CHUNK, CHUNK);

    (void)state;
    commit(addr, 2 * page);
    commit(other, page);
    fault_set(&release_fault, EIO, 1);
    assert_int_equal(space_decommit(space, addr, 2 * page), 0);
    assert_int_equal(space->stale, CHUNK);
    decommit(other, page);
    assert_int_equal(space->stale, 0);
    assert_int_equal(space_held(space), 0);
}

static void closing_space_releases_nothing(void **state)
{
    char *addr = reserve(CHUNK, CHUNK);

    (void)state;
    commit(addr, CHUNK);
    store_calls = 0;
    space->closing = true;
    assert_int_equal(space_decommit(space, addr, CHUNK), -EOPNOTSUPP);
    assert_int_equal(store_calls, 0);
}

static void committed_pages_are_zero_again(void **state)
{
    char *addr = reserve(2 * CHUNK, CHUNK);

    (void)state;
    commit(addr, 2 * CHUNK);
    assert_true(is_zero(addr, 2 * CHUNK));
    memset(addr, 1, 2 * CHUNK);
    decommit(addr + page, CHUNK);
    commit(addr + page, CHUNK);
    assert_true(is_zero(addr + page, CHUNK));
    assert_int_equal(addr[page - 1], 1);
    assert_int_equal(addr[CHUNK + page], 1);
}

static void store_without_holes_keeps_the_pages(void **state)
{
    char *addr = reserve(CHUNK, CHUNK);

    (void)state;
    commit(addr, page);
    memset(addr, 1, page);
    fault_set(&punch_fault, EOPNOTSUPP, FAULT_ALWAYS);
    assert_int_equal(space_decommit(space, addr, page), -EOPNOTSUPP);
    assert_int_equal(addr[0], 1);
    assert_int_equal(space_decommit(space, addr, page), -EOPNOTSUPP);
    assert_int_equal(space_trim(space), 0);
    /* One call was enough. */
    assert_int_equal(punch_fault.calls, 1);
    assert_int_equal(file_space_held(space->fd), CHUNK);
    assert_int_equal(space_held(space), CHUNK);
    commit(addr + page, page);
}

/* A commit of two runs around a used one, where the n-th fallocate(2) and all after it fail. */
static void full_file_system_changes_nothing(void **state)
{
    bool failed = true;

    for (unsigned n = 0; failed; n++) {
        char *addr = reserve(2 * CHUNK, CHUNK);

        space->exact = true;
        commit(addr + 10 * page, page);
        commit(addr + 20 * page, page);
        fault_set(&allocate_fault, ENOSPC, FAULT_ALWAYS);
        allocate_fault.skip = n;
        space->exact = false;
        int err = space_commit(space, addr + 11 * page, 9 * page);
        failed = err != 0;
        if (failed) {
            assert_int_equal(err, -ENOSPC);
            assert_int_equal(space_held(space), 2 * page);
            assert_int_equal(space->ahead, 0);
        }
        assert_int_equal(file_space_held(space->fd), space_held(space));
        assert_true(n < 20);
        teardown(state);
        setup_file(state);
    }
}

static int run(void)
{
#define FAKE(name) cmocka_unit_test_setup_teardown(name, setup_fake, teardown)
#define REAL(name) cmocka_unit_test_setup_teardown(name, setup_file, teardown)
    const struct CMUnitTest tests[] = {
        FAKE(new_space_has_nothing),
        FAKE(no_lock_is_an_error),
        REAL(destroy_releases_everything),
        FAKE(commit_takes_a_chunk),
        FAKE(new_space_begins_in_steps_below_a_chunk),
        FAKE(exact_space_commits_what_is_requested),
        FAKE(peak_chunks_and_purges_are_counted),
        FAKE(what_others_have_ahead_is_taken_at_the_limit),
        FAKE(block_of_max_size_fits),
        FAKE(full_space_is_known_without_trying),
        FAKE(full_store_is_its_error),
        FAKE(released_store_is_needed_first),
        FAKE(later_decommit_takes_what_failed_with_it),
        FAKE(closing_space_releases_nothing),
        REAL(committed_pages_are_zero_again),
        REAL(store_without_holes_keeps_the_pages),
        REAL(full_file_system_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    /* The address map's tables are mapped once in a process. */
    return address_map_open(NULL, 0) != 0 ? 1 : on_each_page_size(run);
}
