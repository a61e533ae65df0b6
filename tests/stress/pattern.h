/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Contents of blocks that tell whose they are: each byte follows from the block's seed and its
 * place, and the seed from the block's address and size, so that blocks that overlap or were moved
 * by mistake are noticed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PATTERN_WORD sizeof(uint64_t)

/* Spreads the bits of a number over all 64 (the finalizer of splitmix64). */
static inline uint64_t pattern_mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

/* The next number of the sequence whose state is *state. */
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

/* Fills the block with its pattern. */
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

/* Whether the first `size` bytes hold the pattern of this seed. */
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
