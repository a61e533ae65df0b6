/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of nameless files: their creation, size, mapping and release. */
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
#include "support/tmpfile_fixture.h"

/* -- Creation ---------------------------------------------------------------------------------- */

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

/* -- Release, mapping, size -------------------------------------------------------------------- */

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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* -- Writing ----------------------------------------------------------------------------------- */

static void limit_file_size(rlim_t most)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = most;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static int write_text(int fd, off_t offset)
{
    static const char text[3000] = "text";

    return tmpfile_write(fd, text, sizeof(text), offset);
}

static bool has_text(int fd, off_t offset)
{
    char text[5];

    return pread(fd, text, sizeof(text), offset) == sizeof(text) && strcmp(text, "text") == 0;
}

/* The signal that comes with the error would end the process. */
static void test_write_beyond_limit(void **state)
{
    off_t page = (off_t)sysconf(_SC_PAGESIZE);

    (void)state;
    int fd = tmpfile_create(dir);
    assert_true(fd >= 0);
    limit_file_size((rlim_t)page);
    assert_int_equal(write_text(fd, 0), 0);
    assert_int_equal(write_text(fd, page), -EFBIG);
    fault_set(&sigmask_fault, EINVAL, 1);
    assert_int_equal(write_text(fd, page), -EINVAL);
    limit_file_size(RLIM_INFINITY);
    assert_int_equal(write_text(fd, page), 0);
    assert_true(has_text(fd, page));
    close(fd);
}

/* Within the file, the limit does not prevent a write to whole pages. */
static void test_write_beyond_lowered_limit(void **state)
{
    off_t page = (off_t)sysconf(_SC_PAGESIZE);

    (void)state;
    int fd = tmpfile_create(dir);
    assert_true(fd >= 0);
    assert_int_equal(tmpfile_allocate(fd, 0, 4 * (size_t)page), 0);
    limit_file_size((rlim_t)page);
    assert_int_equal(write_text(fd, 2 * page), 0);
    assert_true(has_text(fd, 2 * page));
    fault_set(&mmap_fault, ENOMEM, 1);
    assert_int_equal(write_text(fd, 3 * page), -EFBIG);
    assert_false(has_text(fd, 3 * page));
    limit_file_size(RLIM_INFINITY);
    close(fd);
}

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
        FILE_TEST(test_map_and_release),
        FILE_TEST(test_release_fails),
        FILE_TEST(test_release_of_what_is_mapped),
        FILE_TEST(test_map_fails),
        FILE_TEST(test_blocks_fails),
        FILE_TEST(test_size),
        FILE_TEST(test_capacity),
        FILE_TEST(test_capacity_of_odd_file_systems),
        TEST(test_write_beyond_limit),
        TEST(test_write_beyond_lowered_limit),
        TEST(test_no_cancellation_point),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
