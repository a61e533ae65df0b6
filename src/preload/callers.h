/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The callers of malloc, recognised by the return address.
 *
 * Memory that libc allocates for itself stays in libc's heap. The child of a fork writes to some of
 * it before any handler runs: to the locks of streams, and to the values of thread-specific keys of
 * its parent's other threads, which libc clears. In the file, these writes would change the
 * parent's memory.
 *
 * A function of the program that libc calls, and that ends in a call of malloc, also returns to
 * libc, because compilers turn that call into a jump. Its block comes from libc, which is harmless.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The code of an object; empty until it is found. */
struct callers_code {
    uintptr_t first;
    uintptr_t length;
};

/* Returns the code of the object that contains the address. */
struct callers_code callers_find(uintptr_t inside);

/* Returns whether both addresses, of code or data, are in one object. */
bool callers_are_in_one(uintptr_t address, uintptr_t other);

static inline bool callers_include(const struct callers_code *code, const void *address)
{
    return (uintptr_t)address - code->first < code->length;
}

/* The return address of the function that contains this expression. */
#define CALLER() __builtin_extract_return_addr(__builtin_return_address(0))
