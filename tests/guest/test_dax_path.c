/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the two functions that tell whether a directory is on DAX: their results, and that
 * nothing stays behind.
 *
 * Usage: test_dax_path dax|no-dax|no-dax-although-statx DIR
 *
 * statx(2) cannot replace them: the attribute is also set on overlayfs over DAX and on virtio-pmem,
 * where mmap(2) refuses MAP_SYNC.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <memkind.h>
#include <memkind/internal/memkind_pmem.h>

#include "support/leftovers.h"

static const char *expected;
static const char *dir;

static void test_both_functions(void **state)
{
    static struct leftovers before;
    int result = strcmp(expected, "dax") == 0 ? MEMKIND_SUCCESS : MEMKIND_ERROR_MMAP;

    (void)state;
    leftovers_take(&before, dir);
    assert_int_equal(memkind_check_dax_path(dir), result);
    assert_int_equal(memkind_pmem_validate_dir(dir), result);
    leftovers_check(&before);
}

/* Returns the DAX attribute of a new file in the directory, from statx(2). */
static bool statx_says_dax(void)
{
    char path[TEST_DIR_PATH_SIZE];
    struct statx status;

    snprintf(path, sizeof(path), "%s/XXXXXX", dir);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &status), 0);
    close(fd);
    return (status.stx_attributes & STATX_ATTR_DAX) != 0;
}

static void test_what_statx_says(void **state)
{
    (void)state;
    assert_int_equal(statx_says_dax(), strcmp(expected, "no-dax") != 0);
}

/* A kind can be created in either case. */
static void test_kind(void **state)
{
    memkind_t kind = NULL;

    (void)state;
    assert_int_equal(memkind_create_pmem(dir, MEMKIND_PMEM_MIN_SIZE, &kind), MEMKIND_SUCCESS);
    char *block = memkind_calloc(kind, 1, MEMKIND_PMEM_CHUNK_SIZE);
    assert_non_null(block);
    for (size_t i = 0; i < MEMKIND_PMEM_CHUNK_SIZE; i++)
        assert_int_equal(block[i], 0);
    memset(block, 1, MEMKIND_PMEM_CHUNK_SIZE);
    memkind_free(kind, block);
    assert_int_equal(memkind_destroy_kind(kind), MEMKIND_SUCCESS);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_functions),
        cmocka_unit_test(test_what_statx_says),
        cmocka_unit_test(test_kind),
    };

    if (argc != 3) {
        fprintf(stderr, "usage: %s dax|no-dax|no-dax-although-statx DIR\n", argv[0]);
        return EXIT_FAILURE;
    }
    expected = argv[1];
    dir = argv[2];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
