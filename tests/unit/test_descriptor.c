/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of kept descriptors: their numbers, and whether a number still refers to the same file. */
/* WRAP: fcntl fstat getrlimit open */
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
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/descriptor.h"
#include "support/faults.h"
#include "support/leftovers.h"

#define SMALL 20 /* a limit of descriptors */
#define MANY  256
#define PAGE  ((size_t)4096)

static struct leftovers before;
static struct fault fcntl_fault;
static struct fault fstat_fault;
static struct fault open_fault;
static struct fault getrlimit_fault;
static rlim_t fake_limit; /* 0: the real one */

int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);
int __real_fstat(int fd, struct stat *status);
int __wrap_fstat(int fd, struct stat *status);
int __real_getrlimit(int resource, struct rlimit *limit);
int __wrap_getrlimit(int resource, struct rlimit *limit);
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);

int __wrap_fcntl(int fd, int command, ...)
{
    va_list arguments;

    if (fault_hits(&fcntl_fault))
        return -1;
    va_start(arguments, command);
    int argument = va_arg(arguments, int);
    va_end(arguments);
    return __real_fcntl(fd, command, argument);
}

int __wrap_fstat(int fd, struct stat *status)
{
    return fault_hits(&fstat_fault) ? -1 : __real_fstat(fd, status);
}

int __wrap_getrlimit(int resource, struct rlimit *limit)
{
    if (fault_hits(&getrlimit_fault))
        return -1;
    int result = __real_getrlimit(resource, limit);
    if (fake_limit != 0)
        limit->rlim_cur = fake_limit;
    return result;
}

int __wrap_open(const char *path, int flags, ...)
{
    return fault_hits(&open_fault) ? -1 : __real_open(path, flags);
}

static int setup(void **state)
{
    (void)state;
    fcntl_fault = fstat_fault = open_fault = getrlimit_fault = (struct fault){0};
    fake_limit = 0;
    leftovers_take(&before, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    leftovers_check(&before);
    return 0;
}

/* Opens a new file, with the lowest number. */
static int new_file(void)
{
    int fd = memfd_create("file", MFD_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

static bool is_open(int fd)
{
    return __real_fcntl(fd, F_GETFD) >= 0;
}

/* -- Numbers ----------------------------------------------------------------------------------- */

static void raised_number_is_high(void **state)
{
    struct descriptor_file file;
    int fd = new_file();

    (void)state;
    assert_int_equal(descriptor_identify(fd, &file), 0);
    int raised = descriptor_raise(fd);
    assert_in_range(raised, DESCRIPTOR_CEILING / 2, DESCRIPTOR_CEILING - 1);
    assert_false(is_open(fd));
    assert_true(descriptor_is(raised, &file));
    assert_int_equal(__real_fcntl(raised, F_GETFD), FD_CLOEXEC);
    /* A high number is kept. */
    assert_int_equal(descriptor_raise(raised), raised);
    close(raised);
}

static void raise_with_limit(rlim_t limit, int least, int most)
{
    fake_limit = limit;
    int raised = descriptor_raise(new_file());
    assert_in_range(raised, least, most);
    close(raised);
}

/*
 * The kernel's table is as long as the highest number, so numbers stay below a ceiling even without
 * a limit.
 */
static void number_is_below_the_limit_and_the_ceiling(void **state)
{
    struct rlimit limit;

    (void)state;
    raise_with_limit(1000000000, DESCRIPTOR_CEILING / 2, DESCRIPTOR_CEILING - 1);
    raise_with_limit(RLIM_INFINITY, DESCRIPTOR_CEILING / 2, DESCRIPTOR_CEILING - 1);
    fault_set(&getrlimit_fault, EPERM, 1);
    raise_with_limit(RLIM_INFINITY, DESCRIPTOR_CEILING / 2, DESCRIPTOR_CEILING - 1);
    assert_int_equal(__real_getrlimit(RLIMIT_NOFILE, &limit), 0);
    struct rlimit small = {.rlim_cur = SMALL, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
    raise_with_limit(0, SMALL / 2, SMALL - 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* More descriptors than there are numbers in the highest sixteenth. */
static void many_find_their_numbers(void **state)
{
    int raised[MANY];

    (void)state;
    for (int i = 0; i < MANY; i++) {
        raised[i] = descriptor_raise(new_file());
        assert_in_range(raised[i], DESCRIPTOR_CEILING / 2, DESCRIPTOR_CEILING + MANY);
    }
    for (int i = 0; i < MANY; i++)
        close(raised[i]);
}

static void number_stays_where_no_other_is_free(void **state)
{
    int fd = new_file();

    (void)state;
    fault_set(&fcntl_fault, EMFILE, FAULT_ALWAYS);
    errno = ENOENT;
    assert_int_equal(descriptor_raise(fd), fd);
    assert_int_equal(errno, ENOENT);
    close(fd);
}

/* Otherwise a program that opens a closed standard stream would get the library's file. */
static void number_is_never_that_of_a_stream(void **state)
{
    int saved = __real_fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

    (void)state;
    close(STDIN_FILENO);
    int raised = descriptor_raise(new_file());
    assert_true(raised > STDERR_FILENO);
    close(raised);
    assert_false(is_open(STDIN_FILENO));
    /* The last attempt takes any number that is not a standard stream's. */
    fcntl_fault = (struct fault){.error = EMFILE, .times = 4};
    raised = descriptor_raise(new_file());
    assert_true(raised > STDERR_FILENO);
    close(raised);
    assert_false(is_open(STDIN_FILENO));
    fault_set(&fcntl_fault, EMFILE, FAULT_ALWAYS);
    assert_int_equal(descriptor_raise(new_file()), -EMFILE);
    assert_false(is_open(STDIN_FILENO));
    if (saved >= 0) {
        assert_int_equal(dup2(saved, STDIN_FILENO), STDIN_FILENO);
        close(saved);
    }
}

/* -- Files ------------------------------------------------------------------------------------- */

static void number_of_another_file_is_not_ours(void **state)
{
    struct descriptor_file file = {0};
    int fd = new_file();

    (void)state;
    errno = ENOENT;
    assert_int_equal(descriptor_identify(fd, &file), 0);
    assert_true(descriptor_is(fd, &file));
    assert_false(descriptor_is(-1, &file));
    int other = new_file();
    assert_int_equal(dup2(other, fd), fd);
    assert_false(descriptor_is(fd, &file));
    descriptor_close(fd, &file);
    assert_true(is_open(fd));
    close(fd);
    assert_false(descriptor_is(fd, &file));
    descriptor_close(fd, &file);
    assert_int_equal(descriptor_identify(fd, &file), -EBADF);
    assert_int_equal(errno, ENOENT);
    close(other);
}

static void own_file_is_closed(void **state)
{
    struct descriptor_file file;
    int fd = new_file();

    (void)state;
    assert_int_equal(descriptor_identify(fd, &file), 0);
    descriptor_close(fd, &file);
    assert_false(is_open(fd));
}

/*
 * A filter may refuse fstat(2), once or always. The file must then be neither given up nor left
 * open.
 */
static void file_that_tells_nothing_is_ours(void **state)
{
    struct descriptor_file file;
    int fd = new_file();

    (void)state;
    assert_int_equal(descriptor_identify(fd, &file), 0);
    fault_set(&fstat_fault, EIO, FAULT_ALWAYS);
    assert_int_equal(descriptor_identify(fd, &file), -EIO);
    assert_true(descriptor_is(fd, &file));
    descriptor_close(fd, &file);
    assert_false(is_open(fd));
}

static void file_is_opened_again_through_its_mapping(void **state)
{
    struct descriptor_file file;
    struct descriptor_file other;
    int fd = new_file();
    int other_fd = new_file();

    (void)state;
    assert_int_equal(descriptor_identify(fd, &file), 0);
    assert_int_equal(descriptor_identify(other_fd, &other), 0);
    void *page = mmap(NULL, PAGE, PROT_NONE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(page, MAP_FAILED);
    close(fd);
    close(other_fd);
    errno = ENOENT;
    fault_set(&open_fault, EPERM, 1);
    assert_int_equal(descriptor_open_mapped(page, PAGE, &file), -EPERM);
    fd = descriptor_open_mapped(page, PAGE, &file);
    assert_int_equal(errno, ENOENT);
    if (fd == -EPERM || fd == -ENOENT) {
        munmap(page, PAGE);
        skip();
    }
    assert_in_range(fd, DESCRIPTOR_CEILING / 2, DESCRIPTOR_CEILING - 1);
    assert_true(descriptor_is(fd, &file));
    assert_int_equal(ftruncate(fd, (off_t)PAGE), 0);
    close(fd);
    /* The program may have mapped another file there. */
    assert_int_equal(descriptor_open_mapped(page, PAGE, &other), -ENOENT);
    fault_set(&fstat_fault, EIO, 1);
    assert_int_equal(descriptor_open_mapped(page, PAGE, &file), -ENOENT);
    munmap(page, PAGE);
    assert_int_equal(descriptor_open_mapped(page, PAGE, &file), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(raised_number_is_high),
        TEST(number_is_below_the_limit_and_the_ceiling),
        TEST(many_find_their_numbers),
        TEST(number_stays_where_no_other_is_free),
        TEST(number_is_never_that_of_a_stream),
        TEST(number_of_another_file_is_not_ours),
        TEST(own_file_is_closed),
        TEST(file_that_tells_nothing_is_ours),
        TEST(file_is_opened_again_through_its_mapping),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
