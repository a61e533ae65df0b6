/* SPDX-License-Identifier: BSD-2-Clause */
/* A process with kinds that is killed by SIGKILL leaves nothing in the file system. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest/free_space.h"
#include "stress/kinds.h"

#define KINDS      3
#define BLOCK_SIZE (20 * MIB)

/* The child creates kinds with blocks, notifies the parent, and waits to be killed. */
static void live(int to_parent)
{
    for (int i = 0; i < KINDS; i++) {
        memkind_t kind = make_kind(0, MEMKIND_MEM_USAGE_POLICY_DEFAULT);
        char *block = memkind_malloc(kind, BLOCK_SIZE);

        assert_non_null(block);
        memset(block, 1, BLOCK_SIZE);
    }
    assert_int_equal(write(to_parent, "", 1), 1);
    for (;;)
        pause();
}

static void test_killed(void **state)
{
    static struct leftovers before;
    uint64_t free_before = free_space_blocks(test_dir());
    uint64_t bytes_before = free_space_bytes(test_dir());
    int pipe_ends[2];
    char word;

    (void)state;
    leftovers_take(&before, test_dir());
    assert_int_equal(pipe(pipe_ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        live(pipe_ends[1]);
    close(pipe_ends[1]);
    assert_int_equal(read(pipe_ends[0], &word, 1), 1);
    close(pipe_ends[0]);
    assert_true(free_space_bytes(test_dir()) <= bytes_before - KINDS * BLOCK_SIZE);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(free_space_comes_back(test_dir(), free_before));
    leftovers_check(&before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_killed)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
