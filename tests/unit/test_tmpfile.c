/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of nameless files, on kernels and file systems with and without all features. */
/* WRAP: openat unlinkat getrandom fallocate pwrite fstatvfs getrlimit mmap fstat madvise */
/* WRAP: pthread_sigmask memfd_create */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "os/directory.h"
#include "os/tmpfile.h"
#include "os/tmpfile_internal.h"
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
static struct fault fstatvfs_fault;
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
static const struct statvfs *fake_statvfs;
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
int __real_fstatvfs(int fd, struct statvfs *fs);
int __wrap_fstatvfs(int fd, struct statvfs *fs);
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

static bool is_blocked(int number)
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

int __wrap_fstatvfs(int fd, struct statvfs *fs)
{
    if (fault_hits(&fstatvfs_fault))
        return -1;
    if (fake_statvfs == NULL)
        return __real_fstatvfs(fd, fs);
    *fs = *fake_statvfs;
    return 0;
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

static void clear_faults(void)
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

static int setup(void **state)
{
    (void)state;
    clear_faults();
    test_dir_make(dir_path);
    if (directory_open(dir_path, &dir) != 0)
        return -1;
    leftovers_take(&before, dir_path);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    clear_faults();
    leftovers_check(&before);
    directory_close(dir);
    test_dir_remove(dir_path);
    return 0;
}

static int setup_file(void **state)
{
    int result = setup(state);

    file = tmpfile_create(dir);
    return file < 0 ? -1 : result;
}

static int teardown_file(void **state)
{
    close(file);
    return teardown(state);
}

/* ---- create ---- */

static void check_created(int fd, mode_t mode)
{
    struct stat status;

    assert_true(fd >= 0);
    assert_int_equal(__real_fstat(fd, &status), 0);
    assert_true(S_ISREG(status.st_mode));
    assert_int_equal(status.st_mode & ~(mode_t)S_IFMT, mode);
    assert_int_equal(status.st_nlink, 0);
    assert_int_equal(status.st_size, 0);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
    leftovers_check(&before);
}

static void check_not_created(int error)
{
    assert_int_equal(tmpfile_create(dir), error);
    assert_false(is_blocked(SIGTERM));
    leftovers_check(&before);
}

static void test_create(void **state)
{
    (void)state;
    check_created(tmpfile_create(dir), 0600);
    assert_int_equal(create_flags & O_TMPFILE, O_TMPFILE);
    assert_int_equal(nameless_fault.calls, 1);
    assert_int_equal(unlinkat_fault.calls, 0);
}

static void check_umask(mode_t mask, mode_t mode)
{
    for (unsigned unsupported = 0; unsupported <= 1; unsupported++) {
        mode_t old = umask(mask);
        int fd;

        fault_set(&nameless_fault, EOPNOTSUPP, unsupported);
        fd = tmpfile_create(dir);
        umask(old);
        check_created(fd, mode);
    }
}

static void test_create_with_any_umask(void **state)
{
    (void)state;
    check_umask(0, 0600);
    check_umask(0077, 0600);
    check_umask(0777, 0);
}

static void test_create_without_o_tmpfile(void **state)
{
    static const int errors[] = {EOPNOTSUPP, EISDIR, ENOENT, EINVAL};

    (void)state;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        clear_faults();
        fault_set(&nameless_fault, errors[i], FAULT_ALWAYS);
        check_created(tmpfile_create(dir), 0600);
        assert_int_equal(create_flags & (O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC),
                         O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC);
        assert_int_equal(unlinkat_fault.calls, 1);
        assert_false(signals_were_open);
        assert_false(is_blocked(SIGTERM));
    }
}

static void test_create_fails(void **state)
{
    static const int errors[] = {EACCES, EMFILE, ENFILE, ENOSPC, EROFS, EDQUOT, EIO, EPERM};

    (void)state;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        clear_faults();
        fault_set(&nameless_fault, errors[i], 1);
        check_not_created(-errors[i]);
        assert_int_equal(named_fault.calls, 0);

        fault_set(&nameless_fault, EOPNOTSUPP, 1);
        fault_set(&named_fault, errors[i], 1);
        check_not_created(-errors[i]);
        assert_int_equal(unlinkat_fault.calls, 0);
    }
}

static void test_create_interrupted(void **state)
{
    (void)state;
    fault_set(&nameless_fault, EINTR, STORM);
    check_created(tmpfile_create(dir), 0600);
    fault_set(&nameless_fault, EOPNOTSUPP, 1);
    fault_set(&named_fault, EINTR, STORM);
    fault_set(&getrandom_fault, EINTR, STORM);
    check_created(tmpfile_create(dir), 0600);
}

static void test_create_tries_other_names(void **state)
{
    (void)state;
    fault_set(&nameless_fault, EOPNOTSUPP, 1);
    fault_set(&named_fault, EEXIST, TMPFILE_NAME_TRIES - 1);
    check_created(tmpfile_create(dir), 0600);
    fault_set(&nameless_fault, EOPNOTSUPP, 1);
    fault_set(&named_fault, EEXIST, FAULT_ALWAYS);
    check_not_created(-EEXIST);
    assert_int_equal(named_fault.calls, TMPFILE_NAME_TRIES);
}

static void test_create_without_random_numbers(void **state)
{
    (void)state;
    fault_set(&nameless_fault, EOPNOTSUPP, FAULT_ALWAYS);
    fault_set(&getrandom_fault, ENOSYS, 1);
    check_created(tmpfile_create(dir), 0600);
    fault_set(&getrandom_fault, EPERM, 1);
    check_created(tmpfile_create(dir), 0600);
    random_is_short = true;
    check_created(tmpfile_create(dir), 0600);
}

static void test_create_without_a_signal_mask(void **state)
{
    (void)state;
    fault_set(&nameless_fault, EOPNOTSUPP, 1);
    fault_set(&sigmask_fault, EINVAL, 1);
    check_not_created(-EINVAL);
    assert_int_equal(named_fault.calls, 0);
}

/* The only failure that leaves a name behind: the removal itself fails. */
static void test_create_fails_to_unlink(void **state)
{
    static struct leftovers now;
    char path[2 * TEST_DIR_PATH_SIZE];
    const char *name;

    (void)state;
    fault_set(&nameless_fault, EOPNOTSUPP, 1);
    fault_set(&unlinkat_fault, EIO, 1);
    assert_int_equal(tmpfile_create(dir), -EIO);
    assert_false(is_blocked(SIGTERM));
    leftovers_take(&now, dir_path);
    assert_string_equal(now.descriptors, before.descriptors);
    name = strstr(now.entries, ".memkind-");
    assert_non_null(name);
    snprintf(path, sizeof(path), "%s/%.*s", dir_path, (int)strcspn(name, "\n"), name);
    assert_int_equal(unlink(path), 0);
}

/* Replaces the directory's descriptor. What tests leave behind is counted from here. */
static void replace_descriptor(const char *path, int flags)
{
    int number = directory_take_fd(dir);
    int fd = open(path, flags | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(dup3(fd, number, O_CLOEXEC), number);
    close(fd);
    leftovers_take(&before, dir_path);
    directory_put_fd(dir, number);
}

static void test_create_where_the_descriptor_is_anothers(void **state)
{
    int own = directory_take_fd(dir);

    (void)state;
    replace_descriptor("/proc", O_RDONLY);
    for (unsigned unsupported = 0; unsupported <= 1; unsupported++) {
        fault_set(&nameless_fault, EOPNOTSUPP, unsupported);
        check_created(tmpfile_create(dir), 0600);
    }
    fault_set(&nameless_fault, EACCES, 1);
    check_not_created(-EACCES);
    int fd = open(dir_path, O_PATH | O_CLOEXEC);
    assert_int_equal(dup3(fd, own, O_CLOEXEC), own);
    close(fd);
    leftovers_take(&before, dir_path);
}

static void test_create_where_the_directory_is_gone(void **state)
{
    int own = directory_take_fd(dir);
    int kept = dup(own);

    (void)state;
    replace_descriptor("/proc", O_RDONLY);
    assert_int_equal(rmdir(dir_path), 0);
    assert_int_equal(tmpfile_create(dir), -ENOENT);
    assert_int_equal(named_fault.calls, 0);
    assert_int_equal(mkdir(dir_path, 0700), 0);
    assert_int_equal(tmpfile_create(dir), -ENOENT);
    assert_int_equal(dup3(kept, own, O_CLOEXEC), own);
    close(kept);
    leftovers_take(&before, dir_path);
}

static void test_create_in_memory(void **state)
{
    (void)state;
    check_created(tmpfile_create_in_memory(), 0777);
    fault_set(&memory_fault, EMFILE, 1);
    assert_int_equal(tmpfile_create_in_memory(), -EMFILE);
    leftovers_check(&before);
}

/* ---- allocate ---- */

static size_t file_size(void)
{
    struct stat status;

    assert_int_equal(__real_fstat(file, &status), 0);
    return (size_t)status.st_size;
}

static void test_allocate(void **state)
{
    size_t bytes = 0;

    (void)state;
    assert_int_equal(tmpfile_allocate(file, 0, CHUNK), 0);
    assert_int_equal(file_size(), CHUNK);
    assert_true(file_space_held(file) >= CHUNK);
    assert_int_equal(tmpfile_allocate(file, (off_t)(3 * CHUNK), 4 * KIB), 0);
    assert_int_equal(file_size(), 3 * CHUNK + 4 * KIB);
    assert_in_range(file_space_held(file), CHUNK + 4 * KIB, 2 * CHUNK);
    assert_int_equal(tmpfile_blocks(file, &bytes), 0);
    assert_int_equal(bytes, file_space_held(file));
    assert_int_equal(fallocate_fault.calls, 2);
    assert_int_equal(getrlimit_fault.calls, 2);
    assert_int_equal(sigmask_fault.calls, 0);
    assert_int_equal(fstatvfs_fault.calls, 0);
}

static void test_allocate_odd_ranges(void **state)
{
    (void)state;
    assert_int_equal(tmpfile_allocate(file, 0, 0), -EINVAL);
    assert_int_equal(tmpfile_allocate(file, -1, CHUNK), -EINVAL);
    assert_int_equal(tmpfile_allocate(file, INT64_MAX, 1), -EFBIG);
    assert_int_equal(tmpfile_allocate(file, 0, SIZE_MAX), -EFBIG);
    assert_int_equal(tmpfile_allocate(file, (off_t)CHUNK, (size_t)INT64_MAX), -EFBIG);
    assert_int_equal(fallocate_fault.calls, 0);
    assert_int_equal(tmpfile_allocate(-1, 0, CHUNK), -EBADF);
    assert_int_equal(file_space_held(file), 0);
}

static void test_allocate_fails_at_once(void **state)
{
    static const int errors[] = {ENOSPC, EDQUOT, EFBIG, ENOMEM};

    (void)state;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        fault_set(&fallocate_fault, errors[i], FAULT_ALWAYS);
        assert_int_equal(tmpfile_allocate(file, 0, TMPFILE_LARGE), -errors[i]);
        assert_int_equal(fallocate_fault.calls, 1);
    }
    assert_int_equal(pwrite_fault.calls, 0);
}

static void test_allocate_fails_in_the_middle(void **state)
{
    (void)state;
    fallocate_pretends = true;
    largest_piece = CHUNK;
    large_error = EIO;
    fallocate_fault = (struct fault){.error = ENOSPC, .skip = 10, .times = FAULT_ALWAYS};
    assert_int_equal(tmpfile_allocate(file, 0, TMPFILE_LARGE), -ENOSPC);
    assert_in_range(pretended_end, CHUNK, TMPFILE_LARGE - CHUNK);
}

static void test_allocate_goes_on_when_interrupted(void **state)
{
    (void)state;
    for (unsigned times = 1; times <= STORM; times++) {
        clear_faults();
        fallocate_pretends = true;
        fault_set(&fallocate_fault, EINTR, times);
        assert_int_equal(tmpfile_allocate(file, 0, TMPFILE_LARGE), 0);
        assert_int_equal(pretended_end, TMPFILE_LARGE);
    }
    assert_int_equal(smallest_piece, 4 * KIB);
}

static void test_allocate_odd_sizes_in_pieces(void **state)
{
    static const size_t sizes[] = {1, 4 * KIB, 5 * KIB, 7 * CHUNK - 4 * KIB, 5 * CHUNK + 1};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (unsigned times = 1; times <= 20; times++) {
            clear_faults();
            fallocate_pretends = true;
            fault_set(&fallocate_fault, EINTR, times);
            assert_int_equal(tmpfile_allocate(file, 0, sizes[i]), 0);
            assert_int_equal(pretended_end, sizes[i]);
        }
    }
}

/* A timer interrupts each call that is long enough: only short ones ever succeed. */
static void test_allocate_is_not_starved_by_a_timer(void **state)
{
    (void)state;
    fallocate_pretends = true;
    large_error = EINTR;
    for (largest_piece = 4 * KIB; largest_piece < TMPFILE_LARGE; largest_piece *= 4) {
        pretended_end = 0;
        fault_set(&fallocate_fault, 0, 0);
        assert_int_equal(tmpfile_allocate(file, 0, TMPFILE_LARGE), 0);
        assert_int_equal(pretended_end, TMPFILE_LARGE);
        assert_in_range(fallocate_fault.calls, 1, 3 * TMPFILE_LARGE / largest_piece + 30);
    }
}

static void test_allocate_where_large_pieces_are_refused(void **state)
{
    static const int errors[] = {EINVAL, EIO, EOPNOTSUPP, ENOSYS, EPERM, ENODEV};

    (void)state;
    fallocate_pretends = true;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        large_error = errors[i];
        for (largest_piece = CHUNK; largest_piece < TMPFILE_LARGE; largest_piece *= 2) {
            pretended_end = 0;
            fault_set(&fallocate_fault, 0, 0);
            assert_int_equal(tmpfile_allocate(file, 0, TMPFILE_LARGE), 0);
            assert_int_equal(pretended_end, TMPFILE_LARGE);
            assert_in_range(fallocate_fault.calls, 1, TMPFILE_LARGE / CHUNK + 10);
        }
    }
    assert_int_equal(smallest_piece, CHUNK);
    assert_int_equal(pwrite_fault.calls, 0);
}

static void test_allocate_where_small_pieces_are_refused(void **state)
{
    static const int errors[] = {EINVAL, EIO, ENODEV};

    (void)state;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        fault_set(&fallocate_fault, errors[i], FAULT_ALWAYS);
        assert_int_equal(tmpfile_allocate(file, 0, 8 * CHUNK), -errors[i]);
        assert_int_equal(fallocate_fault.calls, 4);
    }
    assert_int_equal(pwrite_fault.calls, 0);
}

static void test_allocate_without_fallocate(void **state)
{
    static const int errors[] = {EOPNOTSUPP, ENOSYS, EPERM};

    (void)state;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        clear_faults();
        assert_int_equal(ftruncate(file, 0), 0);
        fault_set(&fallocate_fault, errors[i], FAULT_ALWAYS);
        assert_int_equal(tmpfile_allocate(file, 0, 2 * CHUNK), 0);
        assert_int_equal(file_size(), 2 * CHUNK);
        assert_true(file_space_held(file) >= 2 * CHUNK);

        fault_set(&pwrite_fault, ENOSPC, FAULT_ALWAYS);
        assert_int_equal(tmpfile_allocate(file, (off_t)(2 * CHUNK), CHUNK), -ENOSPC);
        assert_int_equal(pwrite_fault.calls, 1);

        fault_set(&pwrite_fault, EINTR, STORM);
        assert_int_equal(tmpfile_allocate(file, (off_t)(2 * CHUNK), CHUNK), 0);
        assert_int_equal(file_size(), 3 * CHUNK);
    }
}

static void check_free_space(fsblkcnt_t blocks, fsblkcnt_t free, unsigned long block, int error)
{
    const struct statvfs fs = {
        .f_blocks = blocks, .f_bfree = free, .f_bavail = 0, .f_frsize = block, .f_bsize = 1};

    fake_statvfs = &fs;
    pretended_end = 0;
    assert_int_equal(tmpfile_allocate(file, 0, TMPFILE_LARGE + 1), error);
    assert_int_equal(pretended_end, error == 0 ? TMPFILE_LARGE + 1 : 0);
    fake_statvfs = NULL;
}

static void test_allocate_asks_for_free_space_first(void **state)
{
    const fsblkcnt_t enough = TMPFILE_LARGE / (4 * KIB) + 1;

    (void)state;
    fallocate_pretends = true;
    check_free_space(2 * enough, enough, 4 * KIB, 0);
    check_free_space(2 * enough, enough - 1, 4 * KIB, -ENOSPC);
    check_free_space(2 * enough, 0, 4 * KIB, -ENOSPC);
    check_free_space(SIZE_MAX, SIZE_MAX, 4 * KIB, 0);
    check_free_space(0, 0, 4 * KIB, 0); /* tmpfs without a limit */
    check_free_space(2 * enough, 0, 0, 0);

    fault_set(&fstatvfs_fault, ENOSYS, 1);
    pretended_end = 0;
    assert_int_equal(tmpfile_allocate(file, 0, TMPFILE_LARGE + 1), 0);
}

static void test_allocate_more_than_the_file_system_has(void **state)
{
    struct statvfs fs;

    (void)state;
    assert_int_equal(__real_fstatvfs(file, &fs), 0);
    if (fs.f_blocks == 0)
        skip();
    assert_int_equal(tmpfile_allocate(file, 0, (fs.f_blocks + 1) * fs.f_frsize + TMPFILE_LARGE),
                     -ENOSPC);
    assert_int_equal(fallocate_fault.calls, 0);
    assert_int_equal(file_space_held(file), 0);
}

/* ---- the file size limit ---- */

static void count(int number)
{
    (void)number;
    delivered++;
}

static void set_file_size_limit(rlim_t bytes)
{
    struct rlimit limit;

    assert_int_equal(__real_getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static int setup_limit(void **state)
{
    int result = setup_file(state);
    const struct sigaction action = {.sa_handler = count};

    set_file_size_limit(CHUNK);
    return sigaction(SIGXFSZ, &action, NULL) != 0 ? -1 : result;
}

static int teardown_limit(void **state)
{
    set_file_size_limit(RLIM_INFINITY);
    signal(SIGXFSZ, SIG_DFL);
    return teardown_file(state);
}

static void check_no_signal(void)
{
    sigset_t pending;

    assert_int_equal(sigpending(&pending), 0);
    assert_false(sigismember(&pending, SIGXFSZ));
    assert_false(is_blocked(SIGXFSZ));
    assert_int_equal(delivered, 0);
}

static void test_limit_is_an_error_and_no_signal(void **state)
{
    (void)state;
    assert_int_equal(tmpfile_allocate(file, 0, CHUNK + 1), -EFBIG);
    check_no_signal();
    assert_int_equal(tmpfile_allocate(file, 0, CHUNK), 0);
    assert_int_equal(tmpfile_allocate(file, (off_t)CHUNK, 4 * KIB), -EFBIG);
    check_no_signal();
    assert_int_equal(file_size(), CHUNK);
}

static void test_limit_with_the_default_action(void **state)
{
    (void)state;
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(tmpfile_allocate(file, 0, 2 * CHUNK), -EFBIG);
    check_no_signal();
}

static void test_limit_without_fallocate(void **state)
{
    (void)state;
    fault_set(&fallocate_fault, EOPNOTSUPP, FAULT_ALWAYS);
    assert_int_equal(tmpfile_allocate(file, 0, 2 * CHUNK), -EFBIG);
    check_no_signal();
}

static void test_limit_does_not_concern_what_is_below(void **state)
{
    (void)state;
    assert_int_equal(tmpfile_allocate(file, 0, CHUNK), 0);
    assert_int_equal(sigmask_fault.calls, 0);
    set_file_size_limit(4 * KIB);
    assert_int_equal(tmpfile_allocate(file, 0, CHUNK), 0); /* the file does not grow */
    check_no_signal();
}

static void test_limit_keeps_the_signals_of_others(void **state)
{
    sigset_t held;

    (void)state;
    sigemptyset(&held);
    sigaddset(&held, SIGXFSZ);
    assert_int_equal(__real_pthread_sigmask(SIG_BLOCK, &held, NULL), 0);
    raise(SIGXFSZ);
    assert_int_equal(tmpfile_allocate(file, 0, 2 * CHUNK), -EFBIG);
    assert_true(is_blocked(SIGXFSZ));
    assert_int_equal(__real_pthread_sigmask(SIG_UNBLOCK, &held, NULL), 0);
    assert_int_equal(delivered, 1);
}

static void test_limit_without_a_signal_mask(void **state)
{
    (void)state;
    fault_set(&sigmask_fault, EINVAL, 1);
    assert_int_equal(tmpfile_allocate(file, 0, 2 * CHUNK), -EINVAL);
    assert_int_equal(fallocate_fault.calls, 0);
}

static void test_limit_that_cannot_be_asked_for(void **state)
{
    (void)state;
    fault_set(&getrlimit_fault, EFAULT, 1);
    assert_int_equal(tmpfile_allocate(file, 0, 2 * CHUNK), -EFBIG);
    check_no_signal();
}

/* ---- release, map, measure ---- */

static char *reserve(size_t size)
{
    char *addr = __real_mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(addr, MAP_FAILED);
    return addr;
}

static void test_map_and_release(void **state)
{
    static const char zeroes[4096];
    char *addr = reserve(2 * CHUNK);
    char read_back = 0;

    (void)state;
    assert_int_equal(tmpfile_allocate(file, 0, 2 * CHUNK), 0);
    assert_int_equal(tmpfile_map(file, addr, CHUNK, (off_t)CHUNK, false), 0);
    assert_int_equal(tmpfile_map(file, addr + CHUNK, CHUNK, 0, false), 0);
    assert_int_equal(mprotect(addr, 2 * CHUNK, PROT_READ | PROT_WRITE), 0);
    addr[0] = 'b'; /* in the second half of the file */
    addr[CHUNK] = 'a';
    assert_int_equal(pread(file, &read_back, 1, (off_t)CHUNK), 1);
    assert_int_equal(read_back, 'b');

    fault_set(&fallocate_fault, EINTR, STORM);
    assert_int_equal(tmpfile_release(file, (off_t)CHUNK, CHUNK), 0);
    assert_int_equal(fallocate_fault.calls, STORM + 1);
    assert_int_equal(file_size(), 2 * CHUNK);
    assert_in_range(file_space_held(file), 1, CHUNK + CHUNK / 2);
    assert_memory_equal(addr, zeroes, sizeof(zeroes));
    assert_int_equal(addr[CHUNK], 'a');
    assert_int_equal(munmap(addr, 2 * CHUNK), 0);
}

static void test_release_fails(void **state)
{
    static const int errors[] = {EIO, ENODEV};
    static const int unsupported[] = {EOPNOTSUPP, ENOSYS, EPERM};

    (void)state;
    assert_int_equal(tmpfile_allocate(file, 0, CHUNK), 0);
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        fault_set(&fallocate_fault, errors[i], 1);
        assert_int_equal(tmpfile_release(file, 0, CHUNK), -errors[i]);
    }
    for (size_t i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]); i++) {
        fault_set(&fallocate_fault, unsupported[i], 1);
        assert_int_equal(tmpfile_release(file, 0, CHUNK), -EOPNOTSUPP);
    }
    assert_int_equal(tmpfile_release(-1, 0, CHUNK), -EBADF);
    assert_int_equal(tmpfile_release(file, 0, 0), -EINVAL);
    assert_true(file_space_held(file) >= CHUNK);
}

static void test_release_of_what_is_mapped(void **state)
{
    static const int unsupported[] = {EOPNOTSUPP, ENOSYS, EPERM};
    char *addr = reserve(2 * CHUNK);

    (void)state;
    assert_int_equal(tmpfile_allocate(file, 0, 2 * CHUNK), 0);
    assert_int_equal(tmpfile_map(file, addr, 2 * CHUNK, 0, false), 0);
    assert_int_equal(mprotect(addr, 2 * CHUNK, PROT_READ | PROT_WRITE), 0);
    memset(addr, 'a', 2 * CHUNK);
    for (size_t i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]); i++) {
        fault_set(&remove_fault, unsupported[i], 1);
        assert_int_equal(tmpfile_release_mapped(addr, CHUNK), -EOPNOTSUPP);
    }
    fault_set(&remove_fault, EIO, 1);
    assert_int_equal(tmpfile_release_mapped(addr, CHUNK), -EIO);
    assert_int_equal(addr[0], 'a');
    ignores_advice = true;
    assert_int_equal(tmpfile_release_mapped(addr, CHUNK), -EOPNOTSUPP);
    ignores_advice = false;
    errno = 77;
    assert_int_equal(tmpfile_release_mapped(addr, CHUNK), 0);
    assert_int_equal(errno, 77);
    assert_int_equal(addr[0], 0);
    assert_int_equal(addr[CHUNK - 1], 0);
    assert_int_equal(addr[CHUNK], 'a');
    assert_in_range(file_space_held(file), CHUNK, CHUNK + CHUNK / 2);
    assert_int_equal(munmap(addr, 2 * CHUNK), 0);
}

static void test_map_fails(void **state)
{
    char *addr = reserve(CHUNK);

    (void)state;
    fault_set(&mmap_fault, ENOMEM, 1);
    assert_int_equal(tmpfile_map(file, addr, CHUNK, 0, false), -ENOMEM);
    assert_int_equal(tmpfile_map(-1, addr, CHUNK, 0, false), -EBADF);
    assert_int_equal(tmpfile_map(file, addr, CHUNK, 1, false), -EINVAL);
    assert_int_equal(munmap(addr, CHUNK), 0);
}

static void test_blocks_fails(void **state)
{
    size_t bytes = 1;

    (void)state;
    fault_set(&fstat_fault, EIO, 1);
    assert_int_equal(tmpfile_blocks(file, &bytes), -EIO);
    assert_int_equal(tmpfile_blocks(-1, &bytes), -EBADF);
    assert_int_equal(bytes, 1);
}

static void test_size(void **state)
{
    size_t bytes = 1;

    (void)state;
    assert_int_equal(tmpfile_size(file, &bytes), 0);
    assert_int_equal(bytes, 0);
    assert_int_equal(tmpfile_extend(file, 12345), 0);
    assert_int_equal(tmpfile_size(file, &bytes), 0);
    assert_int_equal(bytes, 12345);
    assert_int_equal(tmpfile_size(-1, &bytes), -EBADF);
    assert_int_equal(bytes, 12345);
}

static void test_capacity(void **state)
{
    struct statvfs fs;
    size_t bytes = 0;

    (void)state;
    assert_int_equal(statvfs(dir_path, &fs), 0);
    assert_int_equal(tmpfile_capacity(file, &bytes), 0);
    assert_int_equal(bytes, fs.f_blocks * fs.f_frsize);
}

static void check_capacity(fsblkcnt_t blocks, unsigned long block, int error, size_t expected)
{
    const struct statvfs fs = {.f_blocks = blocks, .f_frsize = block, .f_bsize = 1};
    size_t bytes = 1;

    fake_statvfs = &fs;
    assert_int_equal(tmpfile_capacity(file, &bytes), error);
    assert_int_equal(bytes, expected);
    fake_statvfs = NULL;
}

static void test_capacity_of_odd_file_systems(void **state)
{
    size_t bytes = 1;

    (void)state;
    check_capacity(3, 512, 0, 1536);
    check_capacity(0, 4096, 0, 0);
    check_capacity(SIZE_MAX / 4096, 4096, 0, SIZE_MAX - 4095);
    check_capacity(SIZE_MAX / 4096 + 1, 4096, -EOVERFLOW, 1);
    fault_set(&fstatvfs_fault, EIO, 1);
    assert_int_equal(tmpfile_capacity(file, &bytes), -EIO);
    assert_int_equal(bytes, 1);
}

static void *work_while_being_cancelled(void *argument)
{
    int fd;

    pthread_cancel(pthread_self());
    fd = tmpfile_create(dir);
    *(bool *)argument =
        fd >= 0 && tmpfile_allocate(fd, 0, CHUNK) == 0 && tmpfile_release(fd, 0, CHUNK) == 0;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE,
                           NULL); /* close(2) itself is a cancellation point */
    close(fd);
    return NULL;
}

static void test_no_cancellation_point(void **state)
{
    pthread_t thread;
    bool survived = false;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, work_while_being_cancelled, &survived), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(survived);
}

#define TEST(name)       cmocka_unit_test_setup_teardown(name, setup, teardown)
#define FILE_TEST(name)  cmocka_unit_test_setup_teardown(name, setup_file, teardown_file)
#define LIMIT_TEST(name) cmocka_unit_test_setup_teardown(name, setup_limit, teardown_limit)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_create),
        TEST(test_create_with_any_umask),
        TEST(test_create_without_o_tmpfile),
        TEST(test_create_fails),
        TEST(test_create_interrupted),
        TEST(test_create_tries_other_names),
        TEST(test_create_without_random_numbers),
        TEST(test_create_without_a_signal_mask),
        TEST(test_create_fails_to_unlink),
        TEST(test_create_where_the_descriptor_is_anothers),
        TEST(test_create_where_the_directory_is_gone),
        TEST(test_create_in_memory),
        FILE_TEST(test_allocate),
        FILE_TEST(test_allocate_odd_ranges),
        FILE_TEST(test_allocate_fails_at_once),
        FILE_TEST(test_allocate_fails_in_the_middle),
        FILE_TEST(test_allocate_goes_on_when_interrupted),
        FILE_TEST(test_allocate_odd_sizes_in_pieces),
        FILE_TEST(test_allocate_is_not_starved_by_a_timer),
        FILE_TEST(test_allocate_where_large_pieces_are_refused),
        FILE_TEST(test_allocate_where_small_pieces_are_refused),
        FILE_TEST(test_allocate_without_fallocate),
        FILE_TEST(test_allocate_asks_for_free_space_first),
        FILE_TEST(test_allocate_more_than_the_file_system_has),
        LIMIT_TEST(test_limit_is_an_error_and_no_signal),
        LIMIT_TEST(test_limit_with_the_default_action),
        LIMIT_TEST(test_limit_without_fallocate),
        LIMIT_TEST(test_limit_does_not_concern_what_is_below),
        LIMIT_TEST(test_limit_keeps_the_signals_of_others),
        LIMIT_TEST(test_limit_without_a_signal_mask),
        LIMIT_TEST(test_limit_that_cannot_be_asked_for),
        FILE_TEST(test_map_and_release),
        FILE_TEST(test_release_fails),
        FILE_TEST(test_release_of_what_is_mapped),
        FILE_TEST(test_map_fails),
        FILE_TEST(test_blocks_fails),
        FILE_TEST(test_size),
        FILE_TEST(test_capacity),
        FILE_TEST(test_capacity_of_odd_file_systems),
        TEST(test_no_cancellation_point),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
