/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A full file system of a disk format: NULL and ENOMEM, never SIGBUS, and all space is free after
 * destroy. In test_dir(), to which nobody else writes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "guest/free_space.h"
#include "stress/kinds.h"
#include "stress/pattern.h"

#define MOST_BLOCKS 400000
#define SMALL_SIZE  1000
#define KIB         ((size_t)1 << 10)

static char *blocks[MOST_BLOCKS];
static size_t sizes[MOST_BLOCKS];

/*
 * Allocates blocks of this size until none is left, and writes to all of each. Returns the new
 * count.
 */
static size_t fill(memkind_t kind, size_t size, size_t count)
{
    while (count < MOST_BLOCKS) {
        errno = 0;
        blocks[count] = memkind_malloc(kind, size);
        if (blocks[count] == NULL)
            break;
        sizes[count] = size;
        pattern_fill(blocks[count], size);
        count++;
    }
    assert_true(count < MOST_BLOCKS);
    assert_int_equal(errno, ENOMEM);
    return count;
}

static void free_all(memkind_t kind, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_true(pattern_holds(blocks[i], sizes[i], pattern_seed(blocks[i], sizes[i])));
        memkind_free(kind, blocks[i]);
    }
}

/* Returns the bytes of all blocks together. */
static size_t fill_with_all_sizes(memkind_t kind)
{
    static const size_t descending[] = {8 * MIB, 300 * KIB, 4 * KIB, SMALL_SIZE};
    size_t count = 0;
    size_t bytes = 0;

    for (size_t i = 0; i < sizeof(descending) / sizeof(descending[0]); i++)
        count = fill(kind, descending[i], count);
    for (size_t i = 0; i < count; i++)
        bytes += sizes[i];
    free_all(kind, count);
    return bytes;
}

static void check_full(memkind_mem_usage_policy policy)
{
    uint64_t free_blocks = free_space_blocks(test_dir());
    uint64_t free_bytes = free_space_bytes(test_dir());
    memkind_t kind = make_kind(0, policy);

    assert_null(memkind_malloc(kind, free_bytes));
    size_t bytes = fill_with_all_sizes(kind);
    printf("%zu of %zu MiB that were free\n", bytes / MIB, (size_t)free_bytes / MIB);
    /* Not all: ext4 counts blocks for its own use as free. */
    assert_true(bytes > free_bytes / 100 * 90);
    /* The kind can still allocate. */
    assert_true(fill_with_all_sizes(kind) > bytes / 100 * 98);
    assert_int_equal(memkind_destroy_kind(kind), MEMKIND_SUCCESS);
    assert_true(free_space_comes_back(test_dir(), free_blocks));
}

static void test_full_default(void **state)
{
    (void)state;
    check_full(MEMKIND_MEM_USAGE_POLICY_DEFAULT);
}

static void test_full_conservative(void **state)
{
    (void)state;
    check_full(MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
}

/* Allocates all remaining space for a nameless file of another program. Returns its descriptor. */
static int take_all_space(void)
{
    int fd = open(test_dir(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    off_t end = 0;

    assert_true(fd >= 0);
    for (size_t piece = 8 * MIB; piece >= 4 * KIB; piece /= 2) {
        while (fallocate(fd, 0, end, (off_t)piece) == 0)
            end += (off_t)piece;
        assert_int_equal(errno, ENOSPC);
    }
    return fd;
}

static void test_filled_by_another(void **state)
{
    uint64_t free_blocks = free_space_blocks(test_dir());
    memkind_t kind = make_kind(0, MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    char *block = memkind_malloc(kind, SMALL_SIZE);

    (void)state;
    assert_non_null(block);
    pattern_fill(block, SMALL_SIZE);
    int fd = take_all_space();
    assert_null(memkind_malloc(kind, 8 * MIB));
    assert_int_equal(errno, ENOMEM);
    /* File space that was committed with the first block can be allocated and written to. */
    free_all(kind, fill(kind, SMALL_SIZE, 0));
    assert_true(pattern_holds(block, SMALL_SIZE, pattern_seed(block, SMALL_SIZE)));
    close(fd);
    assert_true(free_space_comes_back(test_dir(), free_blocks - 8 * MIB / KIB));
    char *large = memkind_malloc(kind, 8 * MIB);
    assert_non_null(large);
    pattern_fill(large, 8 * MIB);
    assert_int_equal(memkind_destroy_kind(kind), MEMKIND_SUCCESS);
    assert_true(free_space_comes_back(test_dir(), free_blocks));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_default),
        cmocka_unit_test(test_full_conservative),
        cmocka_unit_test(test_filled_by_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
