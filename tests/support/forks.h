/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TEST_FORKS, once at the top level of a program that forks: jemalloc takes all of its locks then,
 * more than the thread sanitizer's search for deadlocks can keep in mind.
 */
#pragma once

#define TEST_FORKS                                                                  \
    const char *__tsan_default_options(void);                                       \
    __attribute__((visibility("default"))) const char *__tsan_default_options(void) \
    {                                                                               \
        return "detect_deadlocks=0";                                                \
    }
