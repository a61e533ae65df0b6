/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Forks of processes that do without what the library uses to freeze and to thaw: descriptors,
 * other processes, address space, file sizes, tracing. Where pages cannot return to the file they
 * stay in DRAM, but parent and child have their own contents, and go on.
 */
#include "api/fork_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "support/call_filter.h"

#define ROUNDS 3
#define NOBODY ((uid_t)65534)

/* Set by circumstances under which malloc(3) or fork(2) may fail. */
static bool may_be_full;
static bool may_not_fork;

/* -- Circumstances ----------------------------------------------------------------------------- */

/* The type of the resource is glibc's own in setrlimit(3). */
static void limit(int resource, rlim_t most)
{
    const struct rlimit both = {most, most};

    EXPECT(syscall(SYS_prlimit64, 0, resource, &both, NULL) == 0);
}

static void none(void)
{
}

/* As daemons do. */
static void close_all(void)
{
    EXPECT(syscall(SYS_close_range, 3, ~0U, 0) == 0);
}

static void lower_file_size(void)
{
    may_be_full = true;
    limit(RLIMIT_FSIZE, MIB);
}

/* A few pages are left. */
static void fill_addresses(void)
{
    char text[64] = "";
    int fd = open("/proc/self/statm", O_RDONLY);

    EXPECT(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
    close(fd);
    may_be_full = true;
    limit(RLIMIT_AS, (strtoul(text, NULL, 10) + 64) * (rlim_t)sysconf(_SC_PAGESIZE));
}

/* Processes of root are not counted. */
static void have_too_many_processes(void)
{
    may_not_fork = true;
    if (geteuid() == 0)
        EXPECT(setuid(NOBODY) == 0);
    (void)prctl(PR_SET_DUMPABLE, 1);
    limit(RLIMIT_NPROC, 1);
}

static void drop_privileges(void)
{
    if (geteuid() == 0)
        EXPECT(setuid(NOBODY) == 0);
    EXPECT(prctl(PR_SET_DUMPABLE, 0) == 0);
}

static void reap_descendants(void)
{
    EXPECT(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
}

static void die_with_parent(void)
{
    EXPECT(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
}

static void forbid_tracing(void)
{
    const struct call_filter_rule rule = {.call = SYS_ptrace, .error = CALL_FILTER_KILL};

    (void)call_filter_install(&rule, 1);
}

/* Threads are created by clone3(2). */
static void forbid_processes(void)
{
    may_not_fork = true;
    const struct call_filter_rule rule = {.call = SYS_clone, .error = CALL_FILTER_KILL};

    (void)call_filter_install(&rule, 1);
}

static const struct circumstance {
    const char *name;
    void (*before_fork)(void);
    void (*in_parent)(void);
    void (*in_child)(void);
} circumstances[] = {
    {"descriptors closed before the fork", close_all, none, none},
    {"descriptors closed in the parent", none, close_all, none},
    {"descriptors closed in the child", none, none, close_all},
    {"descriptors closed in both", none, close_all, close_all},
    {"short files before the fork", lower_file_size, none, none},
    {"short files afterwards", none, lower_file_size, lower_file_size},
    {"no addresses before the fork", fill_addresses, none, none},
    {"no addresses afterwards", none, fill_addresses, fill_addresses},
    {"no more processes", none, have_too_many_processes, none},
    {"other privileges", drop_privileges, none, none},
    {"a subreaper", reap_descendants, none, none},
    {"a child that ends with its parent", none, none, die_with_parent},
    {"tracing kills", forbid_tracing, none, none},
    {"clone(2) kills", none, forbid_processes, forbid_processes},
};

/* -- Two processes ----------------------------------------------------------------------------- */

static bool are_filled_with(unsigned seed)
{
    for (size_t i = 0; i < BLOCKS; i++)
        if (blocks[i] != NULL && !fixture_is_filled(blocks[i], size_of(i), (unsigned)i + seed))
            return false;
    return true;
}

static void fill_with(unsigned seed)
{
    for (size_t i = 0; i < BLOCKS; i++)
        if (blocks[i] != NULL)
            fixture_fill(blocks[i], size_of(i), (unsigned)i + seed);
}

/* Replaces a third of the blocks, and writes to all. */
static void work(memkind_t kind, unsigned seed)
{
    for (size_t i = seed % 3; i < BLOCKS; i += 3) {
        memkind_free(kind, blocks[i]);
        blocks[i] = memkind_malloc(kind, size_of(i));
        EXPECT(blocks[i] != NULL || may_be_full);
    }
    fill_with(seed);
    EXPECT(are_filled_with(seed));
}

static void work_as_child(memkind_t kind, unsigned seed, const struct circumstance *circumstance)
{
    circumstance->in_child();
    EXPECT(are_filled_with(seed));
    work(kind, seed + 1);
    (void)memkind_purge(kind);
    EXPECT(are_filled_with(seed + 1));
    _exit(0);
}

/* In a process that ends afterwards. */
static void fork_some(memkind_t kind, const struct circumstance *circumstance)
{
    fill_with(0);
    circumstance->before_fork();
    for (unsigned round = 0; round < ROUNDS && !may_not_fork; round++) {
        unsigned seed = 10 * round;
        int status;
        pid_t child = fork();

        EXPECT(child >= 0);
        if (child == 0)
            work_as_child(kind, seed, circumstance);
        if (round == 0)
            circumstance->in_parent();
        EXPECT(are_filled_with(seed));
        work(kind, seed + 2);
        EXPECT(waitpid(child, &status, 0) == child);
        if (status != 0)
            print_error("a child: status %#x, line %d\n", (unsigned)status, WEXITSTATUS(status));
        EXPECT(status == 0);
        EXPECT(are_filled_with(seed + 2));
        (void)memkind_purge(kind);
        EXPECT(are_filled_with(seed + 2));
        work(kind, seed + 10);
    }
}

/* -- Tests ------------------------------------------------------------------------------------- */

static sem_t over;

static void *wait_for_end(void *unused)
{
    sem_wait(&over);
    return unused;
}

static memkind_t frozen_kind(void)
{
    struct memkind_config *config = memkind_config_new();
    memkind_t kind;

    EXPECT(config != NULL);
    memkind_config_set_path(config, fixture_dir);
    memkind_config_set_fork(config, MEMKIND_FORK_SNAPSHOT);
    EXPECT(memkind_create_pmem_with_config(config, &kind) == MEMKIND_SUCCESS);
    memkind_config_delete(config);
    return kind;
}

static void live_under(const struct circumstance *circumstance, bool has_thread)
{
    memkind_t kind = frozen_kind();
    pthread_t thread;

    EXPECT(sem_init(&over, 0, 0) == 0);
    if (has_thread)
        EXPECT(pthread_create(&thread, NULL, wait_for_end, NULL) == 0);
    for (size_t i = 0; i < BLOCKS; i++)
        EXPECT((blocks[i] = memkind_malloc(kind, size_of(i))) != NULL);
    fork_some(kind, circumstance);
    _exit(0);
}

static void check_each(bool has_thread)
{
    unsigned failed = 0;

    for (size_t i = 0; i < COUNT_OF(circumstances); i++) {
        int status;
        pid_t child = fixture_fork();

        if (child == 0)
            live_under(&circumstances[i], has_thread);
        assert_int_equal(waitpid(child, &status, 0), child);
        if (status != 0)
            print_error("%s: status %#x, line %d\n", circumstances[i].name, (unsigned)status,
                        WEXITSTATUS(status));
        failed += status != 0;
    }
    assert_int_equal(failed, 0);
}

/* -- Lower limits of file sizes ---------------------------------------------------------------- */

static void add_frozen(void *sum, const char *text)
{
    static const char name[] = ", frozen: ";
    const char *found = strstr(text, name);

    if (found != NULL)
        *(size_t *)sum += strtoul(found + strlen(name), NULL, 10);
}

static void thaw_beyond_limit(void)
{
    memkind_t kind = frozen_kind();
    size_t frozen = 0;
    int status;

    for (size_t i = 0; i < BLOCKS; i++)
        EXPECT((blocks[i] = memkind_malloc(kind, size_of(i))) != NULL);
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    fill_with(1);
    EXPECT(waitpid(child, &status, 0) == child && status == 0);
    lower_file_size();
    EXPECT(memkind_purge(kind) == MEMKIND_SUCCESS);
    EXPECT(memkind_stats_print(add_frozen, &frozen, 0) == MEMKIND_SUCCESS);
    EXPECT(frozen == 0);
    EXPECT(are_filled_with(1));
    _exit(0);
}

/* Pages return to a file that is longer than the limit. */
static void a_lower_limit_of_file_sizes(void **state)
{
    (void)state;
    pid_t child = fixture_fork();
    if (child == 0)
        thaw_beyond_limit();
    assert_int_equal(fixture_wait(child), 0);
}

static void one_thread(void **state)
{
    (void)state;
    check_each(false);
}

static void several_threads(void **state)
{
    (void)state;
    check_each(true);
}

/* -- A thread that waits for any child --------------------------------------------------------- */

static atomic_bool is_over;
static atomic_int strangers;

/* A tracer waits like this: for all sorts of children of all threads. */
static void *wait_for_any(void *unused)
{
    while (!atomic_load(&is_over)) {
        siginfo_t info = {0};

        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) == 0 && info.si_pid != 0)
            atomic_fetch_add(&strangers, 1);
        usleep(100);
    }
    return unused;
}

static void wait_beside_thaws(void)
{
    memkind_t kind = frozen_kind();
    pthread_t thread;

    for (size_t i = 0; i < BLOCKS; i++)
        EXPECT((blocks[i] = memkind_malloc(kind, size_of(i))) != NULL);
    EXPECT(pthread_create(&thread, NULL, wait_for_any, NULL) == 0);
    for (unsigned round = 1; round <= 20; round++) {
        pid_t child = fork();
        EXPECT(child >= 0);
        if (child == 0)
            _exit(0);
        fill_with(round);
        while (atomic_load(&strangers) < (int)round)
            usleep(100);
        EXPECT(memkind_purge(kind) == MEMKIND_SUCCESS);
        EXPECT(are_filled_with(round));
    }
    atomic_store(&is_over, true);
    pthread_join(thread, NULL);
    /* No helper of the library is among them. */
    EXPECT(atomic_load(&strangers) == 20);
    _exit(0);
}

static void a_thread_that_waits_for_any_child(void **state)
{
    (void)state;
    pid_t child = fixture_fork();
    if (child == 0)
        wait_beside_thaws();
    assert_int_equal(fixture_wait(child), 0);
}

int main(void)
{
    if (FIXTURE_TSAN || CALL_FILTER_SANITIZED) {
        puts("SKIPPED: sanitizers need descriptors and addresses themselves");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(one_thread),
        FIXTURE_TEST(a_lower_limit_of_file_sizes),
        FIXTURE_TEST(several_threads),
        FIXTURE_TEST(a_thread_that_waits_for_any_child),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
