/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations of kinds that allocate from jemalloc arenas of their own, as in memkind_arena(3). */
#pragma once

#include "memkind/internal/memkind_private.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

typedef struct extent_hooks_s extent_hooks_t;

/* memkind_default_create(), then memkind_arena_create_map() with no hooks. */
int memkind_arena_create(struct memkind *kind, struct memkind_ops *ops, const char *name);

/*
 * Gives the kind its first arena and room for more, made when threads need them: one for all
 * threads where get_arena is memkind_bijective_get_arena(), else up to
 * memkind_set_arena_map_len()'s number. Memory comes from hooks, which must outlive the kind, or,
 * where hooks is NULL, from mmap(2) with the kind's get_mmap_flags, mbind and madvise operations.
 */
int memkind_arena_create_map(struct memkind *kind, extent_hooks_t *hooks);

/* Destroys the kind's arenas with all their memory, then does memkind_default_destroy(). */
int memkind_arena_destroy(struct memkind *kind);

/* As the functions of memkind(3). */
void *memkind_arena_malloc(struct memkind *kind, size_t size);
void *memkind_arena_calloc(struct memkind *kind, size_t num, size_t size);
int memkind_arena_posix_memalign(struct memkind *kind, void **memptr, size_t alignment,
                                 size_t size);
void *memkind_arena_realloc(struct memkind *kind, void *ptr, size_t size);
void memkind_arena_free(struct memkind *kind, void *ptr);
void *memkind_arena_defrag_reallocate(struct memkind *kind, void *ptr);
int memkind_arena_update_memory_usage_policy(struct memkind *kind, memkind_mem_usage_policy policy);
int memkind_arena_get_stat(memkind_t kind, memkind_stat_type stat, size_t *value);

/* The same for a block whose kind is not known. */
void *memkind_arena_realloc_with_kind_detect(void *ptr, size_t size);
void memkind_arena_free_with_kind_detect(void *ptr);
struct memkind *memkind_arena_detect_kind(void *ptr);

/* Stores the jemalloc index of the arena that the calling thread uses (the only one of the kind).
 */
int memkind_thread_get_arena(struct memkind *kind, unsigned int *arena, size_t size);
int memkind_bijective_get_arena(struct memkind *kind, unsigned int *arena, size_t size);

/* Sets arena_map_len and its mask from MEMKIND_ARENA_NUM_PER_KIND or the number of processors. */
int memkind_set_arena_map_len(struct memkind *kind);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
