/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a thread remembers of a kind that had no room, where libc serves instead.
 *
 * To find out that there is no room, the library empties the caches of all threads and gives back
 * all that is unused. So a thread that was told so does not ask for as much again until it has
 * freed some of the kind's blocks, or libc has served many requests, since other threads may have
 * freed as well.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FULL_ASK_AFTER_BYTES    ((size_t)256 << 10)
#define FULL_ASK_AFTER_REQUESTS 4096u

struct full {
    size_t from;      /* there was no room for so many bytes; SIZE_MAX: there is room */
    size_t freed;     /* bytes of the kind that were freed since */
    unsigned refused; /* requests that were not passed on since */
};

extern _Thread_local struct full preload_full;

static inline bool full_is_remembered(void)
{
    return preload_full.from != SIZE_MAX;
}

/* Whether a request of this size is not to be passed on to the kind. */
static inline bool full_keeps_away(size_t size)
{
    struct full *full = &preload_full;
    size_t enough = size > FULL_ASK_AFTER_BYTES ? size : FULL_ASK_AFTER_BYTES;

    return size >= full->from && full->freed < enough && ++full->refused < FULL_ASK_AFTER_REQUESTS;
}

/* The kind has given a block of this size, or had no room for it. */
static inline void full_note(size_t size, bool given)
{
    struct full *full = &preload_full;

    if (!given)
        *full = (struct full){.from = size < full->from ? size : full->from};
    else if (size >= full->from)
        full->from = SIZE_MAX;
}

static inline void full_note_freed(size_t bytes)
{
    preload_full.freed += bytes;
}
