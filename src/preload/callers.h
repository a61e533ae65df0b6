/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who calls malloc, by the address that the call returns to.
 *
 * What libc allocates for itself stays in libc's heap. The child of a fork writes to some of it
 * before any handler has run: to the locks of streams, and to the values of thread-specific keys of
 * its parent's other threads, which it clears. In the file these would be its parent's own.
 *
 * A function of the program that libc calls, and that ends in a call of malloc, returns to libc as
 * well, since compilers make a jump of that call: its block is libc's, which does no harm.
 *
 * libnuma allocates while libmemkind, which calls it, holds locks, and the kind may need the same
 * ones at a thread's first call.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The code of an object; nothing, before it is found. */
struct callers_code {
    uintptr_t first;
    uintptr_t length;
};

/* The code of the object that the address is in. */
struct callers_code callers_find(uintptr_t inside);

static inline bool callers_include(const struct callers_code *code, const void *address)
{
    return (uintptr_t)address - code->first < code->length;
}

/* The address that the function which this is written in returns to. */
#define CALLER() __builtin_extract_return_addr(__builtin_return_address(0))
