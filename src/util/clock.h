/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Monotonic time as of the last tick of the kernel's timer, at most 10 ms ago. Reading it makes no
 * system call where the C library has the kernel's vDSO.
 */
#pragma once

#include <stdint.h>
#include <time.h>

#define CLOCK_NS_PER_MS     1000000
#define CLOCK_NS_PER_SECOND 1000000000

static inline int64_t clock_coarse_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
    return (int64_t)time.tv_sec * CLOCK_NS_PER_SECOND + time.tv_nsec;
}

static inline int64_t clock_coarse_ms(void)
{
    return clock_coarse_ns() / CLOCK_NS_PER_MS;
}

static inline int64_t clock_coarse_seconds(void)
{
    return clock_coarse_ns() / CLOCK_NS_PER_SECOND;
}
