/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of children whose parent ends first: the parent's file is theirs then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "space/thaw.h"
#include "support/faults.h"
#include "support/freeze_fixture.h"
#include "support/leftovers.h"

static bool is_all(const char *addr, size_t size, char with)
{
    for (size_t i = 0; i < size; i++)
        if (addr[i] != with)
            return false;
    return true;
}

static void wait_for_end_of(pid_t parent)
{
    while (getppid() == parent)
        usleep(1000);
}

/* In the child: what the parent has put into the file since is gone, and all else is there. */
static void check_taken_over(char *spare)
{
    NEED(is_filled('a'));
    NEED(is_all(spare, CHUNK, 0));
    fill('c');
    memset(spare, 's', CHUNK);
    thaw_all(space, true);
    NEED(atomic_load(&space->frozen) == 0 && space->holders == NULL);
    NEED(is_filled('c') && is_all(spare, CHUNK, 's'));
    size_t held = file_space_held(space->fd);
    NEED(held >= space_held(space) && held <= space_held(space) + FILE_OVERHEAD);
}

/* Makes a child whose parent ends; `go_on` is the child, and ends by success. */
static void run_without_parent(void (*go_on)(char *spare))
{
    char *spare = reserve(2 * CHUNK);
    struct gate passed = gate_new();
    char byte;

    pid_t parent = fork();
    if (parent == 0) {
        parent = getpid();
        if (fork_space() == 0) {
            wait_for_end_of(parent);
            go_on(spare);
            gate_open(&passed);
            _exit(0);
        }
        char *more = reserve(4 * CHUNK);
        NEED(space_commit(space, spare, 2 * CHUNK) == 0);
        NEED(space_commit(space, more, 4 * CHUNK) == 0);
        memset(spare, 'p', 2 * CHUNK);
        memset(more, 'p', 4 * CHUNK);
        _exit(0);
    }
    check_child(parent);
    close(passed.ends[1]);
    assert_int_equal(read(passed.ends[0], &byte, 1), 1);
    close(passed.ends[0]);
}

static void commit_alone(char *spare)
{
    NEED(atomic_load(&space->lacks_file));
    NEED(space_commit(space, spare, CHUNK) == 0);
    NEED(!atomic_load(&space->lacks_file) && space->file_number == 0);
    check_taken_over(spare);
    /* A child of its own finds all that, and then it is as before. */
    pid_t child = fork_space();
    if (child == 0)
        _exit(!is_filled('c') || !is_all(spare, CHUNK, 's'));
    int status = 1;
    NEED(waitpid(child, &status, 0) == child && status == 0);
    thaw_all(space, true);
    NEED(atomic_load(&space->frozen) == 0 && is_filled('c'));
}

static void a_child_without_parent_has_the_file(void **state)
{
    (void)state;
    run_without_parent(commit_alone);
}

/* Where the file cannot be cleared, the child makes another. */
static void commit_elsewhere(char *spare)
{
    fault_set(&allocate_fault, EOPNOTSUPP, 1);
    NEED(space_commit(space, spare, CHUNK) == 0);
    NEED(!atomic_load(&space->lacks_file) && space->file_number == 1);
    NEED(is_filled('a') && is_all(spare, CHUNK, 0));
}

static void a_file_that_cannot_be_cleared(void **state)
{
    (void)state;
    run_without_parent(commit_elsewhere);
}

int main(void)
{
    if (SANITIZED)
        return SKIPPED;
    const struct CMUnitTest tests[] = {
        TEST(a_child_without_parent_has_the_file),
        TEST(a_file_that_cannot_be_cleared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
