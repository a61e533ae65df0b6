/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of kinds that are copied for children: each process has the heap as it was at the fork, and
 * goes on with its own.
 */
#include "api/fork_fixture.h"

#include <poll.h>
#include <sys/resource.h>

#define NOBODY ((uid_t)65534)

/* All tests are run for either. */
static memkind_fork_mode mode = MEMKIND_FORK_SNAPSHOT;

static memkind_t make(size_t max_size, memkind_fork_mode with)
{
    struct memkind_config *config = memkind_config_new();
    memkind_t kind = NULL;

    assert_non_null(config);
    memkind_config_set_path(config, fixture_dir);
    memkind_config_set_size(config, max_size);
    memkind_config_set_fork(config, with);
    assert_int_equal(memkind_create_pmem_with_config(config, &kind), MEMKIND_SUCCESS);
    memkind_config_delete(config);
    return kind;
}

static void fill_with(unsigned seed)
{
    for (size_t i = 0; i < BLOCKS; i++)
        fixture_fill(blocks[i], size_of(i), (unsigned)i + seed);
}

static bool are_filled_with(unsigned seed)
{
    for (size_t i = 0; i < BLOCKS; i++)
        if (!fixture_is_filled(blocks[i], size_of(i), (unsigned)i + seed))
            return false;
    return true;
}

/* -- What a child sees ------------------------------------------------------------------------- */

static size_t allocated(memkind_t kind)
{
    size_t value = 0;

    memkind_update_cached_stats();
    memkind_get_stat(kind, MEMKIND_STAT_TYPE_ALLOCATED, &value);
    return value;
}

/*
 * Checks that the child has another file, whose space equals the account. The account of a snapshot
 * includes what lies in the parent's file, and the child may have no file.
 */
static void check_account(memkind_t kind)
{
    if (mode == MEMKIND_FORK_COPY)
        EXPECT(fixture_file_space(kind) >= fixture_current_size(kind));
    else if (fixture_fd(kind) < 0)
        return;
    EXPECT(fixture_file_space(kind) <= fixture_space_for(kind, fixture_current_size(kind)));
}

/* Calls every operation that a process may use on its own kind. */
static void use_up(memkind_t kind)
{
    use(kind);
    check_account(kind);
    for (size_t i = 0; i < BLOCKS; i += 3) {
        blocks[i] = memkind_realloc(kind, blocks[i], 2 * size_of(i));
        EXPECT(blocks[i] != NULL);
        EXPECT(fixture_is_filled(blocks[i], size_of(i), (unsigned)i));
    }
    EXPECT(are_blocks_filled());
    free_blocks(kind);
    EXPECT(memkind_purge(kind) == MEMKIND_SUCCESS);
    check_account(kind);
    EXPECT(allocated(kind) < MIB);
}

static void test_each_goes_on_with_its_own(void **state)
{
    memkind_t kind = make((size_t)(uintptr_t)*state, mode);
    struct gate changed = gate_new();

    fill_blocks(kind);
    size_t before = allocated(kind);
    assert_int_equal(memkind_get_snapshot(kind), MEMKIND_SNAPSHOT_NONE);
    pid_t child = fixture_fork();
    if (child == 0) {
        gate_wait(&changed);
        EXPECT(memkind_get_snapshot(kind) == MEMKIND_SNAPSHOT_COPY);
        /* Minus the blocks in the parent's caches. */
        EXPECT(allocated(kind) >= before);
        EXPECT(are_blocks_filled());
        check_account(kind);
        use_up(kind);
        EXPECT(memkind_destroy_kind(kind) == MEMKIND_SUCCESS);
        _exit(0);
    }
    assert_int_equal(memkind_get_snapshot(kind), MEMKIND_SNAPSHOT_COPY);
    fill_with(77);
    memkind_free(kind, memkind_malloc(kind, 3 * MIB));
    gate_open(&changed);
    assert_int_equal(fixture_wait(child), 0);
    assert_true(are_filled_with(77));
    fill_with(0);
    assert_int_equal(allocated(kind), before);
    use_up(kind);
    gate_close(&changed);
    fixture_destroy(kind);
}

static void test_children_of_children(void **state)
{
    memkind_t kind = make(0, mode);

    (void)state;
    fill_blocks(kind);
    pid_t child = fixture_fork();
    if (child == 0) {
        fill_with(1);
        pid_t grandchild = fork();
        EXPECT(grandchild >= 0);
        fill_with(2);
        if (grandchild == 0) {
            EXPECT(memkind_get_snapshot(kind) == MEMKIND_SNAPSHOT_COPY);
            fill_with(0);
            use_up(kind);
            _exit(0);
        }
        int status;
        EXPECT(waitpid(grandchild, &status, 0) == grandchild && status == 0);
        EXPECT(are_filled_with(2));
        fill_with(0);
        use_up(kind);
        _exit(0);
    }
    assert_int_equal(fixture_wait(child), 0);
    assert_true(are_blocks_filled());
    fixture_destroy(kind);
}

/* The parent frees, purges and destroys: the child still has everything. */
static void test_parent_destroys(void **state)
{
    memkind_t kind = make(0, mode);
    struct gate destroyed = gate_new();

    (void)state;
    fill_blocks(kind);
    pid_t child = fixture_fork();
    if (child == 0) {
        gate_wait(&destroyed);
        use_up(kind);
        _exit(0);
    }
    fixture_destroy(kind);
    gate_open(&destroyed);
    assert_int_equal(fixture_wait(child), 0);
    gate_close(&destroyed);
}

/* Blocks of all sizes: pages that are free, committed ahead, or a part of a chunk. */
static void test_after_frees(void **state)
{
    memkind_t kind = make(256 * MIB, mode);
    static char *large[40];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(large); i++) {
        large[i] = memkind_malloc(kind, (i + 1) * 100 * KIB);
        assert_non_null(large[i]);
        fixture_fill(large[i], (i + 1) * 100 * KIB, (unsigned)i);
    }
    for (size_t i = 0; i < COUNT_OF(large); i += 2)
        memkind_free(kind, large[i]);
    for (int round = 0; round < 3; round++) {
        pid_t child = fixture_fork();
        if (child == 0) {
            check_account(kind);
            for (size_t i = 1; i < COUNT_OF(large); i += 2)
                EXPECT(fixture_is_filled(large[i], (i + 1) * 100 * KIB, (unsigned)i));
            size_t held = fixture_current_size(kind);
            for (size_t i = 1; i < COUNT_OF(large); i += 2)
                memkind_free(NULL, large[i]);
            EXPECT(memkind_purge(kind) == MEMKIND_SUCCESS);
            EXPECT(fixture_current_size(kind) < held / 4);
            check_account(kind);
            _exit(0);
        }
        assert_int_equal(fixture_wait(child), 0);
        assert_int_equal(memkind_purge(kind), MEMKIND_SUCCESS);
    }
    fixture_destroy(kind);
}

static void test_beside_a_shared_kind(void **state)
{
    memkind_t copied = make(0, mode);
    memkind_t shared = make(0, MEMKIND_FORK_SHARE);
    char *in_copied = memkind_calloc(copied, 1, 100);
    char *in_shared = memkind_calloc(shared, 1, 100);

    (void)state;
    assert_non_null(in_copied);
    assert_non_null(in_shared);
    pid_t child = fixture_fork();
    if (child == 0) {
        EXPECT(memkind_get_snapshot(copied) == MEMKIND_SNAPSHOT_COPY);
        EXPECT(memkind_get_snapshot(shared) == MEMKIND_SNAPSHOT_NONE);
        in_copied[0] = 1;
        in_shared[0] = 1;
        _exit(0);
    }
    assert_int_equal(fixture_wait(child), 0);
    assert_int_equal(in_copied[0], 0);
    assert_int_equal(in_shared[0], 1);
    fixture_destroy(copied);
    fixture_destroy(shared);
}

/* -- Random operations ------------------------------------------------------------------------- */

#define MODEL_BLOCKS 1500
#define GENERATIONS  4

struct model_block {
    unsigned char *block; /* NULL: none */
    size_t size;
    unsigned seed; /* what each byte is made of */
};

static struct model_block model[MODEL_BLOCKS];
static unsigned long checks;

static unsigned char byte_at(unsigned seed, size_t i)
{
    return (unsigned char)((seed * 2654435761u + i * 40503u) >> 7);
}

static void write_block(struct model_block *block, unsigned seed)
{
    block->seed = seed;
    for (size_t i = 0; i < block->size; i += 61)
        block->block[i] = byte_at(seed, i);
}

static void check_block(const struct model_block *block)
{
    for (size_t i = 0; i < block->size; i += 61, checks++)
        EXPECT(block->block[i] == byte_at(block->seed, i));
}

static size_t random_size(unsigned *seed)
{
    switch (rand_r(seed) % 8) {
    case 0:
        return (size_t)rand_r(seed) % (300 * KIB) + 1;
    case 1:
    case 2:
        return (size_t)rand_r(seed) % (32 * KIB) + 1;
    default:
        return (size_t)rand_r(seed) % 3000 + 1;
    }
}

static void change_block(memkind_t kind, struct model_block *block, unsigned *seed)
{
    int choice = rand_r(seed) % 8;

    if (block->block == NULL) {
        block->size = random_size(seed);
        block->block = choice % 2 == 0 ? memkind_malloc(kind, block->size)
                                       : memkind_calloc(kind, 1, block->size);
        EXPECT(block->block != NULL);
        for (size_t i = 0; choice % 2 != 0 && i < block->size; i += 509, checks++)
            EXPECT(block->block[i] == 0);
        write_block(block, (unsigned)rand_r(seed));
        return;
    }
    check_block(block);
    if (choice < 3) {
        memkind_free(kind, block->block);
        block->block = NULL;
    } else if (choice < 5) {
        size_t size = random_size(seed);
        size_t kept = size < block->size ? size : block->size;
        struct model_block old = *block;

        block->block = memkind_realloc(kind, block->block, size);
        EXPECT(block->block != NULL);
        for (size_t i = 0; i < kept; i += 61, checks++)
            EXPECT(block->block[i] == byte_at(old.seed, i));
        block->size = size;
        write_block(block, (unsigned)rand_r(seed));
    } else {
        write_block(block, (unsigned)rand_r(seed));
    }
}

static void check_all(void)
{
    for (size_t i = 0; i < MODEL_BLOCKS; i++)
        if (model[i].block != NULL)
            check_block(&model[i]);
}

static void live_at_random(memkind_t kind, unsigned seed, unsigned generations);

/* In the child, which has what its parent had when it forked. */
static _Noreturn void begin_life(memkind_t kind, unsigned seed, unsigned generations)
{
    check_all();
    live_at_random(kind, seed, generations);
    check_all();
    _exit(0);
}

/* Changes blocks, and has children, some of which live longer than it waits for them. */
static void live_at_random(memkind_t kind, unsigned seed, unsigned generations)
{
    pid_t children[6];
    unsigned count = 0;
    int status;

    for (unsigned round = 0; round < 6; round++) {
        for (unsigned i = 0; i < 400; i++)
            change_block(kind, &model[(unsigned)rand_r(&seed) % MODEL_BLOCKS], &seed);
        if (generations != 0 && round % 2 == 0) {
            pid_t child = fork();
            EXPECT(child >= 0);
            if (child == 0)
                begin_life(kind, seed + round + 1, generations - 1);
            children[count++] = child;
        }
        if (round % 3 == 2)
            EXPECT(memkind_purge(kind) == MEMKIND_SUCCESS);
    }
    while (count != 0) {
        count--;
        EXPECT(waitpid(children[count], &status, 0) == children[count]);
        EXPECT(status == 0);
        EXPECT(memkind_purge(kind) == MEMKIND_SUCCESS);
        check_all();
    }
}

/* Parents, children and theirs: each has every byte as at the fork, and what it has written. */
static void test_random_operations(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= (FIXTURE_TSAN || FIXTURE_ASAN ? 1 : 3); seed++) {
        pid_t child = fixture_fork();
        if (child == 0) {
            memkind_t kind = make(seed % 2 == 0 ? 0 : 1024 * MIB, mode);

            live_at_random(kind, seed, GENERATIONS - 1);
            EXPECT(checks > 100000);
            EXPECT(memkind_destroy_kind(kind) == MEMKIND_SUCCESS);
            _exit(0);
        }
        assert_int_equal(fixture_wait(child), 0);
    }
}

/* -- When the child is gone -------------------------------------------------------------------- */

/* What was written meanwhile is in the file again, and what was freed is with the file system. */
static void test_thaw(void **state)
{
    memkind_t kind = make((size_t)(uintptr_t)*state, mode);

    (void)state;
    fill_blocks(kind);
    for (int round = 0; round < 3; round++) {
        pid_t child = fixture_fork();
        if (child == 0)
            _exit(0);
        fill_with(5);
        for (size_t i = 0; i < BLOCKS; i += 2)
            memkind_free(kind, blocks[i]);
        for (size_t i = 0; i < BLOCKS; i += 2) {
            blocks[i] = memkind_malloc(kind, size_of(i));
            assert_non_null(blocks[i]);
        }
        fill_with(9);
        assert_int_equal(fixture_wait(child), 0);
        assert_int_equal(memkind_purge(kind), MEMKIND_SUCCESS);
        assert_true(are_filled_with(9));
        assert_in_range(fixture_file_space(kind), fixture_current_size(kind),
                        fixture_space_for(kind, fixture_current_size(kind)));
    }
    free_blocks(kind);
    fixture_destroy(kind);
}

/* A daemon: the parent ends, and its child goes on, and has children. */
static void test_parent_ends_first(void **state)
{
    struct gate ended = gate_new();

    (void)state;
    pid_t starter = fixture_fork();
    if (starter == 0) {
        memkind_t kind = make(0, mode);
        int status;

        fill_blocks(kind);
        pid_t starter_id = getpid();
        if (fork() != 0)
            _exit(0);
        while (getppid() == starter_id)
            usleep(1000);
        EXPECT(are_filled_with(0));
        fill_with(3);
        EXPECT(memkind_purge(kind) == MEMKIND_SUCCESS);
        EXPECT(are_filled_with(3));
        pid_t child = fork();
        if (child == 0)
            _exit(!are_filled_with(3));
        EXPECT(waitpid(child, &status, 0) == child && status == 0);
        fill_with(0);
        use_up(kind);
        gate_open(&ended);
        _exit(0);
    }
    assert_int_equal(fixture_wait(starter), 0);
    struct pollfd entry = {.fd = ended.ends[0], .events = POLLIN};
    close(ended.ends[1]);
    assert_int_equal(poll(&entry, 1, 60000), 1);
    assert_true((entry.revents & POLLIN) != 0);
    close(ended.ends[0]);
}

/* -- Which kinds ------------------------------------------------------------------------------- */

/* The fork holds the locks of all these kinds at once. */
static void test_many_kinds_with_copies(void **state)
{
    memkind_t kinds[5];
    char *texts[COUNT_OF(kinds)];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        kinds[i] = make(0, mode);
        texts[i] = memkind_malloc(kinds[i], MIB);
        assert_non_null(texts[i]);
        fixture_fill(texts[i], MIB, (unsigned)i);
    }
    pid_t child = fixture_fork();
    if (child == 0) {
        for (size_t i = 0; i < COUNT_OF(kinds); i++) {
            if (!fixture_is_filled(texts[i], MIB, (unsigned)i))
                _exit(1);
            memkind_free(kinds[i], texts[i]);
            if (memkind_destroy_kind(kinds[i]) != MEMKIND_SUCCESS)
                _exit(2);
        }
        _exit(0);
    }
    assert_int_equal(fixture_wait(child), 0);
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        assert_true(fixture_is_filled(texts[i], MIB, (unsigned)i));
        memkind_free(kinds[i], texts[i]);
        fixture_destroy(kinds[i]);
    }
}

static memkind_snapshot outcome_of_fork(memkind_t kind)
{
    assert_non_null(memkind_malloc(kind, 100));
    pid_t child = fixture_fork();
    if (child == 0)
        _exit((int)memkind_get_snapshot(kind));
    return (memkind_snapshot)fixture_wait(child);
}

static void test_environment(void **state)
{
    memkind_t kind = NULL;

    (void)state;
    assert_int_equal(
        setenv("MEMKIND_PMEM_FORK", mode == MEMKIND_FORK_COPY ? "copy" : "snapshot", 1), 0);
    kind = fixture_pmem(0);
    assert_int_equal(outcome_of_fork(kind), MEMKIND_SNAPSHOT_COPY);
    fixture_destroy(kind);
    /* The program's own setting overrides the environment. */
    kind = make(0, MEMKIND_FORK_SHARE);
    assert_int_equal(outcome_of_fork(kind), MEMKIND_SNAPSHOT_NONE);
    fixture_destroy(kind);
    assert_int_equal(setenv("MEMKIND_PMEM_FORK", "share", 1), 0);
    kind = fixture_pmem(0);
    assert_int_equal(outcome_of_fork(kind), MEMKIND_SNAPSHOT_NONE);
    fixture_destroy(kind);
    assert_int_equal(setenv("MEMKIND_PMEM_FORK", "Snapshot", 1), 0);
    kind = NULL;
    assert_int_equal(memkind_create_pmem(fixture_dir, 0, &kind), MEMKIND_ERROR_ENVIRON);
    assert_null(kind);
    assert_int_equal(unsetenv("MEMKIND_PMEM_FORK"), 0);
}

static void test_bad_mode(void **state)
{
    static const int modes[] = {-1, MEMKIND_FORK_MODE_MAX_VALUE, 1000};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        struct memkind_config *config = memkind_config_new();
        memkind_t kind = NULL;

        memkind_config_set_path(config, fixture_dir);
        memkind_config_set_fork(config, (memkind_fork_mode)modes[i]);
        assert_int_equal(memkind_create_pmem_with_config(config, &kind), MEMKIND_ERROR_INVALID);
        assert_null(kind);
        memkind_config_delete(config);
    }
}

static void test_kinds_without_copies(void **state)
{
    (void)state;
    assert_int_equal(memkind_get_snapshot(NULL), MEMKIND_SNAPSHOT_NONE);
    assert_int_equal(memkind_get_snapshot(MEMKIND_DEFAULT), MEMKIND_SNAPSHOT_NONE);
    assert_int_equal(memkind_get_snapshot(MEMKIND_REGULAR), MEMKIND_SNAPSHOT_NONE);
    assert_int_equal(memkind_get_snapshot(MEMKIND_HBW), MEMKIND_SNAPSHOT_NONE);
}

/* -- No space ---------------------------------------------------------------------------------- */

/* Makes the next descriptor be refused. Returns the old limit. */
static struct rlimit refuse_descriptors(void)
{
    struct rlimit old;
    int next = dup(0);

    assert_true(next >= 0);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    struct rlimit none = {.rlim_cur = (rlim_t)next, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    return old;
}

/* Lowers RLIMIT_FSIZE to half of the kind's file: a copy does not fit. Returns the old limit. */
static struct rlimit refuse_space(memkind_t kind)
{
    struct rlimit old;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    struct rlimit half = {.rlim_cur = fixture_file_space(kind) / 2, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &half), 0);
    return old;
}

static pid_t fork_without(memkind_t kind, int resource)
{
    struct rlimit old = resource == RLIMIT_NOFILE ? refuse_descriptors() : refuse_space(kind);
    pid_t child = fixture_fork();

    /* No assertion: in the child, a failed one would run the remaining tests. */
    if (setrlimit((__rlimit_resource_t)resource, &old) != 0)
        abort();
    return child;
}

static void check_failed_snapshot(memkind_t kind, int resource)
{
    pid_t child = fork_without(kind, resource);

    if (child == 0) {
        EXPECT(memkind_get_snapshot(kind) == MEMKIND_SNAPSHOT_FAILED);
        char *own = memkind_malloc(kind, 100);
        EXPECT(own != NULL);
        memset(own, 1, 100);
        memkind_free(kind, own);
        EXPECT(memkind_get_snapshot(kind) == MEMKIND_SNAPSHOT_FAILED);
        /* Freeing does not read the parent's memory. */
        memkind_free(kind, blocks[0]);
        memkind_free(NULL, blocks[1]);
        EXPECT(memkind_malloc_usable_size(kind, blocks[2]) >= size_of(2));
        pid_t reader = fork();
        if (reader == 0)
            _exit(*(volatile char *)blocks[3]);
        int status;
        EXPECT(waitpid(reader, &status, 0) == reader);
        EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
        EXPECT(memkind_destroy_kind(kind) == MEMKIND_SUCCESS);
        _exit(0);
    }
    assert_int_equal(fixture_wait(child), 0);
    assert_int_equal(memkind_get_snapshot(kind), MEMKIND_SNAPSHOT_FAILED);
    assert_true(are_blocks_filled());
}

static void test_no_space_for_the_copy(void **state)
{
    (void)state;
    if (mode != MEMKIND_FORK_COPY)
        skip();
    memkind_t kind = make(0, mode);
    fill_blocks(kind);
    check_failed_snapshot(kind, RLIMIT_NOFILE);
    check_failed_snapshot(kind, RLIMIT_FSIZE);
    /* The next fork makes a copy again. */
    pid_t child = fixture_fork();
    if (child == 0) {
        EXPECT(memkind_get_snapshot(kind) == MEMKIND_SNAPSHOT_COPY);
        use_up(kind);
        _exit(0);
    }
    assert_int_equal(fixture_wait(child), 0);
    free_blocks(kind);
    fixture_destroy(kind);
}

/* -- No file ----------------------------------------------------------------------------------- */

/* Forks a process that has given up its rights to the directory. */
static pid_t fork_without_privileges(void)
{
    uid_t user = geteuid();

    assert_int_equal(chmod(fixture_dir, S_IRUSR | S_IXUSR), 0);
    if (user == 0)
        assert_int_equal(seteuid(NOBODY), 0);
    pid_t child = fixture_fork();
    if (child != 0 && ((user == 0 && seteuid(user) != 0) || chmod(fixture_dir, S_IRWXU) != 0))
        abort();
    return child;
}

static void test_copy_without_privileges(void **state)
{
    memkind_t kind = make((size_t)(uintptr_t)*state, mode);
    struct stat directory, file;

    assert_int_equal(stat(fixture_dir, &directory), 0);
    fill_blocks(kind);
    pid_t child = fork_without_privileges();
    if (child == 0) {
        EXPECT(memkind_get_snapshot(kind) == MEMKIND_SNAPSHOT_COPY);
        void *large = memkind_malloc(kind, 16 * MIB);
        EXPECT(large != NULL);
        EXPECT(fstat(fixture_fd(kind), &file) == 0 && file.st_dev != directory.st_dev);
        memkind_free(kind, large);
        check_account(kind);
        pid_t grandchild = fork();
        EXPECT(grandchild >= 0);
        use_up(kind);
        EXPECT(memkind_destroy_kind(kind) == MEMKIND_SUCCESS);
        int status = 0;
        EXPECT(grandchild == 0 || (waitpid(grandchild, &status, 0) == grandchild && status == 0));
        _exit(0);
    }
    assert_int_equal(fixture_wait(child), 0);
    assert_int_equal(memkind_get_snapshot(kind), MEMKIND_SNAPSHOT_COPY);
    assert_true(are_blocks_filled());
    use_up(kind);
    fixture_destroy(kind);
}

/* -- Threads ----------------------------------------------------------------------------------- */

static void live_among_busy_threads(memkind_t kind)
{
    EXPECT(memkind_get_snapshot(kind) == MEMKIND_SNAPSHOT_COPY);
    check_account(kind);
    use(kind);
    free_blocks(kind);
}

/* The copy shows the heap's own state at one moment, whatever other threads do. */
static void test_among_busy_threads(void **state)
{
    (void)state;
    if (FIXTURE_TSAN || FIXTURE_ASAN)
        skip();
    memkind_t kind = make(0, mode);
    fill_blocks(kind);
    fork_among_busy_threads(kind, live_among_busy_threads);
    free_blocks(kind);
    fixture_destroy(kind);
}

#define ON_SIZE(test, size)                                                                       \
    {                                                                                             \
#        test " " #        size, test, fixture_setup, fixture_teardown, (void *)(uintptr_t)(size) \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_SIZE(test_each_goes_on_with_its_own, 0),
        ON_SIZE(test_each_goes_on_with_its_own, 64 * MIB),
        FIXTURE_TEST(test_children_of_children),
        FIXTURE_TEST(test_parent_destroys),
        FIXTURE_TEST(test_after_frees),
        FIXTURE_TEST(test_random_operations),
        ON_SIZE(test_thaw, 0),
        ON_SIZE(test_thaw, 256 * MIB),
        FIXTURE_TEST(test_parent_ends_first),
        FIXTURE_TEST(test_beside_a_shared_kind),
        FIXTURE_TEST(test_many_kinds_with_copies),
        FIXTURE_TEST(test_environment),
        FIXTURE_TEST(test_bad_mode),
        FIXTURE_TEST(test_kinds_without_copies),
        FIXTURE_TEST(test_no_space_for_the_copy),
        ON_SIZE(test_copy_without_privileges, 0),
        ON_SIZE(test_copy_without_privileges, 64 * MIB),
        FIXTURE_TEST(test_among_busy_threads),
    };

    int failed = cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
    mode = MEMKIND_FORK_COPY;
    return failed + cmocka_run_group_tests_name("copy", tests, NULL, NULL);
}
