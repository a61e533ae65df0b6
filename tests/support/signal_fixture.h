/* SPDX-License-Identifier: BSD-2-Clause */
/* For tests of signal masks: a mask that cannot be changed, and a handler that counts. */
#pragma once
/* WRAP: pthread_sigmask */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>

static int sigmask_error; /* the result of each call; 0: the real call */
static volatile sig_atomic_t delivered;

int __real_pthread_sigmask(int how, const sigset_t *set, sigset_t *old);
int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *old);

int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    return sigmask_error != 0 ? sigmask_error : __real_pthread_sigmask(how, set, old);
}

static void count_delivery(int number)
{
    (void)number;
    delivered++;
}

/* Begins a test: no call fails, and `delivered` counts the signals of this number. */
static int count_signals(int number)
{
    struct sigaction action = {.sa_handler = count_delivery};

    delivered = 0;
    sigmask_error = 0;
    return sigaction(number, &action, NULL);
}

static bool is_blocked(int number)
{
    sigset_t mask;

    assert_int_equal(__real_pthread_sigmask(SIG_BLOCK, NULL, &mask), 0);
    return sigismember(&mask, number) == 1;
}
