/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of spaces over a file: who owns the directory, what is mapped, what each system call's
 * error becomes. */
/* WRAP: openat fallocate mmap fstatvfs */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "backing/directory.h"
#include "space/address_map.h"
#include "space/file_backing.h"
#include "support/faults.h"
#include "support/leftovers.h"

#define CHUNK SPACE_CHUNK
#define OWNER (ADDRESS_MAP_FIRST_OWNER + 2u)

static struct space space;
static struct directory *directory;
static struct leftovers before;
static char dir_path[TEST_DIR_PATH_SIZE];
static struct fault openat_fault;
static struct fault allocate_fault;
static struct fault punch_fault;
static struct fault map_fault;
static struct fault fstatvfs_fault;
static const struct statvfs *fake_statvfs;

int __real_openat(int dirfd, const char *path, int flags, mode_t mode);
int __wrap_openat(int dirfd, const char *path, int flags, mode_t mode);
int __real_fallocate(int fd, int mode, off_t offset, off_t size);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t size);
void *__real_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
int __real_fstatvfs(int fd, struct statvfs *fs);
int __wrap_fstatvfs(int fd, struct statvfs *fs);

int __wrap_openat(int dirfd, const char *path, int flags, mode_t mode)
{
    return fault_hits(&openat_fault) ? -1 : __real_openat(dirfd, path, flags, mode);
}

int __wrap_fallocate(int fd, int mode, off_t offset, off_t size)
{
    bool punches = (mode & FALLOC_FL_PUNCH_HOLE) != 0;

    return fault_hits(punches ? &punch_fault : &allocate_fault)
               ? -1
               : __real_fallocate(fd, mode, offset, size);
}

void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (fd >= 0 && fault_hits(&map_fault))
        return MAP_FAILED;
    return __real_mmap(addr, size, protection, flags, fd, offset);
}

int __wrap_fstatvfs(int fd, struct statvfs *fs)
{
    if (fault_hits(&fstatvfs_fault))
        return -1;
    if (fake_statvfs == NULL)
        return __real_fstatvfs(fd, fs);
    *fs = *fake_statvfs;
    return 0;
}

static int setup(void **state)
{
    (void)state;
    openat_fault = allocate_fault = punch_fault = map_fault = fstatvfs_fault = (struct fault){0};
    fake_statvfs = NULL;
    test_dir_make(dir_path);
    leftovers_take(&before, dir_path);
    assert_int_equal(space_init(&space, &file_backing, 0, OWNER), 0);
    return directory_open(dir_path, &directory);
}

static int teardown(void **state)
{
    (void)state;
    space_destroy(&space);
    leftovers_check(&before);
    test_dir_remove(dir_path);
    return 0;
}

static void open_file(void)
{
    assert_int_equal(file_backing_open(&space, directory), 0);
}

static char *committed(size_t size)
{
    void *addr;

    assert_int_equal(space_reserve(&space, size, CHUNK, &addr), 0);
    assert_int_equal(space_commit(&space, addr, size), 0);
    return addr;
}

static void opened_space_owns_file_and_directory(void **state)
{
    (void)state;
    open_file();
    assert_true(space.fd >= 0);
    assert_ptr_equal(space.directory, directory);
    assert_string_equal(space.path, dir_path);
    assert_int_equal(file_space_held(space.fd), 0);
}

static void directory_stays_the_callers_on_failure(void **state)
{
    (void)state;
    fault_set(&openat_fault, EMFILE, FAULT_ALWAYS);
    assert_int_equal(file_backing_open(&space, directory), -EMFILE);
    assert_int_equal(space.fd, -1);
    assert_null(space.directory);
    assert_null(space.path);
    /* Were it not, this would be one time too many. */
    directory_close(directory);
}

static void segment_is_the_file(void **state)
{
    char byte;

    (void)state;
    open_file();
    char *addr = committed(2 * CHUNK);
    addr[CHUNK + 5] = 'x';
    assert_int_equal(pread(space.fd, &byte, 1, (off_t)CHUNK + 5), 1);
    assert_int_equal(byte, 'x');
    assert_int_equal(file_space_held(space.fd), 2 * CHUNK);
    assert_int_equal(space_decommit(&space, addr + CHUNK, CHUNK), 0);
    assert_int_equal(file_space_held(space.fd), CHUNK);
    assert_int_equal(pread(space.fd, &byte, 1, (off_t)CHUNK + 5), 1);
    assert_int_equal(byte, 0);
}

static void without_a_file_nothing_is_mapped(void **state)
{
    void *addr;

    (void)state;
    assert_int_equal(space_reserve(&space, 1, 1, &addr), -EBADF);
    directory_close(directory);
}

static void errors_are_those_of_the_calls(void **state)
{
    void *addr;

    (void)state;
    open_file();
    fault_set(&map_fault, EPERM, 1);
    assert_int_equal(space_reserve(&space, 1, 1, &addr), -EPERM);
    char *block = committed(CHUNK);
    fault_set(&punch_fault, ENOSYS, 1);
    assert_int_equal(space_decommit(&space, block, CHUNK), -EOPNOTSUPP);
    assert_int_equal(space_reserve(&space, CHUNK, CHUNK, &addr), 0);
    fault_set(&allocate_fault, EDQUOT, FAULT_ALWAYS);
    assert_int_equal(space_commit(&space, addr, CHUNK), -EDQUOT);
    assert_int_equal(space_held(&space), CHUNK);
}

static void capacity_is_that_of_the_file_system(void **state)
{
    struct statvfs fs;
    size_t size = 7;

    (void)state;
    assert_int_equal(file_backing.capacity(&space, &size), -EBADF);
    open_file();
    assert_int_equal(statvfs(dir_path, &fs), 0);
    assert_int_equal(file_backing.capacity(&space, &size), 0);
    assert_int_equal(size, fs.f_blocks * fs.f_frsize);
    fault_set(&fstatvfs_fault, EIO, 1);
    assert_int_equal(file_backing.capacity(&space, &size), -EIO);
}

static void file_system_without_a_size_limits_nothing(void **state)
{
    const struct statvfs unlimited = {.f_frsize = 4096};
    size_t size;

    (void)state;
    open_file();
    fake_statvfs = &unlimited;
    assert_true(file_backing.capacity(&space, &size) < 0);
    assert_true(space_capacity(&space, SIZE_MAX / 2) == SIZE_MAX);
    fake_statvfs = NULL;
    assert_true(space_capacity(&space, SIZE_MAX / 2) < SIZE_MAX);
    space.max_size = CHUNK;
    assert_int_equal(space_capacity(&space, SIZE_MAX / 2), CHUNK);
    assert_int_equal(space_capacity(&space, 1), CHUNK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(opened_space_owns_file_and_directory),
        TEST(directory_stays_the_callers_on_failure),
        TEST(segment_is_the_file),
        TEST(without_a_file_nothing_is_mapped),
        TEST(errors_are_those_of_the_calls),
        TEST(capacity_is_that_of_the_file_system),
        TEST(file_system_without_a_size_limits_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
