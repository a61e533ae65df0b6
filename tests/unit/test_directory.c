/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of directories: one descriptor for all users of a directory, and none after the last. */
/* WRAP: fstat malloc statx */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/directory.h"
#include "support/faults.h"
#include "support/leftovers.h"

#define THREADS    4
#define ROUNDS     500
#define PATH_SIZE  (TEST_DIR_PATH_SIZE + 32)
#define REFERENCES 512

static struct leftovers before;
static char dir_path[TEST_DIR_PATH_SIZE];
static struct fault fstat_fault;
static struct fault malloc_fault;
static struct fault statx_fault;
static _Atomic(uint64_t) fake_mount; /* added to the id of the mount */

int __real_fstat(int fd, struct stat *status);
int __wrap_fstat(int fd, struct stat *status);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
int __real_statx(int fd, const char *path, int flags, unsigned mask, struct statx *status);
int __wrap_statx(int fd, const char *path, int flags, unsigned mask, struct statx *status);

int __wrap_fstat(int fd, struct stat *status)
{
    return fstat_fault.times > 0 && fault_hits(&fstat_fault) ? -1 : __real_fstat(fd, status);
}

void *__wrap_malloc(size_t size)
{
    return malloc_fault.times > 0 && fault_hits(&malloc_fault) ? NULL : __real_malloc(size);
}

int __wrap_statx(int fd, const char *path, int flags, unsigned mask, struct statx *status)
{
    int result;

    if (statx_fault.times > 0 && fault_hits(&statx_fault))
        return -1;
    result = __real_statx(fd, path, flags, mask, status);
    status->stx_mnt_id += fake_mount;
    return result;
}

static int setup(void **state)
{
    (void)state;
    fstat_fault = malloc_fault = statx_fault = (struct fault){0};
    fake_mount = 0;
    test_dir_make(dir_path);
    leftovers_take(&before, dir_path);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fstat_fault = malloc_fault = statx_fault = (struct fault){0};
    leftovers_check(&before);
    test_dir_remove(dir_path);
    return 0;
}

static struct directory *open_path(const char *path)
{
    struct directory *dir = NULL;

    assert_int_equal(directory_open(path, &dir), 0);
    assert_non_null(dir);
    return dir;
}

static void check_refused(const char *path, int error)
{
    struct directory *dir = NULL;

    assert_int_equal(directory_open(path, &dir), error);
    assert_null(dir);
    leftovers_check(&before);
}

static void test_open(void **state)
{
    char path[PATH_SIZE];
    struct directory *dir;
    struct stat status;
    int flags;

    (void)state;
    snprintf(path, sizeof(path), "%s", dir_path);
    dir = open_path(path);
    memset(path, 'x', strlen(path)); /* the path is copied */
    assert_string_equal(directory_path(dir), dir_path);
    assert_int_equal(fcntl(directory_take_fd(dir), F_GETFD), FD_CLOEXEC);
    flags = fcntl(directory_take_fd(dir), F_GETFL);
    assert_true((flags & (O_PATH | O_DIRECTORY)) == (O_PATH | O_DIRECTORY));
    assert_int_equal(stat(dir_path, &status), 0);
    directory_close(dir);
}

static void test_one_descriptor_for_all(void **state)
{
    char other_way[PATH_SIZE];
    struct directory *first = open_path(dir_path);
    struct directory *second;
    int fd = directory_take_fd(first);

    (void)state;
    snprintf(other_way, sizeof(other_way), "%s/./", dir_path);
    second = open_path(other_way);
    assert_ptr_equal(second, first);
    assert_ptr_equal(directory_ref(second), first);
    directory_close(first);
    directory_close(first);
    assert_int_equal(directory_take_fd(second), fd);
    assert_int_not_equal(fcntl(fd, F_GETFD), -1);
    assert_string_equal(directory_path(second), dir_path);
    directory_close(second);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void test_as_many_references_as_kinds(void **state)
{
    struct rlimit few = {0};
    struct rlimit old;
    struct directory *dir = open_path(dir_path);

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    few = old;
    few.rlim_cur = (rlim_t)directory_take_fd(dir) + 2; /* open() needs a number */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (int i = 1; i < REFERENCES; i++)
        assert_ptr_equal(open_path(dir_path), dir);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    for (int i = 0; i < REFERENCES; i++)
        directory_close(dir);
}

static void test_directories_are_told_apart(void **state)
{
    char path[PATH_SIZE];
    struct directory *outer = open_path(dir_path);
    struct directory *inner;
    struct directory *third = open_path("/");

    (void)state;
    snprintf(path, sizeof(path), "%s/inner", dir_path);
    assert_int_equal(mkdir(path, 0700), 0);
    inner = open_path(path);
    assert_ptr_not_equal(inner, outer);
    assert_ptr_not_equal(third, outer);
    assert_int_not_equal(directory_take_fd(inner), directory_take_fd(outer));
    directory_close(outer); /* neither the first nor the last of the list */
    assert_ptr_equal(open_path(path), inner);
    assert_ptr_equal(open_path("/"), third);
    directory_close(inner);
    directory_close(inner);
    directory_close(third);
    directory_close(third);
    assert_int_equal(rmdir(path), 0);
}

static void test_mounts_are_told_apart(void **state)
{
    struct directory *first = open_path(dir_path);
    struct directory *second;

    (void)state;
    fake_mount = 1;
    second = open_path(dir_path);
    assert_ptr_not_equal(first, second);
    directory_close(first);
    directory_close(second);
}

static void test_without_numbers_of_mounts(void **state)
{
    struct directory *dir;

    (void)state;
    fault_set(&statx_fault, EPERM, FAULT_ALWAYS);
    dir = open_path(dir_path);
    assert_ptr_equal(open_path(dir_path), dir);
    directory_close(dir);
    directory_close(dir);
}

static void test_paths_that_are_no_directory(void **state)
{
    char path[PATH_SIZE];
    char long_path[PATH_MAX + 1];
    int fd;

    (void)state;
    check_refused(NULL, -EINVAL);
    check_refused("", -ENOENT);
    snprintf(path, sizeof(path), "%s/missing", dir_path);
    check_refused(path, -ENOENT);
    memset(long_path, '/', PATH_MAX);
    long_path[PATH_MAX] = '\0';
    check_refused(long_path, -ENAMETOOLONG);

    snprintf(path, sizeof(path), "%s/file", dir_path);
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_not_equal(fd, -1);
    close(fd);
    leftovers_take(&before, dir_path);
    check_refused(path, -ENOTDIR);
    assert_int_equal(unlink(path), 0);
    leftovers_take(&before, dir_path);
}

static void test_no_descriptor(void **state)
{
    struct rlimit none;
    struct rlimit old;
    struct directory *dir = NULL;
    int error;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = old;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    error = directory_open(dir_path, &dir);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(error, -EMFILE);
    assert_null(dir);
}

static void test_failures_leave_nothing(void **state)
{
    (void)state;
    fault_set(&fstat_fault, EIO, 1);
    check_refused(dir_path, -EIO);
    fault_set(&malloc_fault, ENOMEM, 1);
    check_refused(dir_path, -ENOMEM);
    directory_close(open_path(dir_path));
}

static void test_close_keeps_errno(void **state)
{
    (void)state;
    errno = EXDEV;
    directory_close(NULL);
    directory_close(open_path(dir_path));
    assert_int_equal(errno, EXDEV);
}

/* -- Descriptors that the program has closed --------------------------------------------------- */

static bool is_dir_path(int fd)
{
    struct stat wanted;
    struct stat status;

    assert_int_equal(stat(dir_path, &wanted), 0);
    assert_int_equal(fstat(fd, &status), 0);
    return status.st_dev == wanted.st_dev && status.st_ino == wanted.st_ino;
}

/* Replaces the directory's descriptor by a file of the program. Returns the number. */
static int take_number_of(const struct directory *dir, const char *path, int flags)
{
    int number = directory_take_fd(dir);
    int fd = open(path, flags | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(dup3(fd, number, O_CLOEXEC), number);
    close(fd);
    return number;
}

/* The file that has the number now is neither used nor closed. */
static void test_number_is_anothers(void **state)
{
    const struct {
        const char *path;
        int flags;
    } others[] = {{"/", O_RDONLY}, {"/", O_PATH}, {"/dev/null", O_RDWR}, {dir_path, O_RDONLY}};

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct directory *dir = open_path(dir_path);
        int number = take_number_of(dir, others[i].path, others[i].flags);

        for (int round = 0; round < 3; round++) {
            int fd = directory_take_fd(dir);

            assert_int_not_equal(fd, number);
            assert_true(is_dir_path(fd));
            assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
            directory_put_fd(dir, fd);
            assert_int_equal(fcntl(fd, F_GETFD), -1);
        }
        directory_close(dir);
        assert_int_equal(fcntl(number, F_GETFD), FD_CLOEXEC);
        close(number);
    }
}

static void test_number_is_nobodys(void **state)
{
    struct directory *dir = open_path(dir_path);
    int number = directory_take_fd(dir);

    (void)state;
    close(number);
    directory_close(dir);
    dir = open_path(dir_path);
    number = directory_take_fd(dir);
    close(number);
    for (int round = 0; round < 3; round++) {
        int fd = directory_take_fd(dir);

        assert_true(is_dir_path(fd));
        directory_put_fd(dir, fd);
    }
    directory_close(dir);
}

/* The path leads to another directory, or to none. */
static void test_number_and_path_are_anothers(void **state)
{
    char path[PATH_SIZE];
    char moved[PATH_SIZE];

    (void)state;
    snprintf(path, sizeof(path), "%s/inner", dir_path);
    snprintf(moved, sizeof(moved), "%s/moved", dir_path);
    assert_int_equal(mkdir(path, 0700), 0);
    struct directory *dir = open_path(path);
    int number = take_number_of(dir, "/", O_RDONLY);
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(directory_take_fd(dir), -ENOENT);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(directory_take_fd(dir), -ENOENT);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rename(moved, path), 0);
    int fd = directory_take_fd(dir);
    assert_true(fd >= 0);
    directory_put_fd(dir, fd);
    fault_set(&fstat_fault, EIO, 1);
    assert_int_equal(directory_take_fd(dir), -EIO);
    directory_close(dir);
    close(number);
    assert_int_equal(rmdir(path), 0);
}

/* The file system does not identify the directory: it is shared with no other user. */
static void test_closes_what_it_cannot_look_at(void **state)
{
    struct directory *dir = open_path(dir_path);
    int number = directory_take_fd(dir);

    (void)state;
    fault_set(&fstat_fault, ESTALE, FAULT_ALWAYS);
    assert_int_equal(directory_take_fd(dir), number);
    directory_close(dir);
    assert_int_equal(fcntl(number, F_GETFD), -1);
}

static void *open_and_close(void *argument)
{
    atomic_uint *failures = argument;

    for (int i = 0; i < ROUNDS; i++) {
        struct directory *dir;
        struct stat status;

        if (directory_open(dir_path, &dir) != 0) {
            atomic_fetch_add(failures, 1);
            continue;
        }
        directory_close(directory_ref(dir));
        if (fstatat(directory_take_fd(dir), "", &status, AT_EMPTY_PATH) != 0)
            atomic_fetch_add(failures, 1);
        directory_close(dir);
    }
    return NULL;
}

static void test_threads(void **state)
{
    pthread_t threads[THREADS];
    atomic_uint failures = 0;

    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_and_close, &failures), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(failures, 0);
}

static void *open_while_being_cancelled(void *argument)
{
    struct directory *dir;

    pthread_cancel(pthread_self());
    if (directory_open(dir_path, &dir) == 0) {
        directory_close(dir);
        *(bool *)argument = true;
    }
    return NULL;
}

static void test_no_cancellation_point(void **state)
{
    pthread_t thread;
    bool survived = false;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, open_while_being_cancelled, &survived), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(survived);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_open),
        TEST(test_one_descriptor_for_all),
        TEST(test_as_many_references_as_kinds),
        TEST(test_directories_are_told_apart),
        TEST(test_mounts_are_told_apart),
        TEST(test_without_numbers_of_mounts),
        TEST(test_paths_that_are_no_directory),
        TEST(test_no_descriptor),
        TEST(test_failures_leave_nothing),
        TEST(test_close_keeps_errno),
        TEST(test_number_is_anothers),
        TEST(test_number_is_nobodys),
        TEST(test_number_and_path_are_anothers),
        TEST(test_closes_what_it_cannot_look_at),
        TEST(test_threads),
        TEST(test_no_cancellation_point),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
