/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What kinds in the memory of certain NUMA nodes have in common: anonymous memory, bound to nodes
 * that are chosen when a thread asks for a block (node_heaps.h), or, for a kind that the program
 * has made of their operations, when address space is mapped, 64 MiB or more at a time.
 */
#pragma once

#include "kinds/node_choice.h"
#include "memkind/internal/memkind_arena.h"
#include "memkind/internal/memkind_default.h"

/* As memkind_default_get_mbind_nodemask(), with the nodes of the set. */
int node_kind_store(const struct node_set *set, unsigned long *nodemask, unsigned long maxnode);

/* The same with the nodes that are chosen for the calling thread; the mask is as it was where there
 * are none. */
int node_kind_store_choice(const struct node_choice *choice, unsigned long *nodemask,
                           unsigned long maxnode);

/* Operations: what binding fails for, or that there are no nodes, is an error. */
int node_kind_mbind(struct memkind *kind, void *ptr, size_t size);
int node_kind_get_mmap_flags(struct memkind *kind, int *flags);
int node_kind_get_hugetlb_mmap_flags(struct memkind *kind, int *flags);
int node_kind_check_available(struct memkind *kind);
int node_kind_check_hugetlb_available(struct memkind *kind);
void *node_kind_malloc(struct memkind *kind, size_t size);
void *node_kind_calloc(struct memkind *kind, size_t num, size_t size);
int node_kind_posix_memalign(struct memkind *kind, void **memptr, size_t alignment, size_t size);
void *node_kind_realloc(struct memkind *kind, void *ptr, size_t size);
int node_kind_get_arena(struct memkind *kind, unsigned int *arena, size_t size);
int node_kind_update_memory_usage_policy(struct memkind *kind, memkind_mem_usage_policy policy);
int node_kind_get_stat(memkind_t kind, memkind_stat_type stat, size_t *value);

/* As arena_kind_purge() and arena_kind_ready(), for any kind with a heap. */
void node_kind_purge(struct memkind *kind);
void node_kind_ready(struct memkind *kind);
