/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of fork(2) in a signal handler, in a process with several threads. Where the handler has
 * interrupted the library, the fork does not wait, and the child leaves the kinds alone.
 */
#include "api/fork_fixture.h"

#include <signal.h>
#include <sys/time.h>

#include "memkind/internal/memkind_arena.h"

#define FORKS_MOST  20000
#define LARGE       ((size_t)300 << 10)
#define HANGS_AFTER 100 /* seconds */
#define UNPREPARED  77  /* status of a child */

static memkind_t kind;
static void *kept;
static atomic_bool stops;
static volatile sig_atomic_t prepared, unprepared, failed;

/* Frees nothing of the parent's. */
static void be_child(void)
{
    alarm(HANGS_AFTER);
    if (!memkind_arena_fork_is_unprepared()) {
        void *own = memkind_malloc(kind, LARGE);

        EXPECT(own != NULL && fixture_is_filled(kept, LARGE, 1));
        fixture_fill(kept, LARGE, 2);
        _exit(0);
    }
    memkind_free(kind, kept);
    memkind_free(NULL, blocks[1]);

    /* A child of this one is no better off. */
    pid_t child = fork();
    if (child == 0)
        _exit(memkind_arena_fork_is_unprepared() ? 0 : 1);
    EXPECT(fixture_wait(child) == 0);
    _exit(UNPREPARED);
}

static void fork_in_handler(int number)
{
    int status = -1;
    pid_t child = fork();

    (void)number;
    if (child == 0)
        be_child();
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (status == 0)
        prepared++;
    else if (WIFEXITED(status) && WEXITSTATUS(status) == UNPREPARED)
        unprepared++;
    else
        failed = status;
}

static void create(void)
{
    struct memkind_config *config = memkind_config_new();

    assert_non_null(config);
    memkind_config_set_path(config, fixture_dir);
    memkind_config_set_fork(config, MEMKIND_FORK_SNAPSHOT);
    assert_int_equal(memkind_create_pmem_with_config(config, &kind), MEMKIND_SUCCESS);
    memkind_config_delete(config);
}

static void *use_all_the_time(void *argument)
{
    sigset_t signals;

    sigfillset(&signals);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    while (!atomic_load(&stops))
        memkind_free(kind, memkind_malloc(kind, LARGE));
    return argument;
}

static void start_timer(int forks)
{
    const struct itimerval timer = {.it_value.tv_usec = 50 + forks * 37 % 500};

    setitimer(ITIMER_REAL, &timer, NULL);
}

/* Until forks have met both cases several times. */
static void fork_often(void)
{
    for (int forks = 0; forks < FORKS_MOST && failed == 0; forks++) {
        int before = prepared + unprepared;

        start_timer(forks);
        while (prepared + unprepared == before && failed == 0)
            memkind_free(kind, memkind_malloc(kind, LARGE));
        if (!fixture_is_filled(kept, LARGE, 1))
            failed = 1;
        if (prepared >= 5 && unprepared >= 20)
            return;
    }
}

static void test_in_handler_of_several(void **state)
{
    struct sigaction action = {.sa_handler = fork_in_handler};
    pthread_t other;

    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* delays signals until no lock is held */
#endif
    create();
    fill_blocks(kind);
    kept = memkind_malloc(kind, LARGE);
    assert_non_null(kept);
    fixture_fill(kept, LARGE, 1);
    assert_int_equal(pthread_create(&other, NULL, use_all_the_time, NULL), 0);
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    fork_often();
    atomic_store(&stops, true);
    pthread_join(other, NULL);
    assert_int_equal(failed, 0);
    assert_true(unprepared > 0);
    assert_true(are_blocks_filled());
    assert_true(fixture_is_filled(kept, LARGE, 1));
    memkind_free(kind, kept);
    free_blocks(kind);
    assert_int_equal(memkind_destroy_kind(kind), MEMKIND_SUCCESS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {FIXTURE_TEST(test_in_handler_of_several)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
