/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What tests of processes that fork have in common: blocks that parent and child look after.
 *
 * A child fails by exiting with the number of the line at which something was not right, modulo 255.
 */
#pragma once

#include "api/fixture.h"

#define BLOCKS      2000
#define LINE_STATUS ((__LINE__ - 1) % 255 + 1)

/* In a child: ends it where the condition does not hold. */
#define EXPECT(condition)       \
    do {                        \
        if (!(condition))       \
            _exit(LINE_STATUS); \
    } while (0)

static char *blocks[BLOCKS];

static inline size_t size_of(size_t i)
{
    return i % 100 == 0 ? 100 * KIB : 16 + i % 3000;
}

static inline void fill_blocks(memkind_t kind)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = memkind_malloc(kind, size_of(i));
        assert_non_null(blocks[i]);
        fixture_fill(blocks[i], size_of(i), (unsigned)i);
    }
}

static inline bool are_blocks_filled(void)
{
    for (size_t i = 0; i < BLOCKS; i++)
        if (!fixture_is_filled(blocks[i], size_of(i), (unsigned)i))
            return false;
    return true;
}

static inline void free_blocks(memkind_t kind)
{
    for (size_t i = 0; i < BLOCKS; i++)
        memkind_free(i % 2 == 0 ? kind : NULL, blocks[i]);
}

/* Allocates, checks that no two blocks share memory, and frees. */
static inline void use(memkind_t kind)
{
    static char *own[BLOCKS];

    for (size_t i = 0; i < BLOCKS; i++) {
        own[i] = memkind_malloc(kind, size_of(i));
        EXPECT(own[i] != NULL);
        fixture_fill(own[i], size_of(i), (unsigned)i + BLOCKS);
    }
    EXPECT(are_blocks_filled());
    for (size_t i = 0; i < BLOCKS; i++) {
        EXPECT(fixture_is_filled(own[i], size_of(i), (unsigned)i + BLOCKS));
        EXPECT(memkind_detect_kind(own[i]) == kind);
        memkind_free(i % 2 == 0 ? kind : NULL, own[i]);
    }
}
