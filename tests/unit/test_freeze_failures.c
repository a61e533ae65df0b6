/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of calls that fail while a space is frozen, shared or thawed: no byte is lost, and where
 * freezing is not possible the child gets a copy.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/aio_abi.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "space/snapshot.h"
#include "space/thaw.h"
#include "store/file_space.h"
#include "support/faults.h"
#include "support/freeze_fixture.h"

/* -- Calls that fail --------------------------------------------------------------------------- */

/* A fork for which nothing, or not all, can be frozen gets a copy; the next one can do without. */
static void check_copy_instead(struct fault *fault, int error, unsigned skip)
{
    clear_faults();
    *fault = (struct fault){.error = error, .skip = skip, .times = FAULT_ALWAYS};
    pid_t child = fork_space();
    if (child == 0) {
        NEED(atomic_load(&space->frozen) == 0 && !atomic_load(&space->lacks_file));
        NEED(is_filled('a'));
        fill('c');
        _exit(0);
    }
    clear_faults();
    assert_int_equal(atomic_load(&space->snapshot), SPACE_SNAPSHOT_COPY);
    assert_false(space->is_frozen);
    check_child(child);
    assert_true(is_filled('a'));
    child = fork_space();
    if (child == 0) {
        NEED(is_filled('a'));
        fill('c');
        _exit(0);
    }
    assert_true(space->is_frozen);
    check_child(child);
    assert_true(is_filled('a'));
    thaw_all(space, true);
    check_thawed();
}

/* Where a long list of maps finds no addresses, a short one serves. */
static void few_addresses(void **state)
{
    (void)state;
    fault_set(&list_fault, ENOMEM, 1);
    freeze_and_write();
    assert_true(list_fault.calls > 1);
    assert_int_not_equal(atomic_load(&space->frozen), 0);
    thaw_all(space, true);
    check_thawed();
    assert_true(is_filled('b'));
}

static void calls_that_freezing_needs(void **state)
{
    (void)state;
    check_copy_instead(&open_fault, EACCES, 0);
    check_copy_instead(&open_fault, ENOENT, 0);
    check_copy_instead(&list_fault, ENOMEM, 0);
    check_copy_instead(&holders_fault, ENOSPC, 0);
    check_copy_instead(&holders_fault, ENOSYS, 0);
    check_copy_instead(&private_fault, ENOMEM, 0);
    check_copy_instead(&private_fault, ENOMEM, 2);
}

/* The kernel may write to the program's memory while no thread does. */
static void no_freezing_beside_transfers(void **state)
{
    aio_context_t context = 0;

    (void)state;
    if (syscall(SYS_io_setup, 4, &context) != 0)
        skip();
    pid_t child = fork_space();
    if (child == 0) {
        NEED(is_filled('a') && !atomic_load(&space->lacks_file));
        _exit(0);
    }
    assert_false(space->is_frozen);
    assert_int_equal(atomic_load(&space->frozen), 0);
    check_child(child);
    assert_int_equal(syscall(SYS_io_destroy, context), 0);
    /* Nor is anything thawed. */
    child = fork_space();
    if (child == 0)
        _exit(0);
    check_child(child);
    assert_true(space->is_frozen);
    fill('b');
    context = 0;
    assert_int_equal(syscall(SYS_io_setup, 4, &context), 0);
    thaw_all(space, true);
    assert_int_not_equal(atomic_load(&space->frozen), 0);
    assert_int_equal(syscall(SYS_io_destroy, context), 0);
    thaw_all(space, true);
    check_thawed();
    assert_true(is_filled('b'));
}

static void spare_number_serves_the_list(void **state)
{
    (void)state;
    fault_set(&open_fault, EMFILE, 1);
    pid_t child = fork_space();
    if (child == 0) {
        char *own = reserve(CHUNK);

        NEED(is_filled('a') && file_space_of(space)->spare_fd >= 0);
        fault_set(&create_fault, EMFILE, 1);
        NEED(space_commit(space, own, CHUNK) == 0);
        NEED(file_space_of(space)->spare_fd >= 0 &&
             descriptor_is(file_space_of(space)->spare_fd, &file_space_of(space)->file));
        _exit(0);
    }
    assert_true(space->is_frozen);
    assert_true(file_space_of(space)->spare_fd >= 0);
    check_child(child);
}

/* A child's first commit outside of what it has inherited. */
static void calls_that_the_childs_file_needs(void **state)
{
    static const struct {
        struct fault *fault;
        int error;
        unsigned skip;
    } cases[] = {
        {&create_fault, ENOSPC, 0},  {&create_fault, EMFILE, 0}, {&stat_fault, EIO, 1},
        {&shared_fault, ENOMEM, 0},  {&shared_fault, ENOMEM, 1}, {&shared_fault, ENOMEM, 3},
        {&protect_fault, ENOMEM, 0},
    };

    (void)state;
    pid_t child = fork_space();
    if (child == 0) {
        char *own = reserve(CHUNK);

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            *cases[i].fault = (struct fault){
                .error = cases[i].error, .skip = cases[i].skip, .times = FAULT_ALWAYS};
            NEED(space_commit(space, own, CHUNK) != 0);
            NEED(atomic_load(&space->lacks_file));
            clear_faults();
        }
        NEED(space_commit(space, own, CHUNK) == 0);
        memset(own, 1, CHUNK);
        NEED(is_filled('a'));
        fill('c');
        NEED(is_filled('c'));
        space_destroy(space);
        _exit(0);
    }
    check_child(child);
    assert_true(is_filled('a'));
}

/*
 * A chunk that the child no longer uses is mapped over its own file. Where a call fails, the chunk
 * can be used as before.
 */
static void calls_that_an_unused_chunk_needs(void **state)
{
    struct fault *const faults[] = {&shared_fault, &protect_fault};

    (void)state;
    pid_t child = fork_space();
    if (child == 0) {
        NEED(space_commit(space, reserve(CHUNK), CHUNK) == 0);
        for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
            fault_set(faults[i], EPERM, FAULT_ALWAYS);
            (void)space_decommit(space, blocks[1], CHUNK);
            NEED(space_commit(space, blocks[1], CHUNK) == 0);
            memset(blocks[1], 1, CHUNK);
            clear_faults();
            memset(blocks[1], 2, CHUNK);
        }
        space_destroy(space);
        _exit(0);
    }
    check_child(child);
    assert_true(is_filled('a'));
}

/* Where no file can be made any more, the child's is in DRAM. */
static void check_child_without_the_directory(int error)
{
    pid_t child = fork_space();
    if (child == 0) {
        char *own = reserve(CHUNK);

        fault_set(&create_fault, error, FAULT_ALWAYS);
        NEED(space_commit(space, own, CHUNK) == 0);
        NEED(file_space_of(space)->in_memory);
        memset(own, 1, CHUNK);
        NEED(is_filled('a'));
        _exit(0);
    }
    check_child(child);
}

/* ENOSYS is that of a filter of system calls. */
static void a_child_without_the_directory(void **state)
{
    (void)state;
    check_child_without_the_directory(EACCES);
    check_child_without_the_directory(ENOSYS);
}

static void commits_in_frozen_chunks_fail(void **state)
{
    char *page = blocks[0] + 5 * space->page;
    struct gate end = gate_new();

    (void)state;
    pid_t child = fork_space();
    size_t held = space_held(space);
    fault_set(&allocate_fault, ENOSPC, FAULT_ALWAYS);
    NEED(space_commit(space, page, space->page) == -ENOSPC);
    NEED(space_held(space) == held);
    fault_set(&allocate_fault, EOPNOTSUPP, FAULT_ALWAYS);
    fault_set(&advise_fault, EFAULT, FAULT_ALWAYS);
    NEED(space_commit(space, page, space->page) == -ENOSPC);
    NEED(space_held(space) == held);
    /* Or else the page is there by being written to. */
    advise_fault = (struct fault){0};
    NEED(space_commit(space, page, space->page) == 0);
    NEED(page[0] == 0);
    page[0] = 'x';
    clear_faults();
    if (child == 0) {
        gate_wait(&end);
        _exit(0);
    }
    gate_open(&end);
    check_child(child);
    gate_close(&end);
    assert_int_equal(page[0], 'x');
    thaw_all(space, true);
    assert_int_equal(page[0], 'x');
}

/* A descriptor that the program has closed, of the child's or of its parent's file. */
static void frozen_files_without_descriptor(void **state)
{
    char *page = blocks[0] + 5 * space->page;

    (void)state;
    pid_t child = fork_space();
    if (child == 0) {
        close(file_space_of(space)->older[0].fd);
        NEED(space_commit(space, page, space->page) == 0);
        memset(page, 1, space->page);
        NEED(is_filled('a'));
        _exit(0);
    }
    check_child(child);
}

static void calls_that_thawing_needs(void **state)
{
    (void)state;
    check_stays_frozen(&write_fault, EIO, 0);
    check_stays_frozen(&write_fault, ENOSPC, 1);
    check_stays_frozen(&shared_fault, ENOMEM, 0);
    check_stays_frozen(&shared_fault, ENOMEM, 1);
    check_stays_frozen(&open_fault, EACCES, 1);
}

/* The thaw fails at the shared mapping of this number; then no child shares what was mapped. */
static void check_child_after_failed_thaw(unsigned number)
{
    shared_fault = (struct fault){.error = ENOMEM, .skip = number, .times = FAULT_ALWAYS};
    thaw_all(space, true);
    clear_faults();
    assert_int_not_equal(atomic_load(&space->frozen), 0);
    pid_t child = fork_space();
    if (child == 0) {
        for (size_t i = 0; i < BLOCKS; i++)
            blocks[i][0] = 'x';
        _exit(0);
    }
    check_child(child);
    assert_true(is_filled('b'));
}

static void a_child_after_a_thaw_that_failed_half_way(void **state)
{
    (void)state;
    freeze_and_write();
    /* Each block becomes several maps. */
    for (size_t i = 0; i < BLOCKS; i++)
        NEED(mprotect(blocks[i] + space->page, space->page, PROT_READ) == 0);
    for (unsigned number = 0; number < 8; number++)
        check_child_after_failed_thaw(number);
    for (size_t i = 0; i < BLOCKS; i++)
        NEED(mprotect(blocks[i], size_of(i), PROT_READ | PROT_WRITE) == 0);
    thaw_all(space, true);
    check_thawed();
    assert_true(is_filled('b'));
}

static void protections_of_a_thaw_that_fails(void **state)
{
    (void)state;
    freeze_and_write();
    NEED(mprotect(blocks[1], space->page, PROT_NONE) == 0);
    fault_set(&write_fault, EIO, FAULT_ALWAYS);
    thaw_all(space, true);
    assert_int_equal(protection_of(blocks[1]), PROT_NONE);
    clear_faults();
    fault_set(&protect_fault, ENOMEM, 1);
    thaw_all(space, true);
    assert_int_not_equal(atomic_load(&space->frozen), 0);
    thaw_all(space, true);
    assert_int_equal(atomic_load(&space->frozen), 0);
    assert_int_equal(protection_of(blocks[1]), PROT_NONE);
    NEED(mprotect(blocks[1], space->page, PROT_READ | PROT_WRITE) == 0);
    assert_true(is_filled('b'));
}

int main(void)
{
    /* Its own thread cannot be stopped. */
    if (SANITIZED)
        return SKIPPED;
    const struct CMUnitTest tests[] = {
        TEST(a_child_after_a_thaw_that_failed_half_way),
        TEST(calls_that_freezing_needs),
        TEST(few_addresses),
        TEST(no_freezing_beside_transfers),
        TEST(spare_number_serves_the_list),
        TEST(calls_that_the_childs_file_needs),
        TEST(calls_that_an_unused_chunk_needs),
        TEST(a_child_without_the_directory),
        TEST(commits_in_frozen_chunks_fail),
        TEST(frozen_files_without_descriptor),
        TEST(calls_that_thawing_needs),
        TEST(protections_of_a_thaw_that_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
