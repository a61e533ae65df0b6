/* SPDX-License-Identifier: BSD-2-Clause */
/* For tests of memkind_arena(3): operations for kinds of the program. */
#pragma once

#include "api/fixture.h"

#include "memkind/internal/memkind_arena.h"
#include "memkind/internal/memkind_default.h"

#define BLOCKS 500

static struct memkind_ops arena_ops = {
    .create = memkind_arena_create,
    .destroy = memkind_arena_destroy,
    .malloc = memkind_arena_malloc,
    .calloc = memkind_arena_calloc,
    .posix_memalign = memkind_arena_posix_memalign,
    .realloc = memkind_arena_realloc,
    .free = memkind_arena_free,
    .mmap = memkind_default_mmap,
    .get_mmap_flags = memkind_default_get_mmap_flags,
    .get_arena = memkind_thread_get_arena,
    .init_once = memkind_default_init_once,
    .malloc_usable_size = memkind_default_malloc_usable_size,
    .update_memory_usage_policy = memkind_arena_update_memory_usage_policy,
    .get_stat = memkind_arena_get_stat,
    .defrag_reallocate = memkind_arena_defrag_reallocate,
};

/* Allocates, moves and frees blocks of many sizes through the public functions. */
static inline void use(memkind_t kind)
{
    void *blocks[BLOCKS];
    size_t sizes[BLOCKS];

    for (size_t i = 0; i < BLOCKS; i++) {
        sizes[i] = 1 + i * i * 3 % 40000;
        blocks[i] = memkind_malloc(kind, sizes[i]);
        assert_non_null(blocks[i]);
        fixture_fill(blocks[i], sizes[i], (unsigned)i);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        assert_true(fixture_is_filled(blocks[i], sizes[i], (unsigned)i));
        assert_ptr_equal(memkind_detect_kind(blocks[i]), kind);
        assert_ptr_equal(memkind_arena_detect_kind(blocks[i]), kind);
        blocks[i] = memkind_realloc(i % 2 == 0 ? kind : NULL, blocks[i], sizes[i] * 2);
        assert_non_null(blocks[i]);
        assert_true(fixture_is_filled(blocks[i], sizes[i], (unsigned)i));
    }
    for (size_t i = 0; i < BLOCKS; i++)
        memkind_free(i % 3 == 0 ? NULL : kind, blocks[i]);
}
