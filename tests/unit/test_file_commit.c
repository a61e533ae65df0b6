/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of how a space over a file takes its file space: by small and large pages. */
#include "support/file_store_fixture.h"

/* Bytes of files that are mapped and in this process's page tables. */
static size_t resident(void)
{
    unsigned long pages[3] = {0};
    FILE *file = fopen("/proc/self/statm", "re");

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu %lu", &pages[0], &pages[1], &pages[2]), 3);
    fclose(file);
    return pages[2] * space->page;
}

/*
 * One page is populated, to check whether it comes as a large one. Space is taken for two chunks
 * and the parts before and after these, and for the first page of each chunk to be collapsed.
 */
static void small_pages_are_allocated(void **state)
{
    const size_t page = space->page;

    (void)state;
    space->exact = true;
    open_file();
    char *addr = reserved(4 * CHUNK);
    fault_set(&collapse_fault, EINVAL, FAULT_ALWAYS);
    assert_int_equal(space_commit(space, addr + page, 3 * CHUNK), 0);
    assert_int_equal(populate_fault.calls, 1);
    assert_int_equal(allocate_fault.calls, 3 + 2 * collapse_fault.calls);
    assert_int_equal(file_space_held(space->fd), 3 * CHUNK);
    assert_int_equal(space_commit(space, addr, page), 0);
    assert_int_equal(populate_fault.calls, 1);
    assert_int_equal(file_space_held(space->fd), space_held(space));
}

/* Nothing is mapped before it is touched, and it is no SIGBUS then. */
static void committed_chunks_are_not_resident(void **state)
{
    (void)state;
    open_file();
    size_t earlier = resident();
    char *addr = committed(16 * CHUNK);
    assert_true(resident() < earlier + CHUNK);
    for (size_t i = 0; i < 16; i++)
        addr[i * CHUNK] = 'x';
    assert_int_equal(file_space_held(space->fd), 16 * CHUNK);
}

static void large_pages_are_populated(void **state)
{
    const size_t page = space->page;

    (void)state;
    space->exact = true;
    open_file();
    file_space_of(space)->large_pages = true;
    char *addr = reserved(4 * CHUNK);
    assert_int_equal(space_commit(space, addr + page, 3 * CHUNK), 0);
    assert_int_equal(populate_fault.calls, 1);
    assert_int_equal(allocate_fault.calls, 2);
    assert_int_equal(file_space_held(space->fd), 3 * CHUNK);
}

/* A filter of system calls. */
static void without_fallocate_chunks_are_populated(void **state)
{
    (void)state;
    open_file();
    fault_set(&allocate_fault, EOPNOTSUPP, FAULT_ALWAYS);
    committed(2 * CHUNK);
    assert_true(populate_fault.calls > 0);
    assert_int_equal(file_space_held(space->fd), 2 * CHUNK);
}

/* The file only grows: committing pages before its end must not truncate it. */
static void file_is_never_cut(void **state)
{
    (void)state;
    space->exact = true;
    open_file();
    char *addr = reserved(8 * CHUNK);
    assert_int_equal(space_commit(space, addr + 6 * CHUNK, space->page), 0);
    addr[6 * CHUNK] = 'x';
    assert_int_equal(space_commit(space, addr, CHUNK), 0);
    assert_int_equal(space_commit(space, addr + 2 * CHUNK, CHUNK), 0);
    assert_int_equal(addr[6 * CHUNK], 'x');
    assert_int_equal(extend_fault.calls, 1);
    assert_int_equal(file_space_held(space->fd), 2 * CHUNK + space->page);
}

static void populating_that_finds_no_space_leaves_none_taken(void **state)
{
    static const struct {
        int error, result;
    } cases[] = {{EFAULT, -ENOSPC}, {ENOMEM, -ENOMEM}, {EHWPOISON, -EHWPOISON}};

    (void)state;
    open_file();
    file_space_of(space)->large_pages = true;
    char *addr = reserved(3 * CHUNK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fault_set(&populate_fault, cases[i].error, FAULT_ALWAYS);
        assert_int_equal(space_commit(space, addr, 3 * CHUNK), cases[i].result);
        assert_int_equal(file_space_held(space->fd), 0);
        assert_int_equal(space_held(space), 0);
    }
    fault_set(&populate_fault, 0, 0);
    assert_int_equal(space_commit(space, addr, 3 * CHUNK), 0);
    assert_int_equal(file_space_held(space->fd), 3 * CHUNK);
}

static void kernel_that_cannot_populate_allocates(void **state)
{
    (void)state;
    open_file();
    file_space_of(space)->large_pages = true;
    fault_set(&populate_fault, EINVAL, FAULT_ALWAYS);
    committed(2 * CHUNK);
    assert_int_equal(file_space_held(space->fd), 2 * CHUNK);
}

/*
 * As under qemu-user: touching memory without file space would raise SIGBUS on a full file system.
 */
static void emulator_that_ignores_advice_allocates(void **state)
{
    (void)state;
    open_file();
    populates_in_vain = true;
    committed(2 * CHUNK);
    assert_int_equal(file_space_held(space->fd), 2 * CHUNK);
    char *block = committed(3 * CHUNK);
    assert_int_equal(file_space_held(space->fd), 5 * CHUNK);
    assert_int_equal(space_decommit(space, block, 3 * CHUNK), 0);
    assert_int_equal(file_space_held(space->fd), 2 * CHUNK);
}

static void file_that_cannot_grow_is_an_error(void **state)
{
    (void)state;
    open_file();
    char *addr = reserved(2 * CHUNK);
    fault_set(&extend_fault, EINTR, 3);
    assert_int_equal(space_commit(space, addr, CHUNK), 0);
    assert_int_equal(extend_fault.calls, 4);
    fault_set(&extend_fault, EFBIG, FAULT_ALWAYS);
    assert_int_equal(space_commit(space, addr + CHUNK, CHUNK), -EFBIG);
    assert_int_equal(file_space_held(space->fd), CHUNK);
    fault_set(&extend_fault, 0, 0);
    assert_int_equal(space_commit(space, addr + CHUNK, CHUNK), 0);
}

/* So that a fork, which freezes whole chunks, need not lengthen the file. */
static void file_ends_with_a_chunk_where_it_can(void **state)
{
    (void)state;
    space->exact = true;
    open_file();
    char *addr = reserved(2 * CHUNK);
    assert_int_equal(space_commit(space, addr, space->page), 0);
    assert_int_equal(file_space_of(space)->file_size, CHUNK);
    assert_int_equal(file_space_held(space->fd), space->page);
    fault_set(&extend_fault, EFBIG, 1);
    assert_int_equal(space_commit(space, addr + CHUNK, space->page), 0);
    assert_int_equal(extend_fault.calls, 2);
    assert_int_equal(file_space_of(space)->file_size, CHUNK + space->page);
}

static void other_file_systems_allocate(void **state)
{
    (void)state;
    fault_set(&fstatfs_fault, EIO, 1);
    open_file();
    assert_false(file_space_of(space)->in_memory);
    committed(2 * CHUNK);
    assert_int_equal(populate_fault.calls, 0);
    assert_int_equal(extend_fault.calls, 0);
}

static void prefault_populates_what_was_allocated(void **state)
{
    (void)state;
    fault_set(&fstatfs_fault, EIO, 1);
    space->prefault = true;
    open_file();
    committed(2 * CHUNK);
    assert_int_equal(populate_fault.calls, 1);
    /* The file space is allocated, so the commit succeeds: populating is optional. */
    fault_set(&populate_fault, ENOMEM, FAULT_ALWAYS);
    committed(2 * CHUNK);
    assert_int_equal(populate_fault.calls, 1);
    assert_int_equal(file_space_held(space->fd), 4 * CHUNK);
}

/* -- Large pages by collapsing ----------------------------------------------------------------- */

/* Other page sizes have larger or no large pages. */
static bool may_collapse(void)
{
    return space->page == COLLAPSE_SMALL_PAGE;
}

/* They come as large pages only where freed memory is not kept. */
static void chunks_are_collapsed(void **state)
{
    (void)state;
    open_file();
    committed(2 * CHUNK);
    assert_int_equal(collapse_fault.calls, 0);
    space->exact = true;
    size_t earlier = resident();
    char *addr = committed(16 * CHUNK);
    assert_int_equal(collapse_fault.calls, may_collapse());
    assert_true(resident() < earlier + CHUNK);
    assert_int_equal(file_space_held(space->fd), 18 * CHUNK);
    for (size_t i = 0; i < 16 * CHUNK; i++)
        assert_int_equal(addr[i], 0);
    committed(16 * CHUNK);
    /* The first was a success, unless the kernel has no such call or no memory in one piece. */
    if (file_space_of(space)->collapse_failures == 0)
        assert_int_equal(collapse_fault.calls, 2 * may_collapse());
}

/* The kernel splits the large page. */
static void part_of_a_large_page_is_released(void **state)
{
    const size_t page = space->page;

    (void)state;
    space->exact = true;
    open_file();
    char *addr = committed(4 * CHUNK);
    addr[CHUNK + 3 * page] = addr[CHUNK + 4 * page] = addr[CHUNK + 5 * page] = 'x';
    assert_int_equal(space_decommit(space, addr + CHUNK + 4 * page, page), 0);
    assert_int_equal(file_space_held(space->fd), 4 * CHUNK - page);
    assert_int_equal(space_commit(space, addr + CHUNK + 4 * page, page), 0);
    assert_int_equal(addr[CHUNK + 3 * page], 'x');
    assert_int_equal(addr[CHUNK + 4 * page], 0);
    assert_int_equal(addr[CHUNK + 5 * page], 'x');
    assert_int_equal(file_space_held(space->fd), 4 * CHUNK);
}

/* Attempts in commits 1, 3, 7, 15 and 31. */
static void failures_make_attempts_rare(void **state)
{
    static const int errors[] = {EINVAL, ENOMEM, EAGAIN, EBUSY};

    (void)state;
    space->exact = true;
    open_file();
    for (size_t e = 0; e < sizeof(errors) / sizeof(errors[0]); e++) {
        fault_set(&collapse_fault, errors[e], FAULT_ALWAYS);
        file_space_of(space)->collapse_failures = file_space_of(space)->collapse_pause = 0;
        for (int i = 0; i < 40; i++)
            committed(CHUNK);
        assert_int_equal(collapse_fault.calls, 5 * may_collapse());
        assert_int_equal(file_space_held(space->fd), (e + 1) * 40 * CHUNK);
    }
}

/* After so many failures that the pause is the longest. */
static void attempts_never_end(void **state)
{
    (void)state;
    space->exact = true;
    open_file();
    if (!may_collapse())
        skip();
    char *addr = reserved(CHUNK);
    fault_set(&collapse_fault, EINVAL, FAULT_ALWAYS);
    for (int i = 0; i < 2048 + 1024; i++) {
        assert_int_equal(space_commit(space, addr, CHUNK), 0);
        assert_int_equal(space_decommit(space, addr, CHUNK), 0);
    }
    assert_int_equal(collapse_fault.calls, 12);
    assert_int_equal(file_space_of(space)->collapse_failures, 1023);
}

static void collapsing_that_finds_no_space_leaves_none_taken(void **state)
{
    (void)state;
    space->exact = true;
    open_file();
    char *addr = reserved(4 * CHUNK);
    allocate_fault = (struct fault){.error = ENOSPC, .skip = 1, .times = FAULT_ALWAYS};
    assert_int_equal(space_commit(space, addr, 4 * CHUNK), may_collapse() ? -ENOSPC : 0);
    fault_set(&allocate_fault, 0, 0);
    assert_int_equal(file_space_held(space->fd), space_held(space));
    assert_int_equal(collapse_fault.calls, 0);
}

static void long_blocks_are_not_collapsed(void **state)
{
    (void)state;
    space->exact = true;
    open_file();
    committed(33 * CHUNK);
    assert_int_equal(collapse_fault.calls, 0);
    committed(32 * CHUNK);
    assert_int_equal(collapse_fault.calls, may_collapse());
}

static int run(void)
{
    const struct CMUnitTest tests[] = {
        TEST(small_pages_are_allocated),
        TEST(committed_chunks_are_not_resident),
        TEST(large_pages_are_populated),
        TEST(without_fallocate_chunks_are_populated),
        TEST(file_is_never_cut),
        TEST(populating_that_finds_no_space_leaves_none_taken),
        TEST(kernel_that_cannot_populate_allocates),
        TEST(emulator_that_ignores_advice_allocates),
        TEST(file_that_cannot_grow_is_an_error),
        TEST(file_ends_with_a_chunk_where_it_can),
        TEST(other_file_systems_allocate),
        TEST(prefault_populates_what_was_allocated),
        TEST(chunks_are_collapsed),
        TEST(part_of_a_large_page_is_released),
        TEST(failures_make_attempts_rare),
        TEST(attempts_never_end),
        TEST(collapsing_that_finds_no_space_leaves_none_taken),
        TEST(long_blocks_are_not_collapsed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return on_each_page_size(run);
}
