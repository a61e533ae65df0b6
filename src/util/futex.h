/* SPDX-License-Identifier: BSD-2-Clause */
/* futex(2) on words that no other process uses. All functions keep errno. */
#pragma once

#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Returns 0 or -errno. */
static inline int futex_call(atomic_uint *word, int operation, unsigned value,
                             const struct timespec *until)
{
    int saved_errno = errno;
    long result = syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, until, NULL,
                          FUTEX_BITSET_MATCH_ANY);
    int err = result < 0 ? -errno : 0;

    errno = saved_errno;
    return err;
}

/* Waits while the word has the value; may return before. */
static inline void futex_wait(atomic_uint *word, unsigned value)
{
    (void)futex_call(word, FUTEX_WAIT, value, NULL);
}

/* The same until the time of CLOCK_REALTIME: then -ETIMEDOUT. */
static inline int futex_wait_until(atomic_uint *word, unsigned value, const struct timespec *until)
{
    return futex_call(word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, value, until);
}

/* Wakes one thread that waits. */
static inline void futex_wake(atomic_uint *word)
{
    (void)futex_call(word, FUTEX_WAKE, 1, NULL);
}
