/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of ranges of DAX devices: who owns them, and when they are free again. The device is a
 * file.
 */
/* WRAP: fcntl open */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/dax_device.h"
#include "os/dax_range.h"
#include "support/faults.h"
#include "support/leftovers.h"

#define MIB   ((size_t)1 << 20)
#define UNIT  (2 * MIB)
#define UNITS 8

static const struct dax_device device = {.name = "dax0.0", .size = UNITS * UNIT, .alignment = UNIT};
static char path[TEST_DIR_PATH_SIZE];
static struct leftovers before;
static struct fault fcntl_fault; /* of taking a lock */
static struct fault raise_fault; /* of moving a descriptor to a high number */
static struct fault open_fault;

int __real_open(const char *name, int flags, ...);
int __wrap_open(const char *name, int flags, ...);
int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);

int __wrap_open(const char *name, int flags, ...)
{
    va_list arguments;

    if (strcmp(name, path) == 0 && fault_hits(&open_fault))
        return -1;
    va_start(arguments, flags);
    int mode = va_arg(arguments, int);
    va_end(arguments);
    return __real_open(name, flags, mode);
}

int __wrap_fcntl(int fd, int command, ...)
{
    va_list arguments;

    if (fault_hits(command == F_DUPFD_CLOEXEC ? &raise_fault : &fcntl_fault))
        return -1;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    return __real_fcntl(fd, command, argument);
}

static int setup(void **state)
{
    (void)state;
    fcntl_fault = raise_fault = open_fault = (struct fault){0};
    snprintf(path, sizeof(path), "%s/range-XXXXXX", test_dir());
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)device.size), 0);
    close(fd);
    leftovers_take(&before, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    leftovers_check(&before);
    return unlink(path);
}

/* Takes `units` units, which must begin at unit `at`; -1: none may be free. */
static int take(size_t units, int at)
{
    struct dax_range range = {.fd = -1, .offset = -1};
    int error = dax_range_take(path, &device, units * UNIT, &range);

    assert_int_equal(error, at < 0 ? -EBUSY : 0);
    assert_int_equal(range.offset, at < 0 ? -1 : at * (off_t)UNIT);
    if (at >= 0)
        assert_int_equal(__real_fcntl(range.fd, F_GETFD), FD_CLOEXEC);
    return range.fd;
}

static void test_first_that_fits(void **state)
{
    int fds[UNITS];

    (void)state;
    fds[0] = take(2, 0);
    fds[1] = take(1, 2);
    fds[2] = take(3, 3);
    take(3, -1);
    fds[3] = take(2, 6);
    take(1, -1);
    close(fds[1]);
    take(2, -1);
    fds[1] = take(1, 2);
    close(fds[0]);
    close(fds[1]);
    fds[0] = take(3, 0);
    close(fds[0]);
    close(fds[2]);
    close(fds[3]);
    close(take(UNITS, 0));
    take(UNITS + 1, -1);
}

static void test_gap_is_found_whatever_lies_behind(void **state)
{
    int fds[UNITS];

    (void)state;
    for (int i = 0; i < UNITS; i++)
        fds[i] = take(1, i);
    close(fds[6]);
    close(fds[3]);
    close(fds[4]);
    fds[3] = take(2, 3);
    fds[6] = take(1, 6);
    fds[4] = -1;
    for (int i = 0; i < UNITS; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* Other processes may lock anything: part of a unit, or everything to come. */
static void test_locks_of_others(void **state)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = UNIT + 1, .l_len = 1};
    int fd = open(path, O_RDWR | O_CLOEXEC, 0);

    (void)state;
    assert_int_equal(__real_fcntl(fd, F_OFD_SETLK, &lock), 0);
    close(take(1, 0));
    close(take(2, 2));
    lock.l_len = 0;
    assert_int_equal(__real_fcntl(fd, F_OFD_SETLK, &lock), 0);
    close(take(1, 0));
    take(2, -1);
    close(fd);
}

static void test_mapping_holds_the_range(void **state)
{
    (void)state;
    int fd = take(UNITS, 0);
    void *mapped = mmap(NULL, UNIT, PROT_READ, MAP_SHARED, fd, 0);

    assert_ptr_not_equal(mapped, MAP_FAILED);
    close(fd);
    take(1, -1);
    assert_int_equal(munmap(mapped, UNIT), 0);
    close(take(UNITS, 0));
}

/*
 * The child of test_fork(): takes the second half, notifies the parent, and lives until the parent
 * lets it end.
 */
static int live_as_child(int to_parent, int from_parent)
{
    struct dax_range other;
    char word;

    if (dax_range_take(path, &device, 4 * UNIT, &other) != 0 || other.offset != 4 * (off_t)UNIT)
        return 1;
    return write(to_parent, "", 1) == 1 && read(from_parent, &word, 1) == 0 ? 0 : 2;
}

/* The range belongs to both processes until the last of them has ended. */
static void test_fork(void **state)
{
    int to_parent[2];
    int to_child[2];
    char word;
    int status = -1;

    (void)state;
    int fd = take(4, 0);
    assert_int_equal(pipe(to_parent), 0);
    assert_int_equal(pipe(to_child), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(to_child[1]);
        _exit(live_as_child(to_parent[1], to_child[0]));
    }
    close(to_parent[1]);
    close(to_child[0]);
    close(fd);
    assert_int_equal(read(to_parent[0], &word, 1), 1);
    take(1, -1);
    close(to_child[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(to_parent[0]);
    close(take(UNITS, 0));
}

static void test_descriptor_is_out_of_the_way(void **state)
{
    struct dax_range range;

    (void)state;
    assert_int_equal(dax_range_take(path, &device, UNIT, &range), 0);
    assert_true(range.fd > 2 * STDERR_FILENO + 1);
    assert_true(descriptor_is(range.fd, &range.file));
    close(range.fd);
    /* If no high number is free, the descriptor keeps its number. */
    fault_set(&raise_fault, EMFILE, FAULT_ALWAYS);
    assert_int_equal(dax_range_take(path, &device, UNIT, &range), 0);
    assert_true(descriptor_is(range.fd, &range.file));
    close(range.fd);
}

static void check_fails(int error)
{
    struct dax_range range = {.fd = -5, .offset = -5};

    assert_int_equal(dax_range_take(path, &device, UNIT, &range), error);
    assert_int_equal(range.fd, -5);
    assert_int_equal(range.offset, -5);
}

static void test_failing_calls(void **state)
{
    (void)state;
    fault_set(&open_fault, EACCES, 1);
    check_fails(-EACCES);
    fault_set(&open_fault, ENXIO, 1);
    check_fails(-ENXIO);
    fault_set(&fcntl_fault, ENOLCK, 1);
    check_fails(-ENOLCK);
    int fd = take(1, 0);
    /* The query for the conflicting lock fails. */
    fcntl_fault = (struct fault){.error = EINVAL, .skip = 1, .times = 1};
    check_fails(-EINVAL);
    close(fd);
    /* A call that a signal interrupts is repeated. A holder that has ended is skipped. */
    fault_set(&open_fault, EINTR, 1);
    close(take(1, 0));
    fault_set(&fcntl_fault, EAGAIN, 1);
    close(take(1, 0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_first_that_fits),
        TEST(test_gap_is_found_whatever_lies_behind),
        TEST(test_locks_of_others),
        TEST(test_mapping_holds_the_range),
        TEST(test_fork),
        TEST(test_descriptor_is_out_of_the_way),
        TEST(test_failing_calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
