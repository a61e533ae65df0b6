/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many threads that fork at the same time, also while others create, destroy, purge and thaw kinds:
 * each child has the block of the thread that forked as it was, and no write of a parent is lost.
 * Forks that fail, since the process may have no more children, leave nothing behind.
 * FORKS=N: each thread forks N times.
 */
#include "api/fork_fixture.h"

#include <pthread.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define FORKERS     16
#define FORKS       10
#define OTHERS      4
#define SIZE        (64 * KIB)
#define GRANDCHILD  5 /* every fifth child forks, too */
#define CHILD_LIMIT 120
#define NOBODY      ((uid_t)65534)

static memkind_t shared_kind;
static struct memkind_config *config;
static unsigned forks_of_each;
static atomic_uint failures;
static atomic_bool is_over;

static void expect(bool holds, const char *what)
{
    if (holds)
        return;
    print_error("not true: %s\n", what);
    atomic_fetch_add(&failures, 1);
}

static memkind_t make_kind(void)
{
    memkind_t kind = NULL;

    expect(memkind_create_pmem_with_config(config, &kind) == MEMKIND_SUCCESS, "a kind is created");
    return kind;
}

static void begin_kinds(void)
{
    const char *forks = getenv("FORKS");

    forks_of_each = forks != NULL ? (unsigned)strtoul(forks, NULL, 10) : FORKS;
    atomic_store(&failures, 0);
    atomic_store(&is_over, false);
    config = memkind_config_new();
    assert_non_null(config);
    memkind_config_set_path(config, fixture_dir);
    memkind_config_set_fork(config, MEMKIND_FORK_SNAPSHOT);
    shared_kind = make_kind();
    assert_non_null(shared_kind);
}

static void end_kinds(void)
{
    assert_int_equal(memkind_destroy_kind(shared_kind), MEMKIND_SUCCESS);
    memkind_config_delete(config);
    assert_int_equal(atomic_load(&failures), 0);
}

/* -- Threads that fork ------------------------------------------------------------------------- */

/* In a child: checks the block, and writes to it and to a block of the child's own. */
static void use_block(char *block, unsigned seed)
{
    alarm(CHILD_LIMIT);
    EXPECT(fixture_is_filled(block, SIZE, seed));
    fixture_fill(block, SIZE, seed + 1);
    char *own = memkind_malloc(shared_kind, SIZE);
    EXPECT(own != NULL);
    fixture_fill(own, SIZE, seed + 2);
    EXPECT(fixture_is_filled(block, SIZE, seed + 1));
    memkind_free(shared_kind, own);
}

_Noreturn static void live_as_child(char *block, unsigned seed, bool forks)
{
    use_block(block, seed);
    if (forks) {
        int status;
        pid_t child = fork();

        if (child == 0) {
            use_block(block, seed + 1);
            _exit(0);
        }
        EXPECT(waitpid(child, &status, 0) == child && status == 0);
        EXPECT(fixture_is_filled(block, SIZE, seed + 1));
    }
    _exit(0);
}

static void *fork_often(void *number)
{
    unsigned seed = 1000u * (unsigned)(uintptr_t)number;
    char *block = memkind_malloc(shared_kind, SIZE);

    for (unsigned i = 0; i < forks_of_each; i++, seed += 4) {
        int status;

        fixture_fill(block, SIZE, seed);
        pid_t child = fork();
        if (child == 0)
            live_as_child(block, seed, i % GRANDCHILD == 0);
        fixture_fill(block, SIZE, seed + 3);
        expect(waitpid(child, &status, 0) == child && status == 0, "a child has what it should");
        expect(fixture_is_filled(block, SIZE, seed + 3), "a parent has what it has written");
    }
    memkind_free(shared_kind, block);
    return NULL;
}

/* -- Other threads ----------------------------------------------------------------------------- */

static void purge(void)
{
    expect(memkind_purge(shared_kind) == MEMKIND_SUCCESS, "a kind is purged");
}

static void create_and_destroy(void)
{
    memkind_t kind = make_kind();
    char *block = memkind_malloc(kind, SIZE);

    expect(block != NULL, "a new kind has a block");
    memset(block, 1, SIZE);
    expect(memkind_destroy_kind(kind) == MEMKIND_SUCCESS, "a kind is destroyed");
}

/* A fork may have frozen the kind in between. */
static void thaw(void)
{
    memkind_t kind = make_kind();
    char *block = memkind_malloc(kind, SIZE);

    fixture_fill(block, SIZE, 1);
    usleep(1000);
    fixture_fill(block, SIZE, 2);
    (void)memkind_thaw(kind);
    expect(fixture_is_filled(block, SIZE, 2), "a thaw loses nothing");
    expect(memkind_destroy_kind(kind) == MEMKIND_SUCCESS, "a thawed kind is destroyed");
}

static void allocate(void)
{
    memkind_free(shared_kind, memkind_malloc(shared_kind, 3 * KIB));
}

static void *repeat(void *number)
{
    static void (*const calls[OTHERS])(void) = {purge, create_and_destroy, thaw, allocate};

    while (!atomic_load(&is_over)) {
        calls[(uintptr_t)number]();
        usleep(100);
    }
    return NULL;
}

static void run_threads(unsigned others)
{
    pthread_t forkers[FORKERS], repeaters[OTHERS];

    for (uintptr_t i = 0; i < others; i++)
        assert_int_equal(pthread_create(&repeaters[i], NULL, repeat, (void *)i), 0);
    for (uintptr_t i = 0; i < FORKERS; i++)
        assert_int_equal(pthread_create(&forkers[i], NULL, fork_often, (void *)i), 0);
    for (unsigned i = 0; i < FORKERS; i++)
        pthread_join(forkers[i], NULL);
    atomic_store(&is_over, true);
    for (unsigned i = 0; i < others; i++)
        pthread_join(repeaters[i], NULL);
}

/* -- Tests ------------------------------------------------------------------------------------- */

static void threads_fork_at_once(void **state)
{
    (void)state;
    begin_kinds();
    run_threads(0);
    end_kinds();
}

static void threads_fork_while_others_create_destroy_purge_and_thaw(void **state)
{
    (void)state;
    begin_kinds();
    run_threads(OTHERS);
    end_kinds();
}

static size_t frozen;

static void add_frozen(void *unused, const char *text)
{
    static const char name[] = ", frozen: ";
    const char *found = strstr(text, name);

    (void)unused;
    if (found != NULL)
        frozen += strtoul(found + strlen(name), NULL, 10);
}

static size_t bytes_frozen(void)
{
    frozen = 0;
    EXPECT(memkind_stats_print(add_frozen, NULL, 0) == MEMKIND_SUCCESS);
    return frozen;
}

/* The soft limit, which the process may raise again. */
static void limit_processes(rlim_t soft)
{
    struct rlimit limit;

    EXPECT(syscall(SYS_prlimit64, 0, RLIMIT_NPROC, NULL, &limit) == 0);
    limit.rlim_cur = soft < limit.rlim_max ? soft : limit.rlim_max;
    EXPECT(syscall(SYS_prlimit64, 0, RLIMIT_NPROC, &limit, NULL) == 0);
}

static void *wait_for_end(void *unused)
{
    for (;;)
        pause();
    return unused;
}

_Noreturn static void fork_in_vain(bool has_thread)
{
    char *block = memkind_malloc(shared_kind, SIZE);
    pthread_t thread;
    int status;

    if (has_thread)
        EXPECT(pthread_create(&thread, NULL, wait_for_end, NULL) == 0);
    EXPECT(geteuid() != 0 || setuid(NOBODY) == 0);
    (void)prctl(PR_SET_DUMPABLE, 1);
    limit_processes(1);
    for (unsigned seed = 0; seed < 3; seed++) {
        fixture_fill(block, SIZE, seed);
        EXPECT(fork() == -1 && errno == EAGAIN);
        EXPECT(fixture_is_filled(block, SIZE, seed));
        char *more = memkind_malloc(shared_kind, SIZE);
        EXPECT(more != NULL);
        memset(more, 1, SIZE);
        memkind_free(shared_kind, more);
    }
    limit_processes(RLIM_INFINITY);
    EXPECT(memkind_purge(shared_kind) == MEMKIND_SUCCESS && bytes_frozen() == 0);
    EXPECT(fixture_is_filled(block, SIZE, 2));
    pid_t child = fork();
    if (child == 0)
        live_as_child(block, 2, true);
    EXPECT(waitpid(child, &status, 0) == child && status == 0);
    EXPECT(memkind_purge(shared_kind) == MEMKIND_SUCCESS && bytes_frozen() == 0);
    EXPECT(fixture_is_filled(block, SIZE, 2));
    _exit(0);
}

/* The handlers have frozen the kind by then; the next moment thaws all. */
static void a_fork_that_fails_leaves_nothing(void **state)
{
    (void)state;
    begin_kinds();
    for (int has_thread = 0; has_thread < 2; has_thread++) {
        pid_t child = fixture_fork();

        if (child == 0) {
            EXPECT(memkind_destroy_kind(shared_kind) == MEMKIND_SUCCESS);
            shared_kind = make_kind();
            fork_in_vain(has_thread != 0);
        }
        assert_int_equal(fixture_wait(child), 0);
    }
    end_kinds();
}

int main(void)
{
    if (FIXTURE_TSAN) {
        puts("SKIPPED: the thread sanitizer cannot stop its own thread");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_fork_that_fails_leaves_nothing),
        FIXTURE_TEST(threads_fork_at_once),
        FIXTURE_TEST(threads_fork_while_others_create_destroy_purge_and_thaw),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
