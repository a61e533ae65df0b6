/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sets of small numbers, one bit each in an array of longs, in the form that system calls for NUMA
 * nodes take.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define BITS_PER_LONG (CHAR_BIT * sizeof(unsigned long))

/* The number of longs for n bits, which need not be constant. */
#define BITS_LONGS(n) (((n) + BITS_PER_LONG - 1) / BITS_PER_LONG)

static inline bool bits_has(const unsigned long *bits, size_t i)
{
    return (bits[i / BITS_PER_LONG] >> i % BITS_PER_LONG & 1) != 0;
}

static inline void bits_add(unsigned long *bits, size_t i)
{
    bits[i / BITS_PER_LONG] |= 1ul << i % BITS_PER_LONG;
}

/* Clears the longs of the first n bits. */
static inline void bits_clear(unsigned long *bits, size_t n)
{
    memset(bits, 0, BITS_LONGS(n) * sizeof(*bits));
}
