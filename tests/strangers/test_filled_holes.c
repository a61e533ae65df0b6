/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Report: khugepaged, mlock(2) and others filled the file's holes: the file held more than its
 * limit for good.
 */
#include "api/fixture.h"

#include <sys/mount.h>
#include <sys/syscall.h>

#include "support/own_mounts.h"

#define FILE_SYSTEM "size=48m"
#define BLOCKS      24
#define LIMIT       (32 * MIB)
#define KEEP_EVERY  6

static char mount_point[TEST_DIR_PATH_SIZE];
static char *blocks[BLOCKS];

static memkind_t new_kind(size_t max_size)
{
    memkind_t kind = NULL;

    assert_int_equal(memkind_create_pmem(mount_point, max_size, &kind), MEMKIND_SUCCESS);
    return kind;
}

static bool stays(size_t i)
{
    return i % KEEP_EVERY == 0;
}

/* Allocates blocks with unused holes between them. */
static void make_holes(memkind_t kind)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = memkind_malloc(kind, MIB);
        assert_non_null(blocks[i]);
        fixture_fill(blocks[i], MIB, (unsigned)i);
    }
    for (size_t i = 0; i < BLOCKS; i++)
        if (!stays(i))
            memkind_free(kind, blocks[i]);
    assert_int_equal(memkind_purge(kind), MEMKIND_SUCCESS);
    assert_int_equal(fixture_file_space(kind), fixture_current_size(kind));
}

/* Through another descriptor of the file. */
static void fill_holes(memkind_t kind)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fixture_fd(kind));
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(posix_fallocate(fd, 0, (off_t)fixture_file_size(kind)), 0);
    close(fd);
    assert_true(fixture_file_space(kind) >= fixture_current_size(kind) + 16 * MIB);
}

static void end(memkind_t kind)
{
    for (size_t i = 0; i < BLOCKS; i++)
        if (stays(i)) {
            assert_true(fixture_is_filled(blocks[i], MIB, (unsigned)i));
            memkind_free(kind, blocks[i]);
        }
    fixture_destroy(kind);
}

static void test_purge(void **state)
{
    memkind_t kind = new_kind(LIMIT);

    (void)state;
    make_holes(kind);
    fill_holes(kind);
    assert_int_equal(memkind_purge(kind), MEMKIND_SUCCESS);
    assert_int_equal(fixture_file_space(kind), fixture_current_size(kind));
    end(kind);
}

/* When the limit is reached, the file is made to obey it again. */
static void test_limit(void **state)
{
    memkind_t kind = new_kind(LIMIT);

    (void)state;
    make_holes(kind);
    fill_holes(kind);
    assert_null(memkind_malloc(kind, LIMIT - MIB));
    assert_true(fixture_file_space(kind) <= LIMIT);
    assert_int_equal(fixture_file_space(kind), fixture_current_size(kind));
    end(kind);
}

/* On a full file system, a block that fits into no hole of its own kind. */
static void test_full_file_system(void **state)
{
    memkind_t kind = new_kind(0);

    (void)state;
    make_holes(kind);
    fill_holes(kind);
    char *large = memkind_malloc(kind, 34 * MIB);
    assert_non_null(large);
    memset(large, 1, 34 * MIB);
    memkind_free(kind, large);
    end(kind);
}

/* And a block of another kind. */
static void test_other_kind(void **state)
{
    memkind_t kind = new_kind(0);
    memkind_t other = new_kind(0);

    (void)state;
    make_holes(kind);
    fill_holes(kind);
    char *large = memkind_malloc(other, 34 * MIB);
    assert_non_null(large);
    memset(large, 1, 34 * MIB);
    memkind_free(other, large);
    fixture_destroy(other);
    end(kind);
}

/* Locking touches all accessible pages, and so allocates file space for each. */
static void test_locked(void **state)
{
    memkind_t kind = new_kind(LIMIT);

    (void)state;
    make_holes(kind);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *first = blocks[0];
    char *end_of_all = blocks[0];
    for (size_t i = 0; i < BLOCKS; i++) {
        first = blocks[i] < first ? blocks[i] : first;
        end_of_all = blocks[i] > end_of_all ? blocks[i] : end_of_all;
    }
    first -= (uintptr_t)first & (page - 1);
    /* A direct system call: the sanitizers' mlock(2) does nothing. */
    if (syscall(SYS_mlock, first, (size_t)(end_of_all - first)) == 0) {
        assert_true(fixture_file_space(kind) > fixture_current_size(kind) + 4 * MIB);
        assert_int_equal(memkind_purge(kind), MEMKIND_SUCCESS);
        assert_int_equal(fixture_file_space(kind), fixture_current_size(kind));
        assert_int_equal(syscall(SYS_munlock, first, (size_t)(end_of_all - first)), 0);
    }
    end(kind);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_purge),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_full_file_system),
        cmocka_unit_test(test_other_kind),
        cmocka_unit_test(test_locked),
    };

    test_dir_make(mount_point);
    if (!own_mounts() || mount("none", mount_point, "tmpfs", 0, FILE_SYSTEM) != 0) {
        print_message("skipped: no file system of its own can be mounted (%s)\n", strerror(errno));
        test_dir_remove(mount_point);
        return 77;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    umount(mount_point);
    test_dir_remove(mount_point);
    return failed;
}
