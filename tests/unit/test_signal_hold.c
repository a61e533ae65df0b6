/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of held signals: the signal that the call raised is consumed, an earlier one stays pending.
 */
/* WRAP: sigtimedwait */
#include "support/signal_fixture.h"

#include <errno.h>
#include <time.h>

#include "util/signal_hold.h"

#define INTERRUPTIONS 3

static unsigned interruptions;

int __real_sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout);
int __wrap_sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout);

int __wrap_sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
    if (interruptions > 0) {
        interruptions--;
        errno = EINTR;
        return -1;
    }
    return __real_sigtimedwait(set, info, timeout);
}

static int setup(void **state)
{
    (void)state;
    interruptions = 0;
    return count_signals(SIGXFSZ);
}

static void test_a_raised_signal_is_taken(void **state)
{
    struct signal_hold hold;

    (void)state;
    interruptions = INTERRUPTIONS;
    assert_int_equal(signal_hold_begin(&hold, SIGXFSZ), 0);
    assert_true(is_blocked(SIGXFSZ));
    assert_false(is_blocked(SIGPIPE));
    raise(SIGXFSZ);
    errno = EXDEV;
    signal_hold_end(&hold, true);
    assert_int_equal(errno, EXDEV);
    assert_int_equal(interruptions, 0);
    assert_int_equal(delivered, 0);
    assert_false(is_blocked(SIGXFSZ));
}

static void test_a_signal_of_somebody_else_is_delivered(void **state)
{
    struct signal_hold hold;

    (void)state;
    assert_int_equal(signal_hold_begin(&hold, SIGXFSZ), 0);
    raise(SIGXFSZ);
    signal_hold_end(&hold, false);
    assert_int_equal(delivered, 1);
}

static void test_none_raised(void **state)
{
    struct signal_hold hold;

    (void)state;
    assert_int_equal(signal_hold_begin(&hold, SIGXFSZ), 0);
    signal_hold_end(&hold, true);
    assert_int_equal(delivered, 0);
    assert_false(is_blocked(SIGXFSZ));
}

static void test_a_signal_that_was_pending_stays(void **state)
{
    struct signal_hold outer;
    struct signal_hold hold;

    (void)state;
    assert_int_equal(signal_hold_begin(&outer, SIGXFSZ), 0);
    raise(SIGXFSZ);
    assert_int_equal(signal_hold_begin(&hold, SIGXFSZ), 0);
    signal_hold_end(&hold, true);
    assert_true(is_blocked(SIGXFSZ));
    assert_int_equal(delivered, 0);
    signal_hold_end(&outer, false);
    assert_int_equal(delivered, 1);
}

static void test_a_mask_that_cannot_be_set(void **state)
{
    struct signal_hold hold;

    (void)state;
    sigmask_error = EINVAL;
    assert_int_equal(signal_hold_begin(&hold, SIGXFSZ), -EINVAL);
    assert_false(is_blocked(SIGXFSZ));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_raised_signal_is_taken, setup),
        cmocka_unit_test_setup(test_a_signal_of_somebody_else_is_delivered, setup),
        cmocka_unit_test_setup(test_none_raised, setup),
        cmocka_unit_test_setup(test_a_signal_that_was_pending_stays, setup),
        cmocka_unit_test_setup(test_a_mask_that_cannot_be_set, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
