/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of processes that fork: whatever a child does with inherited kinds, the parent's blocks,
 * file space and counters do not change, and the child can allocate.
 */
#include "api/fork_fixture.h"

#include <dirent.h>
#include <spawn.h>
#include <sys/resource.h>

#define MANY_KINDS 100

/* -- Operations of a child --------------------------------------------------------------------- */

static void allocate(memkind_t kind)
{
    use(kind);
    char *block = memkind_calloc(kind, 1000, 1000);
    EXPECT(block != NULL && fixture_is_zero(block, 1000000));
    void *aligned = NULL;
    EXPECT(memkind_posix_memalign(kind, &aligned, 2 * MIB, 3 * MIB) == 0);
    memset(aligned, 1, 3 * MIB);
}

static void read_blocks(memkind_t kind)
{
    EXPECT(are_blocks_filled());
    for (size_t i = 0; i < BLOCKS; i++) {
        EXPECT(memkind_detect_kind(blocks[i]) == kind);
        EXPECT(memkind_malloc_usable_size(kind, blocks[i]) >= size_of(i));
    }
    EXPECT(memkind_malloc(kind, 1) != NULL);
    /* Still true after the kind has got a file of this process. */
    EXPECT(are_blocks_filled());
    for (size_t i = 0; i < BLOCKS; i++) {
        EXPECT(memkind_detect_kind(blocks[i]) == kind);
        EXPECT(memkind_malloc_usable_size(NULL, blocks[i]) >= size_of(i));
    }
}

static void free_inherited(memkind_t kind)
{
    free_blocks(kind);
    use(kind);
}

static void free_inherited_later(memkind_t kind)
{
    use(kind);
    free_blocks(kind);
    use(kind);
}

static void realloc_inherited(memkind_t kind)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        char *grown = memkind_realloc(i % 2 == 0 ? kind : NULL, blocks[i], 2 * size_of(i));
        EXPECT(grown != NULL && fixture_is_filled(grown, size_of(i), (unsigned)i));
        memset(grown + size_of(i), 1, size_of(i));
        EXPECT(memkind_realloc(kind, grown, 1) != NULL);
    }
    EXPECT(memkind_defrag_reallocate(kind, blocks[0]) == NULL);
}

static void query_statistics(memkind_t kind)
{
    size_t value;

    EXPECT(memkind_update_cached_stats() == MEMKIND_SUCCESS);
    for (int stat = 0; stat < MEMKIND_STAT_TYPE_MAX_VALUE; stat++)
        EXPECT(memkind_get_stat(kind, (memkind_stat_type)stat, &value) == MEMKIND_SUCCESS &&
               value == 0);
    EXPECT(memkind_malloc(kind, 100 * KIB) != NULL);
    EXPECT(memkind_update_cached_stats() == MEMKIND_SUCCESS);
    EXPECT(memkind_get_stat(kind, MEMKIND_STAT_TYPE_ALLOCATED, &value) == MEMKIND_SUCCESS);
    EXPECT(value >= 100 * KIB && value < MIB);
    EXPECT(memkind_get_capacity(kind) > 0 && memkind_check_available(kind) == MEMKIND_SUCCESS);
}

static void destroy_inherited(memkind_t kind)
{
    EXPECT(memkind_destroy_kind(kind) == MEMKIND_SUCCESS);
}

static void destroy_after_use(memkind_t kind)
{
    use(kind);
    free_blocks(kind);
    destroy_inherited(kind);
}

static void make_kinds(memkind_t kind)
{
    for (int round = 0; round < 3; round++) {
        memkind_t own = NULL;

        EXPECT(memkind_create_pmem(fixture_dir, 0, &own) == MEMKIND_SUCCESS);
        use(own);
        use(kind);
        EXPECT(memkind_destroy_kind(own) == MEMKIND_SUCCESS);
    }
}

static void map(memkind_t kind)
{
    char *mapped = memkind_pmem_mmap(kind, NULL, 4 * MIB);

    EXPECT(mapped != NULL && fixture_is_zero(mapped, 4 * MIB));
    memset(mapped, 1, 4 * MIB);
}

static void fork_again(memkind_t kind)
{
    static int generations;
    int status = 0;

    use(kind);
    char *own = memkind_malloc(kind, 1000);
    fixture_fill(own, 1000, 7);
    if (++generations < 4) {
        pid_t child = fork();

        if (child == 0) {
            EXPECT(fixture_is_filled(own, 1000, 7));
            memkind_free(NULL, own);
            fork_again(kind);
            _exit(0);
        }
        EXPECT(waitpid(child, &status, 0) == child);
        EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    EXPECT(fixture_is_filled(own, 1000, 7));
    use(kind);
    free_blocks(kind);
    memkind_free(kind, own);
    EXPECT(memkind_destroy_kind(kind) == MEMKIND_SUCCESS);
}

/* -- And how it may end ------------------------------------------------------------------------ */

static void end_by_exit(void)
{
    /* The test's own exit handler must not run: it would remove the directory. */
    fixture_process = 0;
    exit(0);
}

static void end_by_crash(void)
{
    struct rlimit none = {0};

    setrlimit(RLIMIT_CORE, &none);
    raise(SIGKILL);
}

static void end_by_exec(void)
{
    execl("/bin/true", "true", (char *)NULL);
    _exit(LINE_STATUS);
}

static void end_by_underscore_exit(void)
{
    _exit(0);
}

struct counters {
    size_t held, file_space, file_size, stat[MEMKIND_STAT_TYPE_MAX_VALUE];
};

static struct counters count(memkind_t kind)
{
    struct counters counters = {.held = fixture_current_size(kind),
                                .file_space = fixture_file_space(kind),
                                .file_size = fixture_file_size(kind)};

    assert_int_equal(memkind_update_cached_stats(), MEMKIND_SUCCESS);
    for (int stat = 0; stat < MEMKIND_STAT_TYPE_MAX_VALUE; stat++)
        assert_int_equal(memkind_get_stat(kind, (memkind_stat_type)stat, &counters.stat[stat]), 0);
    return counters;
}

static void run_child(memkind_t kind, void (*work)(memkind_t), void (*end)(void))
{
    pid_t child = fixture_fork();
    int status;

    if (child == 0) {
        work(kind);
        end();
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        fail_msg("a child failed at a line that is %d modulo 255", WEXITSTATUS(status));
    assert_true(WIFEXITED(status) || (end == end_by_crash && WTERMSIG(status) == SIGKILL));
}

static void test_parent_is_untouched(void **state)
{
    static void (*const works[])(memkind_t) = {
        allocate,         read_blocks, free_inherited,    free_inherited_later, realloc_inherited,
        query_statistics, make_kinds,  destroy_inherited, destroy_after_use,    map,
        fork_again};
    static void (*const ends[])(void) = {end_by_exit, end_by_underscore_exit, end_by_crash,
                                         end_by_exec};
    memkind_t kind = *state;

    fill_blocks(kind);
    struct counters before = count(kind);
    for (size_t i = 0; i < COUNT_OF(works); i++) {
        run_child(kind, works[i], ends[i % COUNT_OF(ends)]);
        assert_true(are_blocks_filled());
        struct counters after = count(kind);
        assert_memory_equal(&before, &after, sizeof(before));
    }
    use(kind);
    free_blocks(kind);
}

/* fork copies the memory of kinds in private memory: the child has all of it, and goes on. */
static void test_kinds_in_private_memory(void **state)
{
    memkind_t kind = *state;

    fill_blocks(kind);
    pid_t child = fixture_fork();
    if (child == 0) {
        EXPECT(are_blocks_filled());
        use(kind);
        for (size_t i = 0; i < BLOCKS; i++) {
            blocks[i] = memkind_realloc(kind, blocks[i], 2 * size_of(i));
            EXPECT(blocks[i] != NULL && fixture_is_filled(blocks[i], size_of(i), (unsigned)i));
        }
        memset(blocks[0], 0, size_of(0));
        free_blocks(kind);
        _exit(0);
    }
    assert_int_equal(fixture_wait(child), 0);
    assert_true(are_blocks_filled());
    free_blocks(kind);
}

static void test_writing_to_an_inherited_block_is_seen(void **state)
{
    memkind_t kind = *state;
    char *block = memkind_malloc(kind, 100);

    assert_non_null(block);
    block[0] = 'a';
    pid_t child = fixture_fork();
    if (child == 0) {
        block[0] = 'b';
        _exit(0);
    }
    assert_int_equal(fixture_wait(child), 0);
    assert_int_equal(block[0], 'b');
    memkind_free(kind, block);
}

static size_t entries_of_directory(void)
{
    DIR *dir = opendir(fixture_dir);
    size_t count = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

/* The child's file is in the same directory, nameless, and has the parent's limit and policy. */
static void test_childs_blocks_lie_in_a_file_of_its_own(void **state)
{
    memkind_t kind = *state;
    struct stat parents, own;

    fill_blocks(kind);
    assert_int_equal(fstat(fixture_fd(kind), &parents), 0);
    size_t max_size = ((struct memkind_pmem *)kind->priv)->max_size;
    pid_t child = fixture_fork();
    if (child == 0) {
        int parents_fd = fixture_fd(kind);
        char *block = memkind_malloc(kind, MIB);

        EXPECT(block != NULL && fstat(fixture_fd(kind), &own) == 0);
        EXPECT(own.st_dev == parents.st_dev && own.st_ino != parents.st_ino && own.st_nlink == 0);
        /* The parent's file stays mapped, which needs no descriptor. */
        EXPECT(fcntl(fixture_fd(kind), F_GETFD) == FD_CLOEXEC);
        EXPECT(parents_fd == fixture_fd(kind) || fcntl(parents_fd, F_GETFD) == -1);
        EXPECT(((struct memkind_pmem *)kind->priv)->max_size == max_size);
        EXPECT(fixture_current_size(kind) == fixture_file_space(kind));
        EXPECT(entries_of_directory() == 2);
        EXPECT(max_size == 0 || memkind_malloc(kind, max_size) == NULL);
        memkind_free(kind, block);
        _exit(0);
    }
    assert_int_equal(fixture_wait(child), 0);
    free_blocks(kind);
}

/* A child that gets no file gets NULL, and memory once a file can be made. */
static void test_child_that_gets_no_file(void **state)
{
    memkind_t kind = *state;

    fill_blocks(kind);
    pid_t child = fixture_fork();
    if (child == 0) {
        struct rlimit limit, none;

        getrlimit(RLIMIT_NOFILE, &limit);
        none = limit;
        none.rlim_cur = 0;
        EXPECT(setrlimit(RLIMIT_NOFILE, &none) == 0);
        for (int i = 0; i < 10; i++) {
            errno = 0;
            EXPECT(memkind_malloc(kind, 100) == NULL && errno == ENOMEM);
            memkind_free(kind, blocks[i]);
        }
        EXPECT(are_blocks_filled());
        EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        use(kind);
        EXPECT(memkind_destroy_kind(kind) == MEMKIND_SUCCESS);
        _exit(0);
    }
    assert_int_equal(fixture_wait(child), 0);
    assert_true(are_blocks_filled());
    free_blocks(kind);
}

/* A child that destroys its inherited and its own kinds holds no more than at its start. */
static void test_child_loses_nothing(void **state)
{
    static struct leftovers in_child;
    memkind_t kind = *state;

    fill_blocks(kind);
    pid_t child = fixture_fork();
    if (child == 0) {
        use(kind);
        EXPECT(memkind_destroy_kind(kind) == MEMKIND_SUCCESS);
        size_t address_space = fixture_address_space();
        leftovers_take(&in_child, fixture_dir);
        EXPECT(strstr(in_child.mappings, fixture_dir) == NULL);
        EXPECT(strstr(in_child.descriptors, fixture_dir) == NULL);
        for (int i = 0; i < 20; i++) {
            memkind_t own = NULL;

            EXPECT(memkind_create_pmem(fixture_dir, 0, &own) == MEMKIND_SUCCESS);
            EXPECT(memkind_malloc(own, MIB) != NULL);
            EXPECT(memkind_destroy_kind(own) == MEMKIND_SUCCESS);
        }
        /* The thread sanitizer maps memory of its own. */
        EXPECT(FIXTURE_TSAN || fixture_address_space() <= address_space + 16 * MIB);
        _exit(0);
    }
    assert_int_equal(fixture_wait(child), 0);
    free_blocks(kind);
}

static void test_many_kinds(void **state)
{
    memkind_t kinds[MANY_KINDS];
    char *block[MANY_KINDS];

    (void)state;
    for (size_t i = 0; i < MANY_KINDS; i++) {
        kinds[i] = fixture_pmem(0);
        block[i] = memkind_malloc(kinds[i], 100);
        assert_non_null(block[i]);
        fixture_fill(block[i], 100, (unsigned)i);
    }
    pid_t child = fixture_fork();
    if (child == 0) {
        for (size_t i = 0; i < MANY_KINDS; i++) {
            char *own = memkind_malloc(kinds[i], 100);
            EXPECT(own != NULL && own != block[i]);
            memset(own, 0, 100);
            memkind_free(NULL, block[i]);
            EXPECT(memkind_destroy_kind(kinds[i]) == MEMKIND_SUCCESS);
        }
        _exit(0);
    }
    assert_int_equal(fixture_wait(child), 0);
    for (size_t i = 0; i < MANY_KINDS; i++) {
        assert_true(fixture_is_filled(block[i], 100, (unsigned)i));
        fixture_destroy(kinds[i]);
    }
}

/* -- Threads that are busy when the process forks ---------------------------------------------- */

/*
 * Not under a sanitizer: in the child, the lock of the sanitizer's list of threads may stay held.
 */

static void live_among_busy_threads(memkind_t kind)
{
    use(kind);
    use(MEMKIND_REGULAR);
    free_blocks(kind);
    memkind_t own = NULL;
    EXPECT(memkind_create_pmem(fixture_dir, 0, &own) == MEMKIND_SUCCESS);
    use(own);
    EXPECT(memkind_destroy_kind(own) == MEMKIND_SUCCESS);
}

static void test_fork_among_busy_threads(void **state)
{
    if (FIXTURE_TSAN || FIXTURE_ASAN)
        skip();
    fill_blocks(*state);
    fork_among_busy_threads(*state, live_among_busy_threads);
    free_blocks(*state);
}

/* A thread that uses the default heap and ends with a cache of jemalloc's to flush. */
static void *use_and_end(void *unused)
{
    void *block = memkind_malloc(MEMKIND_DEFAULT, 100);

    (void)unused;
    if (block != NULL)
        memkind_free(MEMKIND_DEFAULT, memkind_realloc(MEMKIND_DEFAULT, block, 100 * KIB));
    return block;
}

static void *start_threads_that_end(void *stop)
{
    while (!atomic_load((atomic_bool *)stop)) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, use_and_end, NULL) == 0)
            pthread_join(thread, NULL);
    }
    return NULL;
}

/* Starts and stops jemalloc's background threads. */
static void *switch_background_threads(void *stop)
{
    while (!atomic_load((atomic_bool *)stop)) {
        memkind_set_bg_threads(true);
        memkind_set_bg_threads(false);
    }
    return NULL;
}

/*
 * Forks repeatedly while `body` runs in another thread. Each child uses the default heap, its
 * arenas too, and the kind.
 */
static void fork_beside(memkind_t kind, void *(*body)(void *stop))
{
    pthread_t thread;
    atomic_bool stop = false;

    fill_blocks(kind);
    assert_int_equal(pthread_create(&thread, NULL, body, &stop), 0);
    for (int i = 0; i < 5 * BUSY_FORKS; i++) {
        pid_t child = fixture_fork();

        if (child == 0) {
            alarm(60);
            use(MEMKIND_DEFAULT);
            for (int j = 0; j < 16; j++) {
                pthread_t own;
                void *block;

                EXPECT(pthread_create(&own, NULL, use_and_end, NULL) == 0);
                EXPECT(pthread_join(own, &block) == 0 && block != NULL);
            }
            EXPECT(memkind_set_bg_threads(true) == MEMKIND_SUCCESS);
            EXPECT(memkind_set_bg_threads(false) == MEMKIND_SUCCESS);
            use(kind);
            _exit(0);
        }
        int status = fixture_wait(child);
        if (status != 0)
            fail_msg("child %d failed at a line that is %d modulo 255", i, status);
    }
    atomic_store(&stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    free_blocks(kind);
}

static void test_fork_while_threads_end(void **state)
{
    if (FIXTURE_TSAN || FIXTURE_ASAN)
        skip();
    fork_beside(*state, start_threads_that_end);
}

static void test_fork_while_background_threads_come_and_go(void **state)
{
    if (FIXTURE_TSAN || FIXTURE_ASAN)
        skip();
    fork_beside(*state, switch_background_threads);
}

/* -- What a fork costs ------------------------------------------------------------------------- */

static long page_faults(void)
{
    struct rusage usage;

    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_minflt;
}

/* Returns the page faults of a fork in this process, while the child has all of its memory. */
static long page_faults_of_fork(void)
{
    int ends[2];
    char byte;

    assert_int_equal(pipe(ends), 0);
    long faults = page_faults();
    pid_t child = fixture_fork();
    if (child == 0) {
        close(ends[1]);
        EXPECT(read(ends[0], &byte, 1) == 0);
        _exit(0);
    }
    faults = page_faults() - faults;
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(fixture_wait(child), 0);
    return faults;
}

/* A fork copies no page of a kind, with other threads or without. */
static void check_fork_is_cheap(void)
{
    memkind_t kinds[MANY_KINDS];
    long faults = page_faults_of_fork();

    for (size_t i = 0; i < MANY_KINDS; i++) {
        kinds[i] = fixture_pmem(0);
        assert_non_null(memkind_malloc(kinds[i], 100));
        assert_non_null(memkind_malloc(kinds[i], 100 * KIB));
    }
    faults = page_faults_of_fork() - faults;
    if (faults >= MANY_KINDS / 2)
        fail_msg("a fork with %d kinds costs %ld page faults more", MANY_KINDS, faults);
    for (size_t i = 0; i < MANY_KINDS; i++)
        fixture_destroy(kinds[i]);
}

static void *wait_until_stopped(void *stop)
{
    while (!atomic_load((atomic_bool *)stop))
        usleep(1000);
    return NULL;
}

static void test_fork_copies_no_page_of_a_kind(void **state)
{
    pthread_t thread;
    atomic_bool stop = false;

    (void)state;
    if (FIXTURE_TSAN || FIXTURE_ASAN)
        skip(); /* the sanitizers change their own pages */
    check_fork_is_cheap();
    assert_int_equal(pthread_create(&thread, NULL, wait_until_stopped, &stop), 0);
    check_fork_is_cheap();
    atomic_store(&stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* -- Other children ---------------------------------------------------------------------------- */

/* A child may have threads, each of which finds the kind inherited. */
static void test_threads_of_a_child(void **state)
{
    memkind_t kind = *state;

    if (FIXTURE_TSAN)
        skip();
    fill_blocks(kind);
    pid_t child = fixture_fork();
    if (child == 0) {
        struct busy_threads threads;

        EXPECT(busy_threads_start(&threads, kind));
        for (int i = 0; i < 20; i++)
            use(kind);
        busy_threads_stop(&threads);
        EXPECT(memkind_destroy_kind(kind) == MEMKIND_SUCCESS);
        _exit(0);
    }
    assert_int_equal(fixture_wait(child), 0);
    free_blocks(kind);
}

/* posix_spawn changes nothing in the calling process. */
static void test_posix_spawn(void **state)
{
    memkind_t kind = *state;
    char *const arguments[] = {"true", NULL};
    int status;
    pid_t child;

    fill_blocks(kind);
    assert_int_equal(posix_spawn(&child, "/bin/true", NULL, NULL, arguments, NULL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    use(kind);
    assert_true(are_blocks_filled());
    free_blocks(kind);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST_ON_PMEM(test_parent_is_untouched),
        FIXTURE_TEST_ON(test_kinds_in_private_memory, FIXTURE_DEFAULT),
        FIXTURE_TEST_ON(test_kinds_in_private_memory, FIXTURE_REGULAR),
        FIXTURE_TEST_ON_PMEM(test_writing_to_an_inherited_block_is_seen),
        FIXTURE_TEST_ON_PMEM(test_childs_blocks_lie_in_a_file_of_its_own),
        FIXTURE_TEST_ON_PMEM(test_child_that_gets_no_file),
        FIXTURE_TEST_ON_PMEM(test_child_loses_nothing),
        FIXTURE_TEST(test_many_kinds),
        FIXTURE_TEST_ON_PMEM(test_fork_among_busy_threads),
        FIXTURE_TEST_ON(test_fork_while_threads_end, FIXTURE_UNLIMITED),
        FIXTURE_TEST_ON(test_fork_while_background_threads_come_and_go, FIXTURE_UNLIMITED),
        FIXTURE_TEST(test_fork_copies_no_page_of_a_kind),
        FIXTURE_TEST_ON_PMEM(test_threads_of_a_child),
        FIXTURE_TEST_ON_PMEM(test_posix_spawn),
    };

    /* The idle thread would change the addresses in use and the counters. */
    setenv("MEMKIND_IDLE_THREAD", "0", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
