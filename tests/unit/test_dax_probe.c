/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the DAX probe, with a fake mmap(2) that accepts or refuses MAP_SYNC without the
 * hardware.
 */
/* WRAP: mmap munmap openat fallocate ftruncate dax_device_query */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/dax_device.h"
#include "os/dax_probe.h"
#include "support/faults.h"
#include "support/leftovers.h"

#define ALIGNMENT   ((size_t)2 << 20)
#define DEVICE_SIZE (4 * ALIGNMENT)

static struct leftovers before;
static char dir_path[TEST_DIR_PATH_SIZE];

static bool sync_honoured;
static struct fault mmap_fault;
static struct fault openat_fault;
static struct fault space_fault;
static unsigned sync_mappings;
static unsigned unmappings;
static size_t map_size; /* the expected size */

void *__real_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *addr, size_t size);
int __wrap_munmap(void *addr, size_t size);
int __real_openat(int dirfd, const char *path, int flags, mode_t mode);
int __wrap_openat(int dirfd, const char *path, int flags, mode_t mode);
int __real_fallocate(int fd, int mode, off_t offset, off_t size);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t size);
int __real_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size);
int __wrap_dax_device_query(const char *path, struct dax_device *device);

/* Checks as a DAX file system does: MAP_SYNC requires MAP_SHARED_VALIDATE. */
static void check_sync_mapping(size_t size, int flags, off_t offset)
{
    assert_int_equal(flags & MAP_TYPE, MAP_SHARED_VALIDATE);
    assert_int_equal(offset, 0);
    assert_int_equal(size, map_size);
}

void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset)
{
    if ((flags & MAP_SYNC) == 0 || fd < 0)
        return __real_mmap(addr, size, protection, flags, fd, offset);
    sync_mappings++;
    check_sync_mapping(size, flags, offset);
    if (fault_hits(&mmap_fault))
        return MAP_FAILED;
    if (sync_honoured)
        flags = MAP_SHARED;
    return __real_mmap(addr, size, protection, flags, fd, offset);
}

int __wrap_munmap(void *addr, size_t size)
{
    unmappings++;
    return __real_munmap(addr, size);
}

/* A file of the directory stands for a device. */
int __wrap_dax_device_query(const char *path, struct dax_device *device)
{
    if (strncmp(path, dir_path, strlen(dir_path)) != 0)
        return -ENODEV;
    *device = (struct dax_device){.name = "dax0.0", .size = DEVICE_SIZE, .alignment = ALIGNMENT};
    return 0;
}

int __wrap_openat(int dirfd, const char *path, int flags, mode_t mode)
{
    return fault_hits(&openat_fault) ? -1 : __real_openat(dirfd, path, flags, mode);
}

int __wrap_fallocate(int fd, int mode, off_t offset, off_t size)
{
    return fault_hits(&space_fault) ? -1 : __real_fallocate(fd, mode, offset, size);
}

int __wrap_ftruncate(int fd, off_t size)
{
    return fault_hits(&space_fault) ? -1 : __real_ftruncate(fd, size);
}

static int setup(void **state)
{
    (void)state;
    mmap_fault = openat_fault = space_fault = (struct fault){0};
    sync_honoured = false;
    sync_mappings = unmappings = 0;
    map_size = (size_t)sysconf(_SC_PAGESIZE);
    test_dir_make(dir_path);
    leftovers_take(&before, dir_path);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    leftovers_check(&before);
    test_dir_remove(dir_path);
    return 0;
}

static void test_yes(void **state)
{
    (void)state;
    sync_honoured = true;
    errno = EXDEV;
    assert_int_equal(dax_probe(dir_path), DAX_PROBE_SYNC);
    assert_int_equal(errno, EXDEV);
    assert_int_equal(sync_mappings, 1);
    assert_int_equal(unmappings, 1);
}

static void test_no(void **state)
{
    static const int errors[] = {EOPNOTSUPP, EINVAL, ENOMEM, EAGAIN};

    (void)state;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        fault_set(&mmap_fault, errors[i], 1);
        errno = 0;
        assert_int_equal(dax_probe(dir_path), DAX_PROBE_NO_SYNC);
        assert_int_equal(errno, errors[i]);
        leftovers_check(&before);
    }
    assert_int_equal(unmappings, 0);
}

/* On any file system, the result is that of mmap(2). */
static void test_the_truth(void **state)
{
    enum dax_probe_result result;

    (void)state;
    result = dax_probe(dir_path);
    assert_int_equal(sync_mappings, 1);
    assert_int_equal(result, unmappings == 1 ? DAX_PROBE_SYNC : DAX_PROBE_NO_SYNC);
}

static void check_no_file(const char *path, int error)
{
    errno = 0;
    assert_int_equal(dax_probe(path), DAX_PROBE_NO_FILE);
    assert_int_equal(errno, error);
    assert_int_equal(sync_mappings, 0);
    leftovers_check(&before);
}

static void test_no_directory(void **state)
{
    char path[TEST_DIR_PATH_SIZE + 32];

    (void)state;
    check_no_file(NULL, EINVAL);
    snprintf(path, sizeof(path), "%s/missing", dir_path);
    check_no_file(path, ENOENT);
    check_no_file("/dev/null", ENOTDIR);
}

static void test_no_file(void **state)
{
    (void)state;
    fault_set(&openat_fault, EROFS, 1);
    check_no_file(dir_path, EROFS);
    fault_set(&openat_fault, EMFILE, 1);
    check_no_file(dir_path, EMFILE);
}

/* A file system that is full, or a limit of 0 bytes for files. */
static void test_no_space(void **state)
{
    (void)state;
    fault_set(&space_fault, ENOSPC, FAULT_ALWAYS);
    sync_honoured = true;
    assert_int_equal(dax_probe(dir_path), DAX_PROBE_SYNC);
    leftovers_check(&before);
    fault_set(&mmap_fault, EOPNOTSUPP, 1);
    assert_int_equal(dax_probe(dir_path), DAX_PROBE_NO_SYNC);
}

static void test_device(void **state)
{
    char path[TEST_DIR_PATH_SIZE + 32];

    (void)state;
    snprintf(path, sizeof(path), "%s/device", dir_path);
    check_no_file(path, ENOENT);
    int fd = creat(path, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)DEVICE_SIZE), 0);
    close(fd);
    leftovers_take(&before, dir_path);
    map_size = ALIGNMENT;
    sync_honoured = true;
    errno = EXDEV;
    assert_int_equal(dax_probe(path), DAX_PROBE_SYNC);
    assert_int_equal(errno, EXDEV);
    leftovers_check(&before);
    fault_set(&mmap_fault, EOPNOTSUPP, 1);
    assert_int_equal(dax_probe(path), DAX_PROBE_NO_SYNC);
    assert_int_equal(errno, EOPNOTSUPP);
    leftovers_check(&before);
    assert_int_equal(unlink(path), 0);
    leftovers_take(&before, dir_path);
}

static void *probe_while_being_cancelled(void *argument)
{
    pthread_cancel(pthread_self());
    *(bool *)argument = dax_probe(dir_path) != DAX_PROBE_NO_FILE;
    return NULL;
}

static void test_no_cancellation_point(void **state)
{
    pthread_t thread;
    bool survived = false;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, probe_while_being_cancelled, &survived), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(survived);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_yes),       TEST(test_no),
        TEST(test_the_truth), TEST(test_no_directory),
        TEST(test_no_file),   TEST(test_no_space),
        TEST(test_device),    TEST(test_no_cancellation_point),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
