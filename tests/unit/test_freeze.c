/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of spaces that a fork freezes: parent and child each have the memory as it was at the fork,
 * whatever they and their children commit, free and protect afterwards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "space/snapshot.h"
#include "space/thaw.h"
#include "support/freeze_fixture.h"
#include "support/leftovers.h"

/* -- Forks ------------------------------------------------------------------------------------- */

static void each_has_the_moment_of_the_fork(void **state)
{
    struct gate changed = gate_new();
    struct gate seen = gate_new();

    (void)state;
    pid_t child = fork_space();
    if (child == 0) {
        gate_wait(&changed);
        NEED(is_filled('a'));
        fill('c');
        gate_open(&seen);
        NEED(is_filled('c'));
        _exit(0);
    }
    assert_int_equal(atomic_load(&space->snapshot), SPACE_SNAPSHOT_COPY);
    assert_true(is_filled('a'));
    fill('b');
    gate_open(&changed);
    gate_wait(&seen);
    assert_true(is_filled('b'));
    check_child(child);
    assert_true(is_filled('b'));
    thaw_all(space, true);
    check_thawed();
    assert_true(is_filled('b'));
    check_file();
    gate_close(&changed);
    gate_close(&seen);
}

/* No file, no space, and the number of maps that it takes to tell frozen chunks from others. */
static void a_fork_copies_nothing(void **state)
{
    size_t held = file_space_held(space->fd);
    size_t maps = count_maps();

    (void)state;
    pid_t child = fork_space();
    if (child == 0) {
        NEED(space->fd == -1 && atomic_load(&space->lacks_file));
        NEED(create_fault.calls == 0 && write_fault.calls == 0);
        _exit(0);
    }
    assert_int_equal(create_fault.calls, 0);
    assert_int_equal(write_fault.calls, 0);
    assert_int_equal(file_space_held(space->fd), held);
    /* Four blocks, two of them in one chunk, and the segment of shared memory. */
    assert_in_range(count_maps(), maps, maps + 9);
    check_child(child);
    thaw_all(space, true);
    assert_int_equal(count_maps(), maps);
    check_thawed();
}

static void a_further_fork_finds_chunks_frozen(void **state)
{
    unsigned opens = opens_of_plain_list();

    (void)state;
    clear_faults();
    for (int i = 0; i < 3; i++) {
        fill((char)('a' + i));
        pid_t child = fork_space();
        if (child == 0) {
            NEED(is_filled((char)('a' + i)));
            fill('z');
            _exit(0);
        }
        assert_int_equal(holders_fault.calls, 1);
        assert_int_equal(open_fault.calls, opens);
        check_child(child);
        assert_true(is_filled((char)('a' + i)));
    }
}

static const int query_errors[] = {ENOTTY, EPERM, ENOSYS, EINTR};

/* Where there are no queries, or they end in the middle, the text of all maps serves. */
static void a_fork_without_queries(void **state)
{
    bool has = has_queries();

    (void)state;
    for (size_t i = 0; i < sizeof(query_errors) / sizeof(query_errors[0]); i++)
        for (unsigned skip = 0; skip < 2; skip++) {
            clear_faults();
            fill((char)('a' + i));
            map_fault = (struct fault){.error = query_errors[i], .skip = skip, .times = 1};
            pid_t child = fork_space();
            if (child == 0) {
                NEED(is_filled((char)('a' + i)));
                fill('z');
                _exit(0);
            }
            assert_true(space->is_frozen);
            if (has || skip == 0)
                assert_int_equal(fork_used_maps, MAPS_ALL);
            check_child(child);
            assert_true(is_filled((char)('a' + i)));
            thaw_all(space, true);
            check_thawed();
        }
}

/* A map of the program's within a block: queries for writable maps do not find all there is. */
static void a_fork_with_a_guard_page(void **state)
{
    (void)state;
    if (!has_queries())
        skip();
    for (int without = 0; without < 2; without++) {
        assert_int_equal(__real_mprotect(blocks[1], space->page, PROT_NONE), 0);
        if (without != 0)
            fault_set(&map_fault, ENOTTY, FAULT_ALWAYS);
        pid_t child = fork_space();
        NEED(protection_of(blocks[1]) == PROT_NONE);
        NEED(protection_of(blocks[1] + space->page) == (PROT_READ | PROT_WRITE));
        if (child == 0)
            _exit(0);
        assert_int_equal(fork_used_maps, MAPS_EFFECTS);
        check_child(child);
        thaw_all(space, true);
        assert_int_equal(protection_of(blocks[1]), PROT_NONE);
        assert_int_equal(__real_mprotect(blocks[1], space->page, PROT_READ | PROT_WRITE), 0);
        clear_faults();
    }
    assert_true(is_filled('a'));
}

/* -- Pages that come and go -------------------------------------------------------------------- */

/* Each process commits in the same frozen chunk, and in chunks of its own. */
static void commit_in_both(void **state)
{
    struct gate written = gate_new();

    (void)state;
    pid_t child = fork_space();
    char *page = blocks[0] + 5 * space->page;
    char *large = reserve(2 * CHUNK);
    NEED(space_commit(space, page, 2 * space->page) == 0);
    NEED(space_commit(space, large, 2 * CHUNK) == 0);
    for (size_t i = 0; i < 2 * space->page; i++)
        NEED(page[i] == 0);
    for (size_t i = 0; i < 2 * CHUNK; i += 512)
        NEED(large[i] == 0);
    memset(page, child == 0 ? 'C' : 'P', 2 * space->page);
    memset(large, child == 0 ? 'C' : 'P', 2 * CHUNK);
    if (child == 0) {
        gate_open(&written);
        NEED(!atomic_load(&space->lacks_file) && space->fd >= 0);
        NEED(space_decommit(space, large, CHUNK) == 0);
        NEED(space_commit(space, large, CHUNK) == 0);
        NEED(large[0] == 0 && large[CHUNK] == 'C' && page[0] == 'C');
        NEED(is_filled('a'));
        space_destroy(space);
        _exit(0);
    }
    gate_wait(&written);
    assert_int_equal(page[0], 'P');
    assert_int_equal(large[2 * CHUNK - 1], 'P');
    check_child(child);
    assert_int_equal(page[space->page], 'P');
    thaw_all(space, true);
    check_thawed();
    assert_int_equal(page[space->page], 'P');
    assert_int_equal(large[CHUNK], 'P');
    gate_close(&written);
}

/* What one process frees is there in the other, and reads as zero when it is committed again. */
static void decommit_in_both(void **state)
{
    struct gate gone = gate_new();
    struct gate checked = gate_new();

    (void)state;
    pid_t child = fork_space();
    if (child == 0) {
        gate_wait(&gone);
        NEED(is_filled('a'));
        size_t before_that = space_held(space);
        NEED(space_decommit(space, blocks[1], size_of(1)) == 0);
        /* Whole chunks of an ancestor's file are held no longer. */
        NEED(space_held(space) <= before_that - 2 * CHUNK);
        NEED(space_commit(space, blocks[1], size_of(1)) == 0);
        for (size_t i = 0; i < size_of(1); i++)
            NEED(blocks[1][i] == 0);
        memset(blocks[1], 'x', size_of(1));
        gate_open(&checked);
        _exit(0);
    }
    size_t held = space_held(space);
    blocks[1][7] = 'w';
    assert_int_equal(space_decommit(space, blocks[1], size_of(1)), 0);
    assert_int_equal(space_held(space), held);
    assert_true(atomic_load(&space->stale) >= size_of(1));
    gate_open(&gone);
    gate_wait(&checked);
    assert_int_equal(space_commit(space, blocks[1] + space->page, CHUNK), 0);
    for (size_t i = 0; i < CHUNK; i++)
        assert_int_equal(blocks[1][space->page + i], 0);
    check_child(child);
    thaw_all(space, true);
    check_thawed();
    assert_int_equal(atomic_load(&space->stale), 0);
    gate_close(&gone);
    gate_close(&checked);
}

static void a_child_that_frees_all_holds_nothing(void **state)
{
    (void)state;
    for (int has_file = 0; has_file < 2; has_file++) {
        pid_t child = fork_space();
        if (child == 0) {
            char *own = reserve(CHUNK);

            if (has_file != 0)
                NEED(space_commit(space, own, CHUNK) == 0);
            for (size_t i = 0; i < BLOCKS; i++)
                NEED(space_decommit(space, blocks[i], size_of(i)) == 0);
            space_trim(space);
            NEED(space_held(space) == (has_file != 0 ? CHUNK : 0));
            NEED(atomic_load(&space->frozen) == 0);
            for (size_t i = 0; i < BLOCKS; i++)
                NEED(space_commit(space, blocks[i], size_of(i)) == 0 && blocks[i][5] == 0);
            fill('z');
            NEED(is_filled('z'));
            NEED(file_space_held(space->fd) >= space_held(space));
            _exit(0);
        }
        check_child(child);
        assert_true(is_filled('a'));
    }
}

/* -- Generations ------------------------------------------------------------------------------- */

/* Each writes, commits and forks; each sees what its parent had. */
static void live(unsigned depth)
{
    char *own = reserve(CHUNK);
    int status = 0;

    NEED(space_commit(space, own, CHUNK) == 0);
    memset(own, 'A' + (int)depth % 26, CHUNK);
    fill((char)('a' + depth % 20));
    pid_t child = fork_space();
    NEED(child >= 0);
    NEED(atomic_load(&space->snapshot) == SPACE_SNAPSHOT_COPY);
    NEED(is_filled((char)('a' + depth % 20)) && own[77] == 'A' + (int)depth % 26);
    if (child == 0) {
        if (depth != 0)
            live(depth - 1);
        _exit(0);
    }
    fill('Z');
    memset(own, 0, CHUNK);
    NEED(waitpid(child, &status, 0) == child && status == 0);
    NEED(is_filled('Z'));
    thaw_all(space, true);
    NEED(is_filled('Z'));
}

static void children_of_children(void **state)
{
    int status;

    (void)state;
    pid_t child = fork_space();
    if (child == 0) {
        live(SPACE_FILES_MOST + 4);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(is_filled('a'));
    thaw_all(space, true);
    check_thawed();
}

/* -- What the program has done to its pages ---------------------------------------------------- */

static void check_protections(void)
{
    static const int protections[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE};

    for (size_t i = 0; i < 3; i++)
        NEED(protection_of(blocks[1] + i * space->page) == protections[i]);
}

static void protections_stay(void **state)
{
    (void)state;
    NEED(mprotect(blocks[1], space->page, PROT_NONE) == 0);
    NEED(mprotect(blocks[1] + space->page, space->page, PROT_READ) == 0);
    pid_t child = fork_space();
    check_protections();
    blocks[1][2 * space->page] = 'w';
    /* Private, and then not to be read. */
    memset(blocks[3], 'y', space->page);
    NEED(mprotect(blocks[3], space->page, PROT_NONE) == 0);
    if (child == 0)
        _exit(0);
    check_child(child);
    thaw_all(space, true);
    check_protections();
    assert_int_equal(protection_of(blocks[3]), PROT_NONE);
    assert_int_equal(atomic_load(&space->frozen), 0);
    NEED(mprotect(blocks[1], 2 * space->page, PROT_READ | PROT_WRITE) == 0);
    NEED(mprotect(blocks[3], space->page, PROT_READ | PROT_WRITE) == 0);
    assert_int_equal(blocks[1][0], 'b');
    assert_int_equal(blocks[3][0], 'y');
    assert_int_equal(blocks[1][2 * space->page], 'w');
}

/* What the program has mapped into its block is shared with the child as it wanted it. */
static void own_mappings_stay(void **state)
{
    int fd = memfd_create("program", MFD_CLOEXEC);

    (void)state;
    assert_int_equal(ftruncate(fd, (off_t)space->page), 0);
    char *page =
        __real_mmap(blocks[1], space->page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
    assert_ptr_equal(page, blocks[1]);
    pid_t child = fork_space();
    if (child == 0) {
        page[0] = 'C';
        blocks[1][space->page] = 'C';
        _exit(0);
    }
    check_child(child);
    assert_int_equal(page[0], 'C');
    assert_int_equal(blocks[1][space->page], 'b');
    thaw_all(space, true);
    assert_int_equal(page[0], 'C');
    page[0] = 'P';
    char byte;
    assert_int_equal(__real_pread(fd, &byte, 1, 0), 1);
    assert_int_equal(byte, 'P');
    close(fd);
}

int main(void)
{
    /* Its own thread cannot be stopped. */
    if (SANITIZED)
        return SKIPPED;
    const struct CMUnitTest tests[] = {
        TEST(each_has_the_moment_of_the_fork),
        TEST(a_fork_copies_nothing),
        TEST(a_further_fork_finds_chunks_frozen),
        TEST(a_fork_without_queries),
        TEST(a_fork_with_a_guard_page),
        TEST(commit_in_both),
        TEST(decommit_in_both),
        TEST(a_child_that_frees_all_holds_nothing),
        TEST(children_of_children),
        TEST(protections_stay),
        TEST(own_mappings_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
