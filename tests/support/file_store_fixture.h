/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A space over a file in a directory of its own. Each system call can fail, and some can behave as
 * on other kernels and file systems. Include once.
 */
/* WRAP: openat open fallocate madvise ftruncate fstatfs fstat */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "os/directory.h"
#include "os/memory_room.h"
#include "os/tmpfile.h"
#include "os/vm.h"
#include "space/address_map.h"
#include "store/file_space.h"
#include "store/file_store.h"
#include "support/fake_calloc.h"
#include "support/fake_mmap.h"
#include "support/fake_mutex.h"
#include "support/fake_statvfs.h"
#include "support/faults.h"
#include "support/leftovers.h"
#include "support/page_size.h"

#define CHUNK SPACE_CHUNK
#define OWNER (ADDRESS_MAP_FIRST_OWNER + 2u)

static struct space *space;
static struct directory *directory;
static struct leftovers before;
static char dir_path[TEST_DIR_PATH_SIZE];
static struct fault openat_fault;
static struct fault allocate_fault;
static struct fault remove_fault; /* of a hole made through the mapping */
static struct fault punch_fault;  /* of a hole made through the descriptor */
static struct fault populate_fault;
static struct fault collapse_fault;
static struct fault extend_fault;
static struct fault fstatfs_fault;
static struct fault fstat_fault;
static struct fault again_fault; /* of open(2) when the file is reopened */
static size_t collapsed;         /* bytes, by the last request */
static bool pretend_tmpfs;       /* fstatfs(2) returns tmpfs */
static bool populates_in_vain;   /* madvise(2) succeeds without effect for MADV_POPULATE_WRITE, */
static bool ignores_advice;      /* and for all advice */

int __real_openat(int dirfd, const char *path, int flags, mode_t mode);
int __wrap_openat(int dirfd, const char *path, int flags, mode_t mode);
int __real_fallocate(int fd, int mode, off_t offset, off_t size);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t size);
int __real_madvise(void *addr, size_t size, int advice);
int __wrap_madvise(void *addr, size_t size, int advice);
int __real_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size);
int __real_fstatfs(int fd, struct statfs *fs);
int __wrap_fstatfs(int fd, struct statfs *fs);
int __real_fstat(int fd, struct stat *status);
int __wrap_fstat(int fd, struct stat *status);
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);

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

int __wrap_madvise(void *addr, size_t size, int advice)
{
    if (advice == MADV_POPULATE_WRITE && fault_hits(&populate_fault))
        return -1;
    if (advice == MADV_COLLAPSE)
        collapsed = size;
    if (advice == MADV_COLLAPSE && fault_hits(&collapse_fault))
        return -1;
    if (advice == MADV_REMOVE && fault_hits(&remove_fault))
        return -1;
    if ((advice == MADV_POPULATE_WRITE && populates_in_vain) || ignores_advice)
        return 0;
    return __real_madvise(addr, size, advice);
}

int __wrap_ftruncate(int fd, off_t size)
{
    return fault_hits(&extend_fault) ? -1 : __real_ftruncate(fd, size);
}

int __wrap_fstatfs(int fd, struct statfs *fs)
{
    if (fault_hits(&fstatfs_fault))
        return -1;
    int result = __real_fstatfs(fd, fs);
    if (pretend_tmpfs)
        fs->f_type = TMPFS_MAGIC;
    return result;
}

int __wrap_fstat(int fd, struct stat *status)
{
    return fault_hits(&fstat_fault) ? -1 : __real_fstat(fd, status);
}

int __wrap_open(const char *path, int flags, ...)
{
    if ((flags & O_PATH) == 0 && fault_hits(&again_fault))
        return -1;
    return __real_open(path, flags);
}

static int setup(void **state)
{
    (void)state;
    openat_fault = allocate_fault = remove_fault = punch_fault = file_map_fault = fstatvfs_fault =
        (struct fault){0};
    populate_fault = collapse_fault = extend_fault = fstatfs_fault = (struct fault){0};
    fstat_fault = again_fault = calloc_fault = mutex_fault = (struct fault){0};
    collapsed = 0;
    pretend_tmpfs = true;
    populates_in_vain = false;
    fake_statvfs = NULL;
    test_dir_make(dir_path);
    leftovers_take(&before, dir_path);
    space = file_store_create(OWNER);
    assert_non_null(space);
    return directory_open(dir_path, &directory);
}

static int teardown(void **state)
{
    (void)state;
    space_destroy(space);
    leftovers_check(&before);
    test_dir_remove(dir_path);
    return 0;
}

static void open_file(void)
{
    assert_int_equal(file_store_open(space, directory), 0);
}

static char *reserved(size_t size)
{
    void *addr;

    assert_int_equal(space_reserve(space, size, CHUNK, &addr), 0);
    return addr;
}

static char *committed(size_t size)
{
    char *addr = reserved(size);

    assert_int_equal(space_commit(space, addr, size), 0);
    return addr;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
