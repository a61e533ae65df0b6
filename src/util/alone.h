/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether the process has one thread. */
#pragma once

#include <stdbool.h>

#if defined(__has_include)
#    if __has_include(<sys/single_threaded.h>)
#        include <sys/single_threaded.h>
#        define ALONE_IS_KNOWN 1
#    endif
#endif

/*
 * Returns whether the process has had one thread only. False: the process has had several, or the C
 * library does not provide the number.
 */
static inline bool process_is_alone(void)
{
#ifdef ALONE_IS_KNOWN
    return __libc_single_threaded != 0;
#else
    return false;
#endif
}
