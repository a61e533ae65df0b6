/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Monotonic time. "coarse": of the kernel's last timer tick, at most 10 ms ago. No system call if
 * libc uses the kernel's vDSO.
 */
#pragma once

#include <stdint.h>
#include <time.h>

#define CLOCK_NS_PER_MS     1000000
#define CLOCK_MS_PER_SECOND 1000
#define CLOCK_NS_PER_SECOND 1000000000

static inline struct timespec clock_coarse(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
    return time;
}

static inline int64_t clock_coarse_seconds(void)
{
    return clock_coarse().tv_sec;
}

static inline int64_t clock_coarse_ms(void)
{
    struct timespec time = clock_coarse();

    return (int64_t)time.tv_sec * CLOCK_MS_PER_SECOND + time.tv_nsec / CLOCK_NS_PER_MS;
}

static inline int64_t clock_ns_of(struct timespec time)
{
    return (int64_t)time.tv_sec * CLOCK_NS_PER_SECOND + time.tv_nsec;
}

static inline int64_t clock_coarse_ns(void)
{
    return clock_ns_of(clock_coarse());
}

static inline int64_t clock_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return clock_ns_of(time);
}
