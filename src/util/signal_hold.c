/* SPDX-License-Identifier: BSD-2-Clause */
/* Keeps a signal that accompanies a system call's error from reaching the program. */
#include "util/signal_hold.h"

#include <errno.h>
#include <stddef.h>
#include <time.h>

static void signal_hold_set(sigset_t *set, int number)
{
    sigemptyset(set);
    sigaddset(set, number);
}

int signal_hold_begin(struct signal_hold *hold, int number)
{
    sigset_t held;
    sigset_t pending;
    int error;

    signal_hold_set(&held, number);
    error = pthread_sigmask(SIG_BLOCK, &held, &hold->mask);
    if (error != 0)
        return -error;
    sigemptyset(&pending);
    sigpending(&pending);
    hold->number = number;
    hold->was_pending = sigismember(&pending, number) == 1;
    return 0;
}

static void signal_hold_take(int number)
{
    static const struct timespec no_time;
    sigset_t held;

    signal_hold_set(&held, number);
    while (sigtimedwait(&held, NULL, &no_time) < 0 && errno == EINTR)
        ;
}

void signal_hold_end(const struct signal_hold *hold, bool raised)
{
    int saved_errno = errno;

    if (raised && !hold->was_pending)
        signal_hold_take(hold->number);
    pthread_sigmask(SIG_SETMASK, &hold->mask, NULL);
    errno = saved_errno;
}
