/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of signals that are kept out: in a process with one thread, until the last call of several
 * has ended; in one with several threads, no mask changes.
 */
#include "support/signal_fixture.h"

#include <errno.h>
#include <sys/single_threaded.h>

#include "util/signals_off.h"

static int setup(void **state)
{
    (void)state;
    return count_signals(SIGUSR1);
}

/* The thread sanitizer has a thread of its own. */
static void skip_if_not_alone(void)
{
    if (!__libc_single_threaded)
        skip();
}

static void signals_wait_for_the_last_end(void **state)
{
    (void)state;
    skip_if_not_alone();
    signals_off();
    signals_off();
    assert_int_equal(raise(SIGUSR1), 0);
    signals_on();
    assert_int_equal(delivered, 0);
    errno = EDOM;
    signals_on();
    assert_int_equal(delivered, 1);
    assert_int_equal(errno, EDOM);
}

static void own_signals_are_delivered(void **state)
{
    static const int own[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS};

    (void)state;
    skip_if_not_alone();
    signals_off();
    assert_true(is_blocked(SIGALRM));
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        assert_false(is_blocked(own[i]));
    signals_on();
    assert_false(is_blocked(SIGALRM));
}

static void mask_of_the_program_stays(void **state)
{
    sigset_t mask;

    (void)state;
    skip_if_not_alone();
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    assert_int_equal(__real_pthread_sigmask(SIG_BLOCK, &mask, NULL), 0);
    signals_off();
    signals_on();
    assert_true(is_blocked(SIGUSR2));
    sigmask_error = EINVAL;
    signals_off();
    sigmask_error = 0;
    assert_false(is_blocked(SIGALRM));
    signals_on();
    assert_true(is_blocked(SIGUSR2));
    assert_int_equal(__real_pthread_sigmask(SIG_UNBLOCK, &mask, NULL), 0);
}

static void *end(void *argument)
{
    return argument;
}

/* Last: the process has had several threads from here on. */
static void several_threads_keep_their_masks(void **state)
{
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, end, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    if (__libc_single_threaded)
        skip();
    signals_off();
    assert_false(is_blocked(SIGALRM));
    signals_on();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(signals_wait_for_the_last_end, setup),
        cmocka_unit_test_setup(own_signals_are_delivered, setup),
        cmocka_unit_test_setup(mask_of_the_program_stays, setup),
        cmocka_unit_test_setup(several_threads_keep_their_masks, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
