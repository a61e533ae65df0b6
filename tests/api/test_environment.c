/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the environment variables. The library may read the environment when it is loaded, so
 * each test runs this program again with the variable set: `program CASE DIRECTORY` runs a case and
 * exits with 0 if the result is as expected.
 */
#include "api/fixture.h"

#include <dirent.h>
#include <limits.h>
#include <pthread.h>

#include "memkind/internal/memkind_arena.h"

#define NOBODY       65534
#define THREADS      40
#define SELF         "/proc/self/exe"
#define STDERR_SIZE  4096
#define PATIENCE_MS  5000
#define CASE_FAILED  1
#define NO_SUCH_CASE 2

/* -- Cases, each in a process of its own ------------------------------------------------------- */

#define EXPECT(condition)                                          \
    do {                                                           \
        if (!(condition)) {                                        \
            printf("line %d: not so: %s\n", __LINE__, #condition); \
            fflush(stdout);                                        \
            _exit(CASE_FAILED);                                    \
        }                                                          \
    } while (false)

static const char *case_dir;

static memkind_t case_kind(size_t max_size, memkind_mem_usage_policy policy)
{
    struct memkind_config config = {.pmem_dir = case_dir, .pmem_size = max_size, .policy = policy};
    memkind_t kind = NULL;

    EXPECT(memkind_create_pmem_with_config(&config, &kind) == MEMKIND_SUCCESS);
    return kind;
}

/* The value does not affect the kind. */
static void case_works(void)
{
    memkind_t kind = case_kind(MEMKIND_PMEM_MIN_SIZE, MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    char *block = memkind_malloc(kind, MIB);

    EXPECT(block != NULL);
    memset(block, 1, MIB);
    memkind_free(kind, block);
    block = memkind_malloc(MEMKIND_DEFAULT, MIB);
    EXPECT(block != NULL);
    memkind_free(MEMKIND_DEFAULT, block);
    EXPECT(memkind_destroy_kind(kind) == MEMKIND_SUCCESS);
}

/* No kind can be created. */
static void case_environ(void)
{
    const memkind_t untouched = (memkind_t)0x5a5a;
    memkind_t kind = untouched;
    struct memkind_config config = {.pmem_dir = case_dir};
    struct memkind made = {0};
    struct memkind_ops ops = MEMKIND_PMEM_OPS;

    leftovers_take(&fixture_before, case_dir);
    EXPECT(memkind_create_pmem(case_dir, 0, &kind) == MEMKIND_ERROR_ENVIRON);
    EXPECT(kind == untouched);
    EXPECT(memkind_create_pmem_with_config(&config, &kind) == MEMKIND_ERROR_ENVIRON);
    EXPECT(kind == untouched);
    EXPECT(memkind_pmem_create(&made, &ops, "environ") == MEMKIND_ERROR_ENVIRON);
    made.ops = &ops;
    EXPECT(memkind_set_arena_map_len(&made) == MEMKIND_ERROR_ENVIRON);
    leftovers_check(&fixture_before);
}

static pthread_barrier_t all_are_there;

static void *find_arena(void *argument)
{
    memkind_t kind = argument;
    unsigned arena = UINT_MAX;
    /* All threads live at once, and each gets memory. */
    void *block = memkind_malloc(kind, 1000);

    EXPECT(block != NULL);
    EXPECT(memkind_thread_get_arena(kind, &arena, 0) == MEMKIND_SUCCESS);
    pthread_barrier_wait(&all_are_there);
    memkind_free(kind, block);
    return (void *)(uintptr_t)arena;
}

/* Returns how many arenas the threads of one kind use. */
static size_t count_arenas(memkind_t kind)
{
    pthread_t ids[THREADS];
    void *arenas[THREADS];
    size_t different = 0;

    EXPECT(pthread_barrier_init(&all_are_there, NULL, THREADS) == 0);
    for (size_t i = 0; i < THREADS; i++)
        EXPECT(pthread_create(&ids[i], NULL, find_arena, kind) == 0);
    for (size_t i = 0; i < THREADS; i++)
        EXPECT(pthread_join(ids[i], &arenas[i]) == 0);
    for (size_t i = 0; i < THREADS; i++) {
        size_t j = 0;

        while (arenas[j] != arenas[i])
            j++;
        different += j == i;
    }
    pthread_barrier_destroy(&all_are_there);
    return different;
}

/* Threads that rarely contend use fewer arenas than the kind may have. */
static void expect_arenas(size_t least, size_t most)
{
    memkind_t kind = case_kind(0, MEMKIND_MEM_USAGE_POLICY_DEFAULT);

    EXPECT(kind->arena_map_len >= least && kind->arena_map_len <= most);
    EXPECT(count_arenas(kind) <= kind->arena_map_len);
    EXPECT(kind->arena_map_mask == kind->arena_map_len - 1);
    EXPECT(memkind_destroy_kind(kind) == MEMKIND_SUCCESS);
}

static void case_1_arena(void)
{
    expect_arenas(1, 1);
}

static void case_3_arenas(void)
{
    expect_arenas(2, 3);
}

static void case_8_arenas(void)
{
    expect_arenas(8, 8);
}

static void case_arenas_for_all(void)
{
    memkind_t kind = case_kind(0, MEMKIND_MEM_USAGE_POLICY_DEFAULT);

    EXPECT(kind->arena_map_len >= THREADS);
    EXPECT(count_arenas(kind) <= THREADS);
    EXPECT(memkind_destroy_kind(kind) == MEMKIND_SUCCESS);
}

static void case_arenas_by_default(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    expect_arenas(1, (size_t)(4 * cpus < 256 ? 4 * cpus : 256));
}

/* With so many arenas, each would get too little of a small kind. */
static void case_arenas_of_a_small_kind(void)
{
    memkind_t kind = case_kind(MEMKIND_PMEM_MIN_SIZE, MEMKIND_MEM_USAGE_POLICY_DEFAULT);

    EXPECT(kind->arena_map_len < THREADS);
    EXPECT(count_arenas(kind) <= kind->arena_map_len);
    EXPECT(memkind_destroy_kind(kind) == MEMKIND_SUCCESS);
}

static size_t held_after_free(memkind_mem_usage_policy policy)
{
    memkind_t kind = case_kind(0, policy);
    void *block = memkind_malloc(kind, 4 * MIB);

    EXPECT(block != NULL);
    EXPECT(fixture_file_space(kind) >= 4 * MIB);
    memkind_free(kind, block);
    /* No call may give memory back. */
    EXPECT(memkind_arena_update_memory_usage_policy(kind, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE) ==
           MEMKIND_SUCCESS);
    size_t held = fixture_file_space(kind);
    /* Memory that was kept is used again. */
    block = memkind_calloc(kind, 1, 4 * MIB);
    EXPECT(block != NULL);
    EXPECT(fixture_is_zero(block, 4 * MIB));
    EXPECT(fixture_file_space(kind) <= 8 * MIB);
    memkind_free(kind, block);
    int fd = fixture_fd(kind);
    EXPECT(memkind_destroy_kind(kind) == MEMKIND_SUCCESS);
    EXPECT(fcntl(fd, F_GETFD) == -1);
    return held;
}

static void case_hogs(void)
{
    EXPECT(held_after_free(MEMKIND_MEM_USAGE_POLICY_DEFAULT) >= 4 * MIB);
    EXPECT(held_after_free(MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE) >= 4 * MIB);
}

static void case_does_not_hog(void)
{
    EXPECT(held_after_free(MEMKIND_MEM_USAGE_POLICY_DEFAULT) < MIB);
    EXPECT(held_after_free(MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE) < MIB);
}

/* Otherwise a kind would be full after as many blocks as it has room for, freed or not. */
static void case_hogs_a_small_kind(void)
{
    memkind_t kind = case_kind(MEMKIND_PMEM_MIN_SIZE, MEMKIND_MEM_USAGE_POLICY_DEFAULT);

    for (size_t i = 0; i < 100; i++) {
        void *block = memkind_malloc(kind, 3 * MIB);

        EXPECT(block != NULL);
        memkind_free(kind, block);
    }
    EXPECT(fixture_file_space(kind) <= MEMKIND_PMEM_MIN_SIZE);
    EXPECT(memkind_destroy_kind(kind) == MEMKIND_SUCCESS);
}

static void case_fails_to_create(void)
{
    memkind_t kind;

    EXPECT(memkind_create_pmem("/no/such/directory", 0, &kind) == MEMKIND_ERROR_INVALID);
    EXPECT(errno == ENOENT);
}

static void case_kind_without_nodes(void)
{
    memkind_t kind;

    EXPECT(memkind_malloc(MEMKIND_HBW, 1) == NULL);
    EXPECT(memkind_malloc(MEMKIND_HBW, 1) == NULL);
    EXPECT(memkind_create_kind(MEMKIND_MEMTYPE_DEFAULT, MEMKIND_POLICY_BIND_ALL, (memkind_bits_t)0,
                               &kind) == MEMKIND_ERROR_INVALID);
}

static size_t tasks(void)
{
    DIR *dir = opendir("/proc/self/task");
    size_t count = 0;
    struct dirent *entry;

    EXPECT(dir != NULL);
    while ((entry = readdir(dir)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static void expect_threads(size_t most)
{
    memkind_t kind = case_kind(0, MEMKIND_MEM_USAGE_POLICY_DEFAULT);

    /* Stops the threads that the environment has started, so that all others can be counted. */
    EXPECT(memkind_set_bg_threads(false) == MEMKIND_SUCCESS);
    size_t before = tasks();
    EXPECT(memkind_set_bg_threads(true) == MEMKIND_SUCCESS);
    EXPECT(count_arenas(kind) >= 1);
    EXPECT(tasks() >= before);
    /* A thread may be listed for a moment after it has been joined. */
    for (size_t i = 0; i < PATIENCE_MS && tasks() > before + most; i++)
        usleep(1000);
    EXPECT(tasks() <= before + most);
    EXPECT(memkind_set_bg_threads(false) == MEMKIND_SUCCESS);
    EXPECT(memkind_destroy_kind(kind) == MEMKIND_SUCCESS);
}

static void case_1_background_thread(void)
{
    expect_threads(1);
}

static void case_a_background_thread_per_cpu(void)
{
    expect_threads((size_t)sysconf(_SC_NPROCESSORS_ONLN));
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"works", case_works},
    {"environ", case_environ},
    {"1 arena", case_1_arena},
    {"3 arenas", case_3_arenas},
    {"8 arenas", case_8_arenas},
    {"arenas for all", case_arenas_for_all},
    {"arenas by default", case_arenas_by_default},
    {"arenas of a small kind", case_arenas_of_a_small_kind},
    {"hogs", case_hogs},
    {"does not hog", case_does_not_hog},
    {"hogs a small kind", case_hogs_a_small_kind},
    {"fails to create", case_fails_to_create},
    {"kind without nodes", case_kind_without_nodes},
    {"1 background thread", case_1_background_thread},
    {"a background thread per cpu", case_a_background_thread_per_cpu},
};

static int run_case(const char *name, const char *dir)
{
    case_dir = dir;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (strcmp(cases[i].name, name) == 0) {
            cases[i].run();
            return 0;
        }
    return NO_SUCH_CASE;
}

/* -- Running them ------------------------------------------------------------------------------ */

static char child_stderr[STDERR_SIZE];

static const char *const variables[] = {"MEMKIND_ARENA_NUM_PER_KIND",
                                        "MEMKIND_HOG_MEMORY",
                                        "MEMKIND_DEBUG",
                                        "MEMKIND_BACKGROUND_THREAD_LIMIT",
                                        "MEMKIND_IDLE_THREAD",
                                        "JEMK_MALLOC_CONF",
                                        "MALLOC_CONF"};

/* In the child: sets NAME=VALUE, NAME=VALUE and executes the case. */
static void become(const char *name, const char *first, const char *second, bool privileged)
{
    for (size_t i = 0; i < COUNT_OF(variables); i++)
        unsetenv(variables[i]);
    if ((first != NULL && putenv((char *)(uintptr_t)first) != 0) ||
        (second != NULL && putenv((char *)(uintptr_t)second) != 0))
        _exit(NO_SUCH_CASE);
    /* As in a set-group-ID program: the kernel sets AT_SECURE, and secure_getenv() returns NULL. */
    if (privileged && setegid(NOBODY) != 0)
        _exit(NO_SUCH_CASE);
    execl(SELF, "test_environment", name, fixture_dir, (char *)NULL);
    _exit(NO_SUCH_CASE);
}

/* Runs the case, checks its exit status, and keeps what it wrote to standard error. */
static void run_in_child(const char *name, const char *first, const char *second, bool privileged)
{
    int ends[2];
    int status;
    size_t used = 0;
    ssize_t length;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fixture_fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        become(name, first, second, privileged);
    }
    close(ends[1]);
    while ((length = read(ends[0], child_stderr + used, sizeof(child_stderr) - 1 - used)) > 0)
        used += (size_t)length;
    child_stderr[used] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("%s with %s, %s: status %x, stderr: %s", name, first, second, (unsigned)status,
                 child_stderr);
}

static void expect_silence(const char *name, const char *variable)
{
    run_in_child(name, variable, NULL, false);
    assert_string_equal(child_stderr, "");
}

static void expect_words(const char *name, const char *first, const char *second)
{
    run_in_child(name, first, second, false);
    assert_string_not_equal(child_stderr, "");
}

/* -- Arenas ------------------------------------------------------------------------------------ */

static void test_arenas_that_are_no_number(void **state)
{
    static const char *const values[] = {
        "MEMKIND_ARENA_NUM_PER_KIND=",
        "MEMKIND_ARENA_NUM_PER_KIND=0",
        "MEMKIND_ARENA_NUM_PER_KIND=-1",
        "MEMKIND_ARENA_NUM_PER_KIND=many",
        "MEMKIND_ARENA_NUM_PER_KIND=4x",
        "MEMKIND_ARENA_NUM_PER_KIND=4.5",
        "MEMKIND_ARENA_NUM_PER_KIND=2147483648",
        "MEMKIND_ARENA_NUM_PER_KIND=4294967297",
        "MEMKIND_ARENA_NUM_PER_KIND=18446744073709551617",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        expect_silence("environ", values[i]);
        expect_words("environ", values[i], "MEMKIND_DEBUG=1");
    }
}

static void test_arenas(void **state)
{
    (void)state;
    expect_silence("1 arena", "MEMKIND_ARENA_NUM_PER_KIND=1");
    expect_silence("3 arenas", "MEMKIND_ARENA_NUM_PER_KIND=3");
    expect_silence("8 arenas", "MEMKIND_ARENA_NUM_PER_KIND=8");
    expect_silence("arenas for all", "MEMKIND_ARENA_NUM_PER_KIND=256");
    expect_silence("arenas for all", "MEMKIND_ARENA_NUM_PER_KIND=4096");
    expect_silence("arenas for all", "MEMKIND_ARENA_NUM_PER_KIND=2147483647");
    expect_silence("arenas by default", NULL);
    expect_silence("arenas of a small kind", "MEMKIND_ARENA_NUM_PER_KIND=256");
    expect_silence("arenas of a small kind", "MEMKIND_ARENA_NUM_PER_KIND=2147483647");
}

/* -- Settings of jemalloc ---------------------------------------------------------------------- */

/* memkind 1.14 accepts any of these, too. */
static void test_settings_of_jemalloc(void **state)
{
    static const char *const values[] = {
        "JEMK_MALLOC_CONF=retain:false",
        "JEMK_MALLOC_CONF=tcache:true,narenas:2,percpu_arena:percpu",
        "JEMK_MALLOC_CONF=oversize_threshold:4096,lg_extent_max_active_fit:0",
        "JEMK_MALLOC_CONF=no such setting:1,retain",
        "MALLOC_CONF=retain:false",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        expect_silence("works", values[i]);
        expect_silence("does not hog", values[i]);
        expect_silence("arenas by default", values[i]);
    }
}

/* -- Cached memory ----------------------------------------------------------------------------- */

static void test_hog_memory(void **state)
{
    (void)state;
    expect_silence("hogs", "MEMKIND_HOG_MEMORY=1");
    expect_silence("hogs a small kind", "MEMKIND_HOG_MEMORY=1");
    expect_silence("works", "MEMKIND_HOG_MEMORY=1");
    expect_silence("does not hog", "MEMKIND_HOG_MEMORY=0");
    expect_silence("does not hog", NULL);
}

static void test_hog_memory_with_a_wrong_value(void **state)
{
    static const char *const values[] = {"MEMKIND_HOG_MEMORY=", "MEMKIND_HOG_MEMORY=2",
                                         "MEMKIND_HOG_MEMORY=yes", "MEMKIND_HOG_MEMORY=11"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        expect_silence("does not hog", values[i]);
        expect_words("does not hog", values[i], "MEMKIND_DEBUG=1");
    }
}

/* -- Words ------------------------------------------------------------------------------------- */

static void test_debug(void **state)
{
    (void)state;
    expect_words("fails to create", "MEMKIND_DEBUG=1", NULL);
    assert_non_null(strstr(child_stderr, "/no/such/directory"));
    expect_silence("fails to create", NULL);
    expect_silence("fails to create", "MEMKIND_DEBUG=0");
    expect_silence("fails to create", "MEMKIND_DEBUG=2");
    expect_silence("fails to create", "MEMKIND_DEBUG=yes");
    expect_silence("fails to create", "MEMKIND_DEBUG=");
    expect_silence("works", "MEMKIND_DEBUG=2");
}

static void test_debug_of_kinds_without_nodes(void **state)
{
    static const char no_nodes[] = "MEMKIND_HBW_THRESHOLD=4294967295";

    (void)state;
    expect_words("kind without nodes", no_nodes, "MEMKIND_DEBUG=1");
    const char *line = strstr(child_stderr, "kind memkind_hbw has no nodes");
    assert_non_null(line);
    assert_null(strstr(line + 1, "kind memkind_hbw"));
    assert_non_null(strstr(child_stderr, "no kind has the memory types"));
    expect_silence("kind without nodes", no_nodes);
}

/* -- Background threads ------------------------------------------------------------------------ */

static void test_background_threads(void **state)
{
    (void)state;
    if (FIXTURE_TSAN)
        skip();
    expect_silence("1 background thread", "MEMKIND_BACKGROUND_THREAD_LIMIT=1");
    expect_silence("a background thread per cpu", "MEMKIND_BACKGROUND_THREAD_LIMIT=0");
    expect_silence("works", "MEMKIND_BACKGROUND_THREAD_LIMIT=1");
    expect_silence("works", "MEMKIND_BACKGROUND_THREAD_LIMIT=0");
    /* A limit above any number of threads. */
    expect_silence("works", "MEMKIND_BACKGROUND_THREAD_LIMIT=999999");
    expect_silence("works", "MEMKIND_BACKGROUND_THREAD_LIMIT=2147483647");
}

/* memkind 1.14 aborts. */
static void test_background_threads_with_a_wrong_value(void **state)
{
    static const char *const values[] = {
        "MEMKIND_BACKGROUND_THREAD_LIMIT=", "MEMKIND_BACKGROUND_THREAD_LIMIT=-1",
        "MEMKIND_BACKGROUND_THREAD_LIMIT=some", "MEMKIND_BACKGROUND_THREAD_LIMIT=1x",
        "MEMKIND_BACKGROUND_THREAD_LIMIT=2147483648"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        expect_silence("works", values[i]);
        expect_words("works", values[i], "MEMKIND_DEBUG=1");
    }
}

/* -- Programs with more privileges than their caller ------------------------------------------- */

static void test_privileged_programs_ignore_the_environment(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    run_in_child("works", "MEMKIND_ARENA_NUM_PER_KIND=many", NULL, true);
    run_in_child("does not hog", "MEMKIND_HOG_MEMORY=1", NULL, true);
    run_in_child("fails to create", "MEMKIND_DEBUG=1", NULL, true);
    assert_string_equal(child_stderr, "");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_arenas_that_are_no_number),
        FIXTURE_TEST(test_arenas),
        FIXTURE_TEST(test_settings_of_jemalloc),
        FIXTURE_TEST(test_hog_memory),
        FIXTURE_TEST(test_hog_memory_with_a_wrong_value),
        FIXTURE_TEST(test_debug),
        FIXTURE_TEST(test_debug_of_kinds_without_nodes),
        FIXTURE_TEST(test_background_threads),
        FIXTURE_TEST(test_background_threads_with_a_wrong_value),
        FIXTURE_TEST(test_privileged_programs_ignore_the_environment),
    };

    if (argc == 3)
        return run_case(argv[1], argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
