/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Report: on a full file system one kind's malloc returned NULL while another kind held freed
 * memory there.
 */
#include "api/fixture.h"

#include <sys/mount.h>
#include <time.h>

#include "support/own_mounts.h"

#define FILE_SYSTEM "size=48m"
#define MOST        64 /* blocks */
#define PATIENCE    5000
#define PAUSE_NS    2000000 /* 2 ms: in all, many times what the library may wait */

static char mount_point[TEST_DIR_PATH_SIZE];

/* Allocates as many blocks of 1 MiB as possible, at least `least`. */
static size_t take(memkind_t kind, void **blocks, size_t least)
{
    size_t count = 0;

    while (count < MOST && (blocks[count] = memkind_malloc(kind, MIB)) != NULL)
        memset(blocks[count++], 1, MIB);
    assert_in_range(count, least, MOST - 1);
    return count;
}

static void give(memkind_t kind, void **blocks, size_t count)
{
    while (count > 0)
        memkind_free(kind, blocks[--count]);
}

/* Returns whether a block can be allocated before long. */
static bool comes(memkind_t kind)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    void *block = NULL;

    for (int i = 0; i < PATIENCE && block == NULL; i++) {
        block = memkind_malloc(kind, MIB);
        if (block == NULL)
            nanosleep(&pause, NULL);
    }
    memkind_free(kind, block);
    return block != NULL;
}

static memkind_t new_kind(void)
{
    memkind_t kind = NULL;

    assert_int_equal(memkind_create_pmem(mount_point, 0, &kind), MEMKIND_SUCCESS);
    return kind;
}

/* The second kind can use at once what the first has freed. */
static void test_freed_by_another_kind(void **state)
{
    void *blocks[MOST];
    memkind_t one = new_kind(), other = new_kind();

    (void)state;
    for (int i = 0; i < 3; i++) {
        give(one, blocks, take(one, blocks, 40));
        give(other, blocks, take(other, blocks, 40));
    }
    fixture_destroy(one);
    fixture_destroy(other);
}

/* A refusal is remembered only as long as it is true. */
static void test_freed_after_a_refusal(void **state)
{
    void *blocks[MOST];
    memkind_t one = new_kind(), other = new_kind();
    size_t count = take(one, blocks, 40);

    (void)state;
    assert_null(memkind_malloc(other, MIB));
    give(one, blocks, count);
    assert_true(comes(other));
    fixture_destroy(one);
    fixture_destroy(other);
}

static void test_removed_file(void **state)
{
    char path[TEST_DIR_PATH_SIZE + sizeof("/file")];
    memkind_t kind = new_kind();

    (void)state;
    snprintf(path, sizeof(path), "%s/file", mount_point);
    int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, S_IRUSR);
    assert_true(fd >= 0);
    assert_int_equal(posix_fallocate(fd, 0, 47 * MIB), 0);
    close(fd);
    while (memkind_malloc(kind, 4 * KIB) != NULL)
        ;
    assert_null(memkind_malloc(kind, MIB));
    assert_int_equal(unlink(path), 0);
    assert_true(comes(kind));
    fixture_destroy(kind);
}

/* A kind that has reached its own limit does not make other kinds release memory. */
static void test_own_limit(void **state)
{
    void *blocks[MOST];
    memkind_t one = new_kind(), small = NULL;

    (void)state;
    assert_int_equal(memkind_create_pmem(mount_point, MEMKIND_PMEM_MIN_SIZE, &small), 0);
    void *block = memkind_malloc(one, 20 * MIB);
    assert_non_null(block);
    memkind_free(one, block);
    size_t held = fixture_current_size(one);
    size_t count = take(small, blocks, 14);
    assert_null(memkind_malloc(small, MIB));
    assert_int_equal(fixture_current_size(one), held);
    give(small, blocks, count);
    fixture_destroy(small);
    fixture_destroy(one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_freed_by_another_kind),
        cmocka_unit_test(test_freed_after_a_refusal),
        cmocka_unit_test(test_removed_file),
        cmocka_unit_test(test_own_limit),
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
