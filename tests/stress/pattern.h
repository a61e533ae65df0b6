/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Patterns for the contents of blocks. Each byte follows from the block's seed and the byte's
 * offset, and the seed follows from the block's address and size. A block that overlaps another, or
 * was moved by mistake, does not match its pattern.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PATTERN_WORD sizeof(uint64_t)

/* Mixes the bits of a number (the finalizer of splitmix64). */
static inline uint64_t pattern_mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

/* Returns the next number of the sequence with state *state. */
static inline uint64_t pattern_random(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return pattern_mix(*state);
}

static inline uint64_t pattern_seed(const void *block, size_t size)
{
    return pattern_mix((uint64_t)(uintptr_t)block ^ ((uint64_t)size << 48));
}

static inline uint64_t pattern_word(uint64_t seed, size_t at)
{
    return seed + at * UINT64_C(0x9e3779b97f4a7c15);
}

static inline void pattern_fill(void *block, size_t size)
{
    uint64_t seed = pattern_seed(block, size);
    size_t at = 0;
    uint64_t word;

    for (; size - at >= PATTERN_WORD; at += PATTERN_WORD) {
        word = pattern_word(seed, at);
        memcpy((char *)block + at, &word, PATTERN_WORD);
    }
    word = pattern_word(seed, at);
    memcpy((char *)block + at, &word, size - at);
}

/* Returns whether the first `size` bytes match the pattern of this seed. */
static inline bool pattern_holds(const void *block, size_t size, uint64_t seed)
{
    uint64_t difference = 0;
    size_t at = 0;
    uint64_t word;

    for (; size - at >= PATTERN_WORD; at += PATTERN_WORD) {
        memcpy(&word, (const char *)block + at, PATTERN_WORD);
        difference |= word ^ pattern_word(seed, at);
    }
    word = pattern_word(seed, at);
    return difference == 0 && memcmp((const char *)block + at, &word, size - at) == 0;
}
