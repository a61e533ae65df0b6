/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of destroying kinds: what is released, what can be used again, and the end of the process.
 */
#include "api/fixture.h"

#include <pthread.h>

#include "memkind/internal/memkind_arena.h"

#define BLOCKS  500
#define THREADS 4
#define ROUNDS  20

/* Bytes of address space that libraries, stacks and jemalloc may keep. */
#define ADDRESS_SPACE_SLACK (32 * MIB)

/* -- Kinds of the library ---------------------------------------------------------------------- */

static void test_kinds_of_the_library_stay(void **state)
{
    const memkind_t kinds[] = {MEMKIND_DEFAULT, MEMKIND_REGULAR};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        char *block = memkind_malloc(kinds[i], MIB);

        assert_non_null(block);
        fixture_fill(block, MIB, 1);
        assert_int_equal(memkind_destroy_kind(kinds[i]), MEMKIND_SUCCESS);
        assert_true(fixture_is_filled(block, MIB, 1));
        memkind_free(kinds[i], block);
    }
    assert_int_equal(memkind_destroy_kind(NULL), MEMKIND_ERROR_INVALID);
}

static void test_destroyed_twice(void **state)
{
    memkind_t kind = fixture_pmem(0);
    char area[64];

    (void)state;
    fixture_destroy(kind);
    assert_int_equal(memkind_destroy_kind(kind), MEMKIND_ERROR_INVALID);
    memset(area, 0xff, sizeof(area));
    assert_int_equal(memkind_destroy_kind((memkind_t)(void *)area), MEMKIND_ERROR_INVALID);
}

/* The kernel refuses some advice about locked memory. */
static void test_locked_memory(void **state)
{
    memkind_t kind = fixture_pmem(MEMKIND_PMEM_MIN_SIZE);
    pid_t child = fork();
    int status;

    (void)state;
    assert_true(child >= 0);
    if (child == 0) {
        if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
            _exit(0);
        if (memkind_create_pmem(fixture_dir, MEMKIND_PMEM_MIN_SIZE, &kind) != MEMKIND_SUCCESS ||
            memkind_malloc(kind, 100) == NULL)
            _exit(1);
        errno = 77;
        _exit(memkind_destroy_kind(kind) == MEMKIND_SUCCESS && errno == 77 ? 0 : 2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    fixture_destroy(kind);
}

/* -- Released resources ------------------------------------------------------------------------ */

/* Allocates and writes to blocks of many sizes, and frees some of them. */
static void use(memkind_t kind)
{
    void *blocks[BLOCKS];

    for (size_t i = 0; i < BLOCKS; i++) {
        size_t size = 1 + i * i % 50000;

        blocks[i] = memkind_malloc(kind, size);
        assert_non_null(blocks[i]);
        memset(blocks[i], 1, size);
    }
    for (size_t i = 0; i < BLOCKS; i += 3)
        memkind_free(kind, blocks[i]);
}

static void test_unused_kind(void **state)
{
    (void)state;
    fixture_destroy(fixture_pmem(MEMKIND_PMEM_MIN_SIZE));
    fixture_destroy(fixture_pmem(0));
    fixture_destroy(fixture_conservative_pmem(MEMKIND_PMEM_MIN_SIZE));
}

/* Destroying the kind frees its remaining blocks. */
static void test_kind_with_blocks(void **state)
{
    memkind_t kind = fixture_pmem(0);
    int fd = fixture_fd(kind);

    (void)state;
    use(kind);
    assert_true(fixture_file_space(kind) > 0);
    fixture_destroy(kind);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    leftovers_check(&fixture_before);
}

/* memkind 1.14 loses 16 MiB of address space with each kind. */
static void test_address_space_comes_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        memkind_t kind = fixture_pmem(0);

        use(kind);
        fixture_destroy(kind);
    }
    size_t before = fixture_address_space();
    for (size_t i = 0; i < ROUNDS; i++) {
        memkind_t kind = fixture_pmem(0);

        use(kind);
        fixture_destroy(kind);
    }
    assert_true(fixture_address_space() <= before + ADDRESS_SPACE_SLACK);
}

static void *allocate_in_thread(void *kind)
{
    use(kind);
    return NULL;
}

static void use_with_threads(memkind_t kind)
{
    pthread_t threads[THREADS];

    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, allocate_in_thread, kind), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void test_kind_of_many_threads(void **state)
{
    memkind_t kind = fixture_pmem(0);

    (void)state;
    use_with_threads(kind);
    fixture_destroy(kind);
}

static void test_partition_is_used_again(void **state)
{
    memkind_t first = fixture_pmem(MEMKIND_PMEM_MIN_SIZE);
    memkind_t second = fixture_pmem(MEMKIND_PMEM_MIN_SIZE);
    unsigned partition = first->partition;

    (void)state;
    fixture_destroy(first);
    first = fixture_pmem(MEMKIND_PMEM_MIN_SIZE);
    assert_int_equal(first->partition, partition);
    fixture_destroy(first);
    fixture_destroy(second);
}

/* jemalloc has about 4,000 arena indices, which must be reused. */
static void test_arenas_are_used_again(void **state)
{
    unsigned highest = 0;

    (void)state;
    for (size_t i = 0; i < ROUNDS; i++) {
        memkind_t kind = fixture_pmem(0);
        unsigned arena;

        use_with_threads(kind);
        assert_int_equal(memkind_thread_get_arena(kind, &arena, 0), MEMKIND_SUCCESS);
        if (i == 0)
            highest = arena + 2 * THREADS;
        assert_true(arena <= highest);
        fixture_destroy(kind);
    }
}

static void test_other_kinds_are_not_touched(void **state)
{
    memkind_t stays = fixture_pmem(0);
    memkind_t goes = fixture_pmem(0);
    char *blocks[BLOCKS];

    (void)state;
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = memkind_malloc(stays, i * 100 + 1);
        assert_non_null(blocks[i]);
        fixture_fill(blocks[i], i * 100 + 1, (unsigned)i);
        assert_non_null(memkind_malloc(goes, i * 100 + 1));
    }
    fixture_destroy(goes);
    for (size_t i = 0; i < BLOCKS; i++) {
        assert_true(fixture_is_filled(blocks[i], i * 100 + 1, (unsigned)i));
        assert_ptr_equal(memkind_detect_kind(blocks[i]), stays);
        memkind_free(stays, blocks[i]);
    }
    fixture_destroy(stays);
}

/* A thread that outlives a kind has no cached block of it in the next kind. */
static void *outlive_kinds(void *argument)
{
    (void)argument;
    for (size_t i = 0; i < ROUNDS; i++) {
        memkind_t kind = fixture_pmem(0);
        void *block = memkind_malloc(kind, 64);

        if (!fixture_is_zero(block, 64) || memkind_detect_kind(block) != kind)
            return argument;
        memset(block, 0xff, 64);
        memkind_free(kind, block);
        if (memkind_destroy_kind(kind) != MEMKIND_SUCCESS)
            return argument;
    }
    return NULL;
}

static void test_threads_outlive_kinds(void **state)
{
    pthread_t threads[THREADS];
    int failed = 1;

    (void)state;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, outlive_kinds, &failed), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *result;

        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
}

/* -- End of the process ------------------------------------------------------------------------ */

static void *allocate_for_ever(void *kind)
{
    for (;;) {
        void *block = memkind_malloc(kind, 1000);

        memkind_free(kind, block);
        void *other = memkind_malloc(MEMKIND_REGULAR, 1000);
        memkind_free(MEMKIND_REGULAR, other);
    }
    return NULL;
}

/* exit() while other threads still allocate. */
static void end_with_running_threads(void)
{
    memkind_t kind;
    pthread_t thread;

    if (memkind_create_pmem(fixture_dir, 0, &kind) != MEMKIND_SUCCESS)
        _exit(2);
    for (size_t i = 0; i < THREADS; i++)
        if (pthread_create(&thread, NULL, allocate_for_ever, kind) != 0)
            _exit(3);
    usleep(1000);
    exit(0);
}

static void test_exit_with_running_threads(void **state)
{
    (void)state;
    if (FIXTURE_TSAN)
        skip();
    for (size_t i = 0; i < 10; i++) {
        pid_t child = fixture_fork();

        if (child == 0)
            end_with_running_threads();
        assert_int_equal(fixture_wait(child), 0);
    }
}

/* A child that has used no kind must not affect its parent when it exits. */
static void test_exit_of_a_child(void **state)
{
    memkind_t kind = fixture_pmem(0);
    char *block = memkind_malloc(kind, MIB);

    (void)state;
    assert_non_null(block);
    fixture_fill(block, MIB, 2);
    size_t held = fixture_file_space(kind);
    pid_t child = fixture_fork();
    if (child == 0)
        exit(fixture_is_filled(block, MIB, 2) ? 0 : 1);
    assert_int_equal(fixture_wait(child), 0);
    assert_true(fixture_is_filled(block, MIB, 2));
    assert_int_equal(fixture_file_space(kind), held);
    memkind_free(kind, block);
    fixture_destroy(kind);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_kinds_of_the_library_stay),
        FIXTURE_TEST(test_destroyed_twice),
        FIXTURE_TEST(test_locked_memory),
        FIXTURE_TEST(test_unused_kind),
        FIXTURE_TEST(test_kind_with_blocks),
        FIXTURE_TEST(test_address_space_comes_back),
        FIXTURE_TEST(test_kind_of_many_threads),
        FIXTURE_TEST(test_partition_is_used_again),
        FIXTURE_TEST(test_arenas_are_used_again),
        FIXTURE_TEST(test_other_kinds_are_not_touched),
        FIXTURE_TEST(test_threads_outlive_kinds),
        FIXTURE_TEST(test_exit_with_running_threads),
        FIXTURE_TEST(test_exit_of_a_child),
    };

    /* The idle thread would change the addresses in use and the counters. */
    setenv("MEMKIND_IDLE_THREAD", "0", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
