/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What kinds in the memory of certain NUMA nodes have in common: anonymous memory, bound to nodes
 * that are chosen when address space is mapped, 64 MiB or more at a time.
 */
#pragma once

#include "backing/memory_nodes.h"
#include "memkind/internal/memkind_arena.h"
#include "memkind/internal/memkind_default.h"

/*
 * The nodes as they were when the first of these kinds was used. The first call allocates memory,
 * so it must not come from an allocator's hooks: a kind's heap is not made without
 * node_kind_get_mmap_flags(), which does it.
 */
const struct memory_nodes *node_kind_nodes(void);

/* As memkind_default_get_mbind_nodemask(), with the nodes of the set: MEMKIND_ERROR_UNAVAILABLE
 * where it is empty. */
int node_kind_store(const struct node_set *set, unsigned long *nodemask, unsigned long maxnode);

/* Operations: what binding fails for, or that there are no nodes, is an error. */
int node_kind_mbind(struct memkind *kind, void *ptr, size_t size);
int node_kind_get_mmap_flags(struct memkind *kind, int *flags);
int node_kind_check_available(struct memkind *kind);

/* The operations of a kind, with those that choose its nodes, say how it is bound to them, and
 * advise the kernel (or NULL). */
#define NODE_KIND_OPS(nodemask, mode, advice)                                                      \
    {                                                                                              \
        .create = memkind_arena_create, .destroy = memkind_default_destroy,                        \
        .malloc = memkind_arena_malloc, .calloc = memkind_arena_calloc,                            \
        .posix_memalign = memkind_arena_posix_memalign, .realloc = memkind_arena_realloc,          \
        .free = memkind_arena_free, .mmap = memkind_default_mmap, .mbind = node_kind_mbind,        \
        .madvise = (advice), .get_mmap_flags = node_kind_get_mmap_flags, .get_mbind_mode = (mode), \
        .get_mbind_nodemask = (nodemask), .get_arena = memkind_thread_get_arena,                   \
        .check_available = node_kind_check_available, .init_once = memkind_default_init_once,      \
        .finalize = memkind_arena_destroy,                                                         \
        .malloc_usable_size = memkind_default_malloc_usable_size,                                  \
        .update_memory_usage_policy = memkind_arena_update_memory_usage_policy,                    \
        .get_stat = memkind_arena_get_stat, .defrag_reallocate = memkind_arena_defrag_reallocate,  \
    }
