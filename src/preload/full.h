/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread's record of a kind without room, if libc serves requests instead.
 *
 * To find out that there is no room, the library empties the caches of all threads and releases all
 * unused memory. After such a failure, a thread does not request as much again until it has freed
 * some of the kind's blocks, or libc has served many requests, because other threads may have freed
 * as well. When room becomes short, one size after another fails. After a few, the thread requests
 * no size any more until then.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FULL_CHECK_AFTER_BYTES    ((size_t)256 << 10)
#define FULL_CHECK_AFTER_REQUESTS 4096u
#define FULL_SIZES                3u

struct full {
    size_t from;      /* there was no room for so many bytes; SIZE_MAX: there is room */
    size_t freed;     /* bytes of the kind that were freed since */
    unsigned refused; /* requests that were not passed on since */
    unsigned sizes;   /* sizes without room, since the thread last found some */
};

extern _Thread_local struct full preload_full;

static inline bool full_is_remembered(void)
{
    return preload_full.from != SIZE_MAX;
}

/* Returns whether a request of this size is not to be passed on to the kind. */
static inline bool full_keeps_away(size_t size)
{
    struct full *full = &preload_full;
    size_t enough = size > FULL_CHECK_AFTER_BYTES ? size : FULL_CHECK_AFTER_BYTES;

    return size >= full->from && full->freed < enough &&
           ++full->refused < FULL_CHECK_AFTER_REQUESTS;
}

/* Records that the kind has returned a block of this size, or had no room for it. */
static inline void full_record_result(size_t size, bool requested)
{
    struct full *full = &preload_full;

    if (requested) {
        if (size >= full->from)
            *full = (struct full){.from = SIZE_MAX};
        return;
    }
    full->from = size < full->from ? size : full->from;
    full->freed = 0;
    full->refused = 0;
    if (++full->sizes >= FULL_SIZES)
        full->from = 0;
}

/* Records that a block of the kind was freed. */
static inline void full_record_freed(size_t bytes)
{
    preload_full.freed += bytes;
}
