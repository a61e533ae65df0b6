/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of memkind_pmem(3): kinds that a program builds from the operations of PMEM kinds, and each
 * operation on its own.
 */
#include "api/fixture.h"

#include <pthread.h>
#include <sys/mman.h>

#include "memkind/internal/memkind_arena.h"
#include "memkind/internal/memkind_default.h"

#define PAGE     ((size_t)sysconf(_SC_PAGESIZE))
#define THREADS  8
#define NO_ERRNO (-12345) /* a value that no call gives errno */

static const size_t chunk = MEMKIND_PMEM_CHUNK_SIZE;

/* -- Create and destroy ------------------------------------------------------------------------ */

static void test_create_and_destroy(void **state)
{
    struct memkind kind = {0};

    (void)state;
    assert_int_equal(memkind_pmem_create(&kind, &MEMKIND_PMEM_OPS, "mine"), MEMKIND_SUCCESS);
    assert_ptr_equal(kind.ops, &MEMKIND_PMEM_OPS);
    assert_string_equal(kind.name, "mine");
    assert_non_null(kind.priv);
    assert_non_null(kind.arena_map);
    assert_true(kind.arena_map_len >= 1);
    assert_int_equal(kind.arena_map_len & kind.arena_map_mask, 0);
    struct memkind_pmem *pmem = kind.priv;
    assert_int_equal(pmem->fd, -1);
    assert_int_equal(pmem->max_size, 0);
    assert_int_equal(pmem->current_size, 0);
    assert_int_equal(memkind_pmem_destroy(&kind), MEMKIND_SUCCESS);
}

static void test_create_again_after_destroy(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        struct memkind kind = {0};

        assert_int_equal(memkind_pmem_create(&kind, &MEMKIND_PMEM_OPS, "mine"), MEMKIND_SUCCESS);
        assert_int_equal(memkind_pmem_destroy(&kind), MEMKIND_SUCCESS);
    }
}

static void test_name_that_is_too_long(void **state)
{
    char name[2 * MEMKIND_NAME_LENGTH_PRIV];
    struct memkind kind = {0};

    (void)state;
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(memkind_pmem_create(&kind, &MEMKIND_PMEM_OPS, name), MEMKIND_ERROR_INVALID);
    name[MEMKIND_NAME_LENGTH_PRIV - 1] = '\0';
    assert_int_equal(memkind_pmem_create(&kind, &MEMKIND_PMEM_OPS, name), MEMKIND_SUCCESS);
    assert_string_equal(kind.name, name);
    assert_int_equal(memkind_pmem_destroy(&kind), MEMKIND_SUCCESS);
}

static void test_kind_has_a_partition(void **state)
{
    struct memkind kind = {0};
    memkind_t found = NULL;
    memkind_t other = fixture_pmem(0);

    (void)state;
    assert_int_equal(memkind_pmem_create(&kind, &MEMKIND_PMEM_OPS, "mine"), MEMKIND_SUCCESS);
    assert_true(kind.partition >= MEMKIND_NUM_BASE_KIND);
    assert_int_not_equal(kind.partition, other->partition);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    assert_int_equal(memkind_get_kind_by_partition((int)kind.partition, &found), MEMKIND_SUCCESS);
    assert_ptr_equal(found, &kind);
    assert_int_equal(memkind_pmem_destroy(&kind), MEMKIND_SUCCESS);
    assert_int_equal(memkind_get_kind_by_partition((int)kind.partition, &found),
                     MEMKIND_ERROR_UNAVAILABLE);
#pragma GCC diagnostic pop
    fixture_destroy(other);
}

static void test_one_kind_too_many(void **state)
{
    static struct memkind kinds[MEMKIND_MAX_KIND];
    struct memkind last = {0};

    (void)state;
    memset(kinds, 0, sizeof(kinds));
    for (size_t i = 0; i < MEMKIND_MAX_KIND; i++)
        assert_int_equal(memkind_pmem_create(&kinds[i], &MEMKIND_PMEM_OPS, "many"),
                         MEMKIND_SUCCESS);
    assert_int_equal(memkind_pmem_create(&last, &MEMKIND_PMEM_OPS, "one too many"),
                     MEMKIND_ERROR_TOOMANY);
    assert_int_equal(memkind_pmem_destroy(&kinds[7]), MEMKIND_SUCCESS);
    assert_int_equal(memkind_pmem_create(&last, &MEMKIND_PMEM_OPS, "last"), MEMKIND_SUCCESS);
    assert_int_equal(memkind_pmem_destroy(&last), MEMKIND_SUCCESS);
    for (size_t i = 0; i < MEMKIND_MAX_KIND; i++)
        if (i != 7)
            assert_int_equal(memkind_pmem_destroy(&kinds[i]), MEMKIND_SUCCESS);
}

static void test_arguments_that_are_missing(void **state)
{
    struct memkind kind = {0};

    (void)state;
    assert_int_equal(memkind_pmem_create(NULL, &MEMKIND_PMEM_OPS, "mine"), MEMKIND_ERROR_INVALID);
    assert_int_equal(memkind_pmem_create(&kind, NULL, "mine"), MEMKIND_ERROR_INVALID);
    assert_int_equal(memkind_pmem_create(&kind, &MEMKIND_PMEM_OPS, NULL), MEMKIND_ERROR_INVALID);
}

/* -- A kind that has no directory yet ---------------------------------------------------------- */

static void test_kind_without_a_directory(void **state)
{
    struct memkind kind = {0};
    void *block = &block;
    size_t value;

    (void)state;
    assert_int_equal(memkind_pmem_create(&kind, &MEMKIND_PMEM_OPS, "mine"), MEMKIND_SUCCESS);
    errno = 0;
    assert_ptr_equal(memkind_pmem_mmap(&kind, NULL, chunk), MAP_FAILED);
    assert_int_equal(errno, EBADF);
    errno = 0;
    assert_null(memkind_malloc(&kind, 100));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(memkind_malloc(&kind, 5 * MIB));
    assert_int_equal(errno, ENOMEM);
    errno = NO_ERRNO;
    assert_int_equal(memkind_posix_memalign(&kind, &block, 64, 100), ENOMEM);
    assert_int_equal(errno, NO_ERRNO);
    errno = 0;
    assert_int_equal(memkind_get_capacity(&kind), -1);
    assert_int_not_equal(errno, 0);
    memkind_free(&kind, NULL);
    assert_int_equal(memkind_update_cached_stats(), MEMKIND_SUCCESS);
    assert_int_equal(memkind_get_stat(&kind, MEMKIND_STAT_TYPE_ALLOCATED, &value), MEMKIND_SUCCESS);
    assert_int_equal(value, 0);
    assert_int_equal(memkind_pmem_destroy(&kind), MEMKIND_SUCCESS);
}

/* -- mmap -------------------------------------------------------------------------------------- */

static void test_mmap(void **state)
{
    const size_t sizes[] = {1, PAGE, PAGE + 1, chunk - 1, chunk, chunk + 1, 3 * chunk};
    memkind_t kind = *state;
    char *mapped[COUNT_OF(sizes)];

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        size_t before = fixture_current_size(kind);
        size_t pages = (sizes[i] + PAGE - 1) / PAGE * PAGE;

        errno = NO_ERRNO;
        mapped[i] = memkind_pmem_mmap(kind, NULL, sizes[i]);
        assert_ptr_not_equal(mapped[i], MAP_FAILED);
        assert_int_equal(errno, NO_ERRNO);
        assert_int_equal((uintptr_t)mapped[i] % chunk, 0);
        assert_true(fixture_current_size(kind) - before >= pages);
        assert_true(fixture_file_space(kind) >= fixture_current_size(kind));
        assert_true(fixture_is_zero(mapped[i], pages));
        fixture_fill(mapped[i], pages, (unsigned)i);
    }
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        assert_true(fixture_is_filled(mapped[i], sizes[i], (unsigned)i));
}

/* A write to the mapping reaches the file: the mapping is of the file. */
static void test_mmap_is_of_the_file(void **state)
{
    memkind_t kind = *state;
    char *mapped = memkind_pmem_mmap(kind, NULL, PAGE);
    static const char text[] = "to be found in the file";
    static char content[4 * MIB];
    ssize_t length;

    assert_ptr_not_equal(mapped, MAP_FAILED);
    memcpy(mapped, text, sizeof(text));
    length = pread(fixture_fd(kind), content, sizeof(content), 0);
    assert_true(length > 0);
    assert_non_null(memmem(content, (size_t)length, text, sizeof(text)));
}

static void test_mmap_ignores_the_hint(void **state)
{
    memkind_t kind = *state;
    char *first = memkind_pmem_mmap(kind, NULL, chunk);

    assert_ptr_not_equal(first, MAP_FAILED);
    memset(first, 1, chunk);
    char *second = memkind_pmem_mmap(kind, first, chunk);
    char *third = memkind_pmem_mmap(kind, (void *)(uintptr_t)12345, chunk);
    assert_ptr_not_equal(second, MAP_FAILED);
    assert_ptr_not_equal(third, MAP_FAILED);
    assert_ptr_not_equal(second, first);
    assert_true(fixture_is_zero(second, chunk));
    assert_true(fixture_is_zero(third, chunk));
    memset(second, 2, chunk);
    for (size_t i = 0; i < chunk; i++)
        assert_int_equal(first[i], 1);
}

static void test_mmap_of_nothing(void **state)
{
    memkind_t kind = *state;

    errno = 0;
    assert_ptr_equal(memkind_pmem_mmap(kind, NULL, 0), MAP_FAILED);
    assert_int_equal(errno, EINVAL);
}

static void test_mmap_without_space(void **state)
{
    static const size_t sizes[] = {
        MEMKIND_PMEM_MIN_SIZE + 1, GIB, SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2, SIZE_MAX / 4};
    memkind_t kind = fixture_pmem(MEMKIND_PMEM_MIN_SIZE);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        errno = 0;
        assert_ptr_equal(memkind_pmem_mmap(kind, NULL, sizes[i]), MAP_FAILED);
        assert_int_equal(errno, ENOMEM);
        assert_int_equal(fixture_file_space(kind), 0);
    }
    size_t count = 0;
    while (memkind_pmem_mmap(kind, NULL, chunk) != MAP_FAILED)
        count++;
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(count, MEMKIND_PMEM_MIN_SIZE / chunk);
    assert_null(memkind_malloc(kind, 100));
    fixture_destroy(kind);
}

/* A request that fails repeatedly uses up neither address space nor metadata. */
static void test_mmap_that_fails_leaves_nothing(void **state)
{
    memkind_t kind = fixture_pmem(MEMKIND_PMEM_MIN_SIZE);

    (void)state;
    assert_ptr_equal(memkind_pmem_mmap(kind, NULL, 17 * MIB), MAP_FAILED);
    size_t before = fixture_address_space();
    for (size_t i = 0; i < 1000; i++)
        assert_ptr_equal(memkind_pmem_mmap(kind, NULL, 17 * MIB), MAP_FAILED);
    assert_true(fixture_address_space() <= before + MIB);
    fixture_destroy(kind);
}

static void *map_many(void *kind)
{
    for (size_t i = 1; i <= 20; i++) {
        char *mapped = memkind_pmem_mmap(kind, NULL, i * PAGE);

        if (mapped == MAP_FAILED || !fixture_is_zero(mapped, i * PAGE))
            return kind;
        memset(mapped, 1, i * PAGE);
    }
    return NULL;
}

static void test_mmap_by_many_threads(void **state)
{
    memkind_t kind = fixture_pmem(0);
    pthread_t threads[THREADS];

    (void)state;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, map_many, kind), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *result;

        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
    fixture_destroy(kind);
}

static void test_mmap_beside_blocks(void **state)
{
    memkind_t kind = *state;
    char *block = memkind_malloc(kind, MIB);
    char *mapped = memkind_pmem_mmap(kind, NULL, MIB);
    char *other = memkind_malloc(kind, MIB);

    assert_non_null(block);
    assert_non_null(other);
    assert_ptr_not_equal(mapped, MAP_FAILED);
    fixture_fill(block, MIB, 1);
    fixture_fill(mapped, MIB, 2);
    fixture_fill(other, MIB, 3);
    assert_true(fixture_is_filled(block, MIB, 1));
    assert_true(fixture_is_filled(mapped, MIB, 2));
    memkind_free(kind, block);
    memkind_free(kind, other);
    assert_true(fixture_is_filled(mapped, MIB, 2));
}

/* -- The rest ---------------------------------------------------------------------------------- */

static void test_mmap_flags(void **state)
{
    memkind_t kind = *state;
    int flags = 0;

    assert_int_equal(memkind_pmem_get_mmap_flags(kind, &flags), MEMKIND_SUCCESS);
    assert_int_equal(flags, MAP_SHARED);
    flags = 0;
    assert_int_equal(memkind_pmem_get_mmap_flags(NULL, &flags), MEMKIND_SUCCESS);
    assert_int_equal(flags, MAP_SHARED);
    assert_int_equal(memkind_pmem_get_mmap_flags(kind, NULL), MEMKIND_ERROR_INVALID);
}

static void test_operations(void **state)
{
    const struct memkind_ops *ops = &MEMKIND_PMEM_OPS;

    (void)state;
    assert_true(ops->create == memkind_pmem_create);
    assert_true(ops->destroy == memkind_pmem_destroy);
    assert_true(ops->finalize == memkind_pmem_destroy);
    assert_true(ops->malloc == memkind_arena_malloc);
    assert_true(ops->calloc == memkind_arena_calloc);
    assert_true(ops->posix_memalign == memkind_arena_posix_memalign);
    assert_true(ops->realloc == memkind_arena_realloc);
    assert_true(ops->free == memkind_arena_free);
    assert_true(ops->mmap == memkind_pmem_mmap);
    assert_true(ops->get_mmap_flags == memkind_pmem_get_mmap_flags);
    assert_true(ops->get_arena == memkind_thread_get_arena);
    assert_true(ops->malloc_usable_size == memkind_default_malloc_usable_size);
    assert_true(ops->update_memory_usage_policy == memkind_arena_update_memory_usage_policy);
    assert_true(ops->get_stat == memkind_arena_get_stat);
    assert_true(ops->defrag_reallocate == memkind_arena_defrag_reallocate);
    assert_true(ops->mbind == NULL);
    assert_true(ops->madvise == NULL);
    assert_true(ops->get_mbind_mode == NULL);
    assert_true(ops->get_mbind_nodemask == NULL);
    assert_true(ops->check_available == NULL);
    assert_true(ops->init_once == NULL);
}

static void test_kind_of_the_library_has_them(void **state)
{
    memkind_t kind = *state;
    struct memkind_pmem *pmem = kind->priv;

    assert_ptr_equal(kind->ops, &MEMKIND_PMEM_OPS);
    assert_true(pmem->fd >= 0);
    assert_string_equal(pmem->dir, fixture_dir);
    assert_int_equal(pthread_mutex_trylock(&pmem->pmem_lock), 0);
    assert_int_equal(pthread_mutex_unlock(&pmem->pmem_lock), 0);
}

/* Calls through the table, as a program that builds its own table makes them. */
static void test_calls_through_the_table(void **state)
{
    memkind_t kind = *state;
    struct memkind_ops *ops = kind->ops;
    void *aligned = NULL;
    unsigned arena;

    void *block = ops->malloc(kind, 100);
    assert_non_null(block);
    block = ops->realloc(kind, block, 5000);
    assert_non_null(block);
    assert_true(ops->malloc_usable_size(kind, block) >= 5000);
    ops->free(kind, block);
    block = ops->calloc(kind, 10, 10);
    assert_non_null(block);
    assert_true(fixture_is_zero(block, 100));
    ops->free(kind, block);
    assert_int_equal(ops->posix_memalign(kind, &aligned, 4096, 1), 0);
    assert_int_equal((uintptr_t)aligned % 4096, 0);
    ops->free(kind, aligned);
    assert_int_equal(ops->get_arena(kind, &arena, 100), MEMKIND_SUCCESS);
    assert_null(ops->malloc(kind, 0));
    errno = 0;
    assert_null(ops->calloc(kind, SIZE_MAX, 2));
    assert_int_equal(errno, ENOMEM);
    assert_null(ops->defrag_reallocate(kind, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_create_and_destroy),
        FIXTURE_TEST(test_create_again_after_destroy),
        FIXTURE_TEST(test_name_that_is_too_long),
        FIXTURE_TEST(test_kind_has_a_partition),
        FIXTURE_TEST(test_one_kind_too_many),
        FIXTURE_TEST(test_arguments_that_are_missing),
        FIXTURE_TEST(test_kind_without_a_directory),
        FIXTURE_TEST_ON_PMEM(test_mmap),
        FIXTURE_TEST_ON_PMEM(test_mmap_is_of_the_file),
        FIXTURE_TEST_ON_PMEM(test_mmap_ignores_the_hint),
        FIXTURE_TEST_ON_PMEM(test_mmap_of_nothing),
        FIXTURE_TEST(test_mmap_without_space),
        FIXTURE_TEST(test_mmap_that_fails_leaves_nothing),
        FIXTURE_TEST(test_mmap_by_many_threads),
        FIXTURE_TEST_ON_PMEM(test_mmap_beside_blocks),
        FIXTURE_TEST_ON_PMEM(test_mmap_flags),
        FIXTURE_TEST(test_operations),
        FIXTURE_TEST_ON_PMEM(test_kind_of_the_library_has_them),
        FIXTURE_TEST_ON_PMEM(test_calls_through_the_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
