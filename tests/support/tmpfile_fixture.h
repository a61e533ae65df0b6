/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A directory, and a nameless file in it, for tests of os/tmpfile.h. Each system call can fail, and
 * some can behave as on other kernels and file systems. Include once.
 */
/* WRAP: openat unlinkat getrandom fallocate pwrite getrlimit mmap fstat madvise */
/* WRAP: pthread_sigmask memfd_create */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "os/directory.h"
#include "os/tmpfile.h"
#include "support/fake_statvfs.h"
#include "support/faults.h"
#include "support/leftovers.h"

#define KIB   ((size_t)1 << 10)
#define MIB   ((size_t)1 << 20)
#define CHUNK (2 * MIB)
#define STORM 50

static struct leftovers before;
static char dir_path[TEST_DIR_PATH_SIZE];
static struct directory *dir;
static int file; /* a fresh one for the tests of space */

static struct fault nameless_fault; /* openat(2) with O_TMPFILE */
static struct fault named_fault;    /* openat(2) with O_CREAT */
static struct fault unlinkat_fault;
static struct fault getrandom_fault;
static struct fault fallocate_fault;
static struct fault pwrite_fault;
static struct fault remove_fault; /* madvise(2) with MADV_REMOVE */
static struct fault getrlimit_fault;
static struct fault mmap_fault;
static struct fault fstat_fault;
static struct fault sigmask_fault;
static struct fault memory_fault; /* of memfd_create(2) */

static bool random_is_short;
static bool signals_were_open; /* while a file had a name */
static size_t largest_piece;   /* limit of fallocate(2); longer ones fail with large_error */
static int large_error;
static bool ignores_advice;     /* madvise(2) succeeds without effect */
static bool fallocate_pretends; /* fallocate(2) succeeds without effect */
static size_t pretended_end;    /* where the next piece must begin */
static size_t smallest_piece;   /* so far */
static int create_flags;        /* of the last openat(2) */
static volatile sig_atomic_t delivered;

int __real_openat(int dirfd, const char *path, int flags, mode_t mode);
int __wrap_openat(int dirfd, const char *path, int flags, mode_t mode);
int __real_unlinkat(int dirfd, const char *path, int flags);
int __wrap_unlinkat(int dirfd, const char *path, int flags);
ssize_t __real_getrandom(void *buffer, size_t size, unsigned flags);
ssize_t __wrap_getrandom(void *buffer, size_t size, unsigned flags);
int __real_fallocate(int fd, int mode, off_t offset, off_t size);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t size);
ssize_t __real_pwrite(int fd, const void *data, size_t size, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t offset);
int __real_madvise(void *addr, size_t size, int advice);
int __wrap_madvise(void *addr, size_t size, int advice);
int __real_getrlimit(int resource, struct rlimit *limit);
int __wrap_getrlimit(int resource, struct rlimit *limit);
void *__real_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
int __real_fstat(int fd, struct stat *status);
int __wrap_fstat(int fd, struct stat *status);
int __real_pthread_sigmask(int how, const sigset_t *set, sigset_t *old);
int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *old);
int __real_memfd_create(const char *name, unsigned flags);
int __wrap_memfd_create(const char *name, unsigned flags);

static inline bool is_blocked(int number)
{
    sigset_t mask;

    assert_int_equal(__real_pthread_sigmask(SIG_SETMASK, NULL, &mask), 0);
    return sigismember(&mask, number) == 1;
}

int __wrap_openat(int dirfd, const char *path, int flags, mode_t mode)
{
    bool named = (flags & O_CREAT) != 0;

    create_flags = flags;
    if (fault_hits(named ? &named_fault : &nameless_fault))
        return -1;
    if (named && (!is_blocked(SIGTERM) || !is_blocked(SIGALRM)))
        signals_were_open = true;
    return __real_openat(dirfd, path, flags, mode);
}

int __wrap_unlinkat(int dirfd, const char *path, int flags)
{
    if (!is_blocked(SIGTERM) || !is_blocked(SIGALRM))
        signals_were_open = true;
    return fault_hits(&unlinkat_fault) ? -1 : __real_unlinkat(dirfd, path, flags);
}

ssize_t __wrap_getrandom(void *buffer, size_t size, unsigned flags)
{
    if (fault_hits(&getrandom_fault))
        return -1;
    return __real_getrandom(buffer, random_is_short ? size - 1 : size, flags);
}

int __wrap_fallocate(int fd, int mode, off_t offset, off_t size)
{
    if (fault_hits(&fallocate_fault))
        return -1;
    if (largest_piece != 0 && (size_t)size > largest_piece) {
        errno = large_error;
        return -1;
    }
    if ((size_t)size < smallest_piece)
        smallest_piece = (size_t)size;
    if (!fallocate_pretends)
        return __real_fallocate(fd, mode, offset, size);
    assert_int_equal(offset, pretended_end);
    pretended_end += (size_t)size;
    return 0;
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t offset)
{
    if (fault_hits(&pwrite_fault))
        return -1;
    /* A page at a time, as after a signal. */
    return __real_pwrite(fd, data, size < 4 * KIB ? size : 4 * KIB, offset);
}

int __wrap_madvise(void *addr, size_t size, int advice)
{
    if (advice == MADV_REMOVE && fault_hits(&remove_fault))
        return -1;
    if (ignores_advice)
        return 0;
    return __real_madvise(addr, size, advice);
}

int __wrap_getrlimit(int resource, struct rlimit *limit)
{
    if (resource == RLIMIT_FSIZE && fault_hits(&getrlimit_fault))
        return -1;
    return __real_getrlimit(resource, limit);
}

void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset)
{
    return fault_hits(&mmap_fault) ? MAP_FAILED
                                   : __real_mmap(addr, size, protection, flags, fd, offset);
}

int __wrap_fstat(int fd, struct stat *status)
{
    return fault_hits(&fstat_fault) ? -1 : __real_fstat(fd, status);
}

int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    return fault_hits(&sigmask_fault) ? sigmask_fault.error : __real_pthread_sigmask(how, set, old);
}

int __wrap_memfd_create(const char *name, unsigned flags)
{
    return fault_hits(&memory_fault) ? -1 : __real_memfd_create(name, flags);
}

static inline void clear_faults(void)
{
    memory_fault = (struct fault){0};
    nameless_fault = named_fault = unlinkat_fault = getrandom_fault = (struct fault){0};
    fallocate_fault = pwrite_fault = remove_fault = fstatvfs_fault = (struct fault){0};
    getrlimit_fault = mmap_fault = fstat_fault = sigmask_fault = (struct fault){0};
    random_is_short = signals_were_open = fallocate_pretends = false;
    largest_piece = 0;
    pretended_end = 0;
    smallest_piece = SIZE_MAX;
    fake_statvfs = NULL;
    delivered = 0;
}

static inline int setup(void **state)
{
    (void)state;
    clear_faults();
    test_dir_make(dir_path);
    if (directory_open(dir_path, &dir) != 0)
        return -1;
    leftovers_take(&before, dir_path);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    clear_faults();
    leftovers_check(&before);
    directory_close(dir);
    test_dir_remove(dir_path);
    return 0;
}

static inline int setup_file(void **state)
{
    int result = setup(state);

    file = tmpfile_create(dir);
    return file < 0 ? -1 : result;
}

static inline int teardown_file(void **state)
{
    close(file);
    return teardown(state);
}

static inline size_t file_size(void)
{
    struct stat status;

    assert_int_equal(__real_fstat(file, &status), 0);
    return (size_t)status.st_size;
}

#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, setup_file, teardown_file)
