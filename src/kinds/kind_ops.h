/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tables of operations of the library's kinds. A table names the operations of its kind alone, and
 * these macros add those that kinds share.
 */
#pragma once

#include <stdbool.h>

#include "memkind/internal/memkind_arena.h"
#include "memkind/internal/memkind_default.h"
#include "memkind/internal/memkind_private.h"

/*
 * Of a kind with a heap, with the functions PREFIX_malloc, PREFIX_calloc, PREFIX_posix_memalign,
 * PREFIX_realloc and PREFIX_get_stat. Initializers of further members follow: `.create = ...`.
 */
#define KIND_OPS(PREFIX, ...)                                                                 \
    {                                                                                         \
        .malloc = PREFIX##_malloc, .calloc = PREFIX##_calloc,                                 \
        .posix_memalign = PREFIX##_posix_memalign, .realloc = PREFIX##_realloc,               \
        .free = memkind_arena_free, .malloc_usable_size = memkind_default_malloc_usable_size, \
        .get_stat = PREFIX##_get_stat, .defrag_reallocate = memkind_arena_defrag_reallocate,  \
        __VA_ARGS__                                                                           \
    }

/* Of a kind in anonymous memory, also with PREFIX_update_memory_usage_policy. */
#define ANONYMOUS_KIND_OPS(PREFIX, ...)                                            \
    KIND_OPS(PREFIX, .create = memkind_arena_create, .mmap = memkind_default_mmap, \
             .finalize = memkind_arena_destroy,                                    \
             .update_memory_usage_policy = PREFIX##_update_memory_usage_policy, __VA_ARGS__)

/*
 * Whether memkind_arena_malloc() is the kind's malloc. If not, requests must call the kind's own
 * operation: the program's, or that of a kind with several heaps.
 */
static inline bool kind_ops_have_arena_malloc(const struct memkind *kind)
{
    return kind->ops->malloc == memkind_arena_malloc;
}
