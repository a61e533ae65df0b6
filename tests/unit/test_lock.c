/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of lock.h: where ranks are checked, acquiring locks against their ranks ends the process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/invariant.h"
#include "util/lock.h"

static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t space = PTHREAD_MUTEX_INITIALIZER;
/* More than are tracked. The thread sanitizer supports no more than 64. */
#ifdef __SANITIZE_THREAD__
static pthread_mutex_t regions[40];
#else
static pthread_mutex_t regions[100];
#endif

/* Runs the function in a process of its own. Returns its status and what it wrote to stderr. */
static int run(void (*function)(void), char *text, size_t size)
{
    int pipe_fds[2];
    int status;

    assert_int_equal(pipe(pipe_fds), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit no_core = {0, 0};

        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGABRT, SIG_DFL);
        dup2(pipe_fds[1], STDERR_FILENO);
        function();
        _exit(0);
    }
    close(pipe_fds[1]);
    ssize_t length = read(pipe_fds[0], text, size - 1);
    text[length > 0 ? length : 0] = '\0';
    close(pipe_fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void acquire_all_in_order(void)
{
    lock_acquire(&registry, LOCK_REGISTRY);
    lock_acquire(&space, LOCK_SPACE);
    for (size_t i = 0; i < sizeof(regions) / sizeof(regions[0]); i++)
        lock_acquire(&regions[i], LOCK_REGION);
    for (size_t i = 0; i < sizeof(regions) / sizeof(regions[0]); i++)
        lock_release(&regions[i]);
    lock_release(&registry);
    lock_release(&space);
    /* Checks that no lock is held any more. */
    lock_acquire(&registry, LOCK_REGISTRY);
    lock_release(&registry);
}

static void acquire_against_rank(void)
{
    lock_acquire(&space, LOCK_SPACE);
    lock_acquire(&registry, LOCK_REGISTRY);
}

static void acquire_two_of_one_rank(void)
{
    lock_acquire(&space, LOCK_REGISTRY);
    lock_acquire(&registry, LOCK_REGISTRY);
}

static void try_against_rank(void)
{
    lock_acquire(&space, LOCK_SPACE);
    if (!lock_try_acquire(&registry, LOCK_REGISTRY))
        _exit(1);
    lock_release(&registry);
    lock_release(&space);
}

/* The child of a fork reinitialises a lock that its thread had acquired before. */
static void make_anew(void)
{
    lock_acquire(&space, LOCK_SPACE);
    if (lock_init(&space) != 0)
        _exit(1);
    lock_acquire(&registry, LOCK_REGISTRY);
    lock_acquire(&space, LOCK_SPACE);
}

static void violate(void)
{
    INVARIANT(1 + 1 == 2);
    INVARIANT(1 + 1 == 3);
}

static void test_order(void **state)
{
    char text[512];

    (void)state;
    assert_int_equal(run(acquire_all_in_order, text, sizeof(text)), 0);
    assert_int_equal(run(try_against_rank, text, sizeof(text)), 0);
    assert_int_equal(run(make_anew, text, sizeof(text)), 0);
    assert_string_equal(text, "");
}

static void test_violations(void **state)
{
    static const struct {
        void (*function)(void);
        const char *text;
    } cases[] = {
        {acquire_against_rank, "lock REGISTRY is acquired while SPACE is held"},
        {acquire_two_of_one_rank, "lock REGISTRY is acquired while REGISTRY is held"},
        {violate, "invariant violated: 1 + 1 == 3"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[512];
        int status = run(cases[i].function, text, sizeof(text));

#ifdef MEMKIND_INVARIANTS
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGABRT);
        assert_non_null(strstr(text, cases[i].text));
#else
        assert_int_equal(status, 0);
        assert_string_equal(text, "");
#endif
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_violations),
    };

    for (size_t i = 0; i < sizeof(regions) / sizeof(regions[0]); i++)
        (void)lock_init(&regions[i]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
