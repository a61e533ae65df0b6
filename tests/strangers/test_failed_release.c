/* SPDX-License-Identifier: BSD-2-Clause */
/* Report: file space whose release had failed once stayed in the file for good. */
#include "api/fixture.h"

#include <sys/syscall.h>

#define BLOCKS 16
#define LIMIT  (2 * BLOCKS * MIB)

/* The calls by which the library releases file space fail with this error; 0: they succeed. */
static int error;

__attribute__((visibility("default"))) int madvise(void *addr, size_t size, int advice)
{
    if (advice == MADV_REMOVE && error != 0) {
        errno = error;
        return -1;
    }
    return (int)syscall(SYS_madvise, addr, size, advice);
}

__attribute__((visibility("default"))) int fallocate(int fd, int mode, off_t offset, off_t size)
{
    if (mode != 0 && error != 0) {
        errno = error;
        return -1;
    }
    return (int)syscall(SYS_fallocate, fd, mode, offset, size);
}

static char *blocks[BLOCKS];

static void fill(memkind_t kind)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = memkind_malloc(kind, MIB);
        assert_non_null(blocks[i]);
        fixture_fill(blocks[i], MIB, (unsigned)i);
    }
}

/* Frees all blocks but the first, while releasing fails. */
static void free_in_vain(memkind_t kind)
{
    error = EIO;
    for (size_t i = 1; i < BLOCKS; i++)
        memkind_free(kind, blocks[i]);
    assert_int_equal(memkind_purge(kind), MEMKIND_SUCCESS);
    assert_true(fixture_file_space(kind) >= BLOCKS * MIB);
    assert_true(fixture_current_size(kind) >= BLOCKS * MIB);
}

static void end(memkind_t kind)
{
    error = 0;
    assert_true(fixture_is_filled(blocks[0], MIB, 0));
    memkind_free(kind, blocks[0]);
    fixture_destroy(kind);
}

static void test_purge_tries_again(void **state)
{
    memkind_t kind = fixture_pmem(LIMIT);

    (void)state;
    fill(kind);
    free_in_vain(kind);
    error = 0;
    assert_int_equal(memkind_purge(kind), MEMKIND_SUCCESS);
    assert_true(fixture_current_size(kind) <= 2 * MIB);
    assert_true(fixture_file_space(kind) <= fixture_space_for(kind, 2 * MIB));
    end(kind);
}

/* Without a purge, a later free also releases what was freed before. */
static void test_later_free_tries_again(void **state)
{
    memkind_t kind = fixture_conservative_pmem(LIMIT);

    (void)state;
    fill(kind);
    void *last = memkind_malloc(kind, MIB);
    assert_non_null(last);
    free_in_vain(kind);
    error = 0;
    memkind_free(kind, last);
    assert_true(fixture_current_size(kind) <= 2 * MIB);
    assert_true(fixture_file_space(kind) <= fixture_space_for(kind, 2 * MIB));
    end(kind);
}

/* A block that fits nowhere else gets the file space that could not be released before. */
static void test_shortage_tries_again(void **state)
{
    memkind_t kind = fixture_pmem(LIMIT);

    (void)state;
    fill(kind);
    free_in_vain(kind);
    assert_null(memkind_malloc(kind, LIMIT - 4 * MIB));
    error = 0;
    void *large = memkind_malloc(kind, LIMIT - 4 * MIB);
    assert_non_null(large);
    memset(large, 1, LIMIT - 4 * MIB);
    assert_true(fixture_current_size(kind) <= LIMIT);
    memkind_free(kind, large);
    end(kind);
}

static bool is_zero(const char *block, size_t size)
{
    return block[0] == 0 && memcmp(block, block + 1, size - 1) == 0;
}

/* While the file keeps everything, pages are reused, and cleared where zeroes are promised. */
static void test_pages_are_used_again(void **state)
{
    memkind_t kind = fixture_pmem(LIMIT);

    (void)state;
    fill(kind);
    free_in_vain(kind);
    for (size_t i = 1; i < BLOCKS; i++) {
        blocks[i] = memkind_calloc(kind, 1, MIB);
        assert_non_null(blocks[i]);
        assert_true(is_zero(blocks[i], MIB));
        fixture_fill(blocks[i], MIB, (unsigned)i);
    }
    assert_true(fixture_current_size(kind) <= LIMIT);
    for (size_t i = 0; i < BLOCKS; i++)
        assert_true(fixture_is_filled(blocks[i], MIB, (unsigned)i));
    error = 0;
    for (size_t i = 1; i < BLOCKS; i++)
        memkind_free(kind, blocks[i]);
    assert_int_equal(memkind_purge(kind), MEMKIND_SUCCESS);
    assert_true(fixture_current_size(kind) <= 2 * MIB);
    end(kind);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_purge_tries_again),
        FIXTURE_TEST(test_later_free_tries_again),
        FIXTURE_TEST(test_shortage_tries_again),
        FIXTURE_TEST(test_pages_are_used_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
