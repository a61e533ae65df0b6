/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions that the kinds in the memory of certain NUMA nodes share.
 *
 * Their memory is anonymous and bound to nodes. A kind of the library chooses the nodes at each
 * allocation (node_heaps.h). A kind that the program has created from their operations chooses the
 * nodes when it maps address space, 64 MiB or more at a time.
 */
#pragma once

#include "kinds/node_choice.h"
#include "memkind/internal/memkind_arena.h"
#include "memkind/internal/memkind_default.h"

/* Stores the set in a mask, as memkind_default_get_mbind_nodemask() does. */
int node_kind_store(const struct node_set *set, unsigned long *nodemask, unsigned long maxnode);

/*
 * The same with the chosen nodes for the calling thread. On an error of the choice, the mask keeps
 * its contents.
 */
int node_kind_store_choice(const struct node_choice *choice, unsigned long *nodemask,
                           unsigned long maxnode);

/*
 * Operations. Unlike other kinds, these kinds treat a failed binding or an empty node set as an
 * error.
 */
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

/* arena_kind_purge() and arena_kind_ready() for any kind, with or without parts. */
void node_kind_purge(struct memkind *kind);
void node_kind_ready(struct memkind *kind);
