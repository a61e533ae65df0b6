/* SPDX-License-Identifier: BSD-2-Clause */
/* Kinds that the test fills until they return NULL. Include once. */
#pragma once

#include "api/fixture.h"

#define MOST_BLOCKS 300000

static void *blocks[MOST_BLOCKS];

/* memkind 1.14 cannot allocate more than 14, 28 and 56 MiB of these sizes. */
static inline void expect_one_block(memkind_t kind, size_t size)
{
    for (int round = 0; round < 3; round++) {
        char *block = memkind_malloc(kind, size);

        assert_non_null(block);
        memset(block, round, size);
        assert_int_equal(fixture_current_size(kind), size);
        errno = 0;
        assert_null(memkind_malloc(kind, 1));
        assert_int_equal(errno, ENOMEM);
        memkind_free(kind, block);
    }
}

/* Allocates blocks until none is left. */
static inline size_t fill(memkind_t kind, size_t size)
{
    size_t count = 0;

    errno = 0;
    while (count < MOST_BLOCKS && (blocks[count] = memkind_malloc(kind, size)) != NULL) {
        *(size_t *)blocks[count] = count;
        count++;
    }
    assert_true(count < MOST_BLOCKS);
    assert_int_equal(errno, ENOMEM);
    return count;
}

static inline void empty(memkind_t kind, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(*(size_t *)blocks[i], i);
        memkind_free(kind, blocks[i]);
    }
}

static inline int small_setup(void **state)
{
    bool conservative = *state != NULL;
    int result = fixture_setup(state);

    *state = conservative ? fixture_conservative_pmem(FIXTURE_KIND_SIZE / 4)
                          : fixture_pmem(FIXTURE_KIND_SIZE / 4);
    return result;
}
