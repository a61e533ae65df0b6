/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tables of operations of the library's kinds: each names what is particular to it, and these
 * macros add what it shares with the others.
 */
#pragma once

#include "memkind/internal/memkind_arena.h"
#include "memkind/internal/memkind_default.h"

/*
 * A kind with a heap. PREFIX_malloc and its like allocate and count; further members follow, as
 * `.create = ...`. The operations on a block find its kind by the address.
 */
#define KIND_OPS(PREFIX, ...)                                                                 \
    {                                                                                         \
        .malloc = PREFIX##_malloc, .calloc = PREFIX##_calloc,                                 \
        .posix_memalign = PREFIX##_posix_memalign, .realloc = PREFIX##_realloc,               \
        .free = memkind_arena_free, .malloc_usable_size = memkind_default_malloc_usable_size, \
        .get_stat = PREFIX##_get_stat, .defrag_reallocate = memkind_arena_defrag_reallocate,  \
        __VA_ARGS__                                                                           \
    }

/* The same in anonymous memory. */
#define ANONYMOUS_KIND_OPS(PREFIX, ...)                                            \
    KIND_OPS(PREFIX, .create = memkind_arena_create, .mmap = memkind_default_mmap, \
             .finalize = memkind_arena_destroy,                                    \
             .update_memory_usage_policy = PREFIX##_update_memory_usage_policy, __VA_ARGS__)
