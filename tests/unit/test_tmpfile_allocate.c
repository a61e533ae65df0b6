/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of file space for nameless files, below and above the limit of a file's size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "os/tmpfile.h"
#include "os/tmpfile_internal.h"
#include "support/faults.h"
#include "support/leftovers.h"
#include "support/tmpfile_fixture.h"

/* -- File space -------------------------------------------------------------------------------- */

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

static void test_allocate_queries_free_space_first(void **state)
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

/* -- The limit of a file's size ---------------------------------------------------------------- */

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

static void test_limit_that_cannot_be_queried(void **state)
{
    (void)state;
    fault_set(&getrlimit_fault, EFAULT, 1);
    assert_int_equal(tmpfile_allocate(file, 0, 2 * CHUNK), -EFBIG);
    check_no_signal();
}

#define LIMIT_TEST(name) cmocka_unit_test_setup_teardown(name, setup_limit, teardown_limit)

int main(void)
{
    const struct CMUnitTest tests[] = {
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
        FILE_TEST(test_allocate_queries_free_space_first),
        FILE_TEST(test_allocate_more_than_the_file_system_has),
        LIMIT_TEST(test_limit_is_an_error_and_no_signal),
        LIMIT_TEST(test_limit_with_the_default_action),
        LIMIT_TEST(test_limit_without_fallocate),
        LIMIT_TEST(test_limit_does_not_concern_what_is_below),
        LIMIT_TEST(test_limit_keeps_the_signals_of_others),
        LIMIT_TEST(test_limit_without_a_signal_mask),
        LIMIT_TEST(test_limit_that_cannot_be_queried),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
