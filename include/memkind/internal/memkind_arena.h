/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations of kinds that allocate from jemalloc arenas of their own, as in memkind_arena(3). */
#pragma once

#include <stdint.h>

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

/* -- For interfaces of other allocators, on a kind: not in memkind 1.14 ------------------------ */

/*
 * As memkind_arena_malloc() and memkind_arena_free(), but past what threads keep in caches: a block
 * comes from a slab that is partly used, if there is one, and goes back to its slab at once. Memory
 * that is scattered over many slabs becomes less by moving blocks so. Slower than those.
 */
void *memkind_arena_malloc_uncached(struct memkind *kind, size_t size);
void memkind_arena_free_uncached(struct memkind *kind, void *ptr);

/*
 * The fast ways alone, for a library that stands in for malloc(3) and has to do more where they
 * fail: a block that the calling thread keeps for the kind, or what otherwise(kind, size) returns;
 * and a block of any kind, for the calling thread to keep, or else otherwise(ptr). Any ptr is
 * allowed, of this library or not.
 */
void *memkind_arena_malloc_or(struct memkind *kind, size_t size,
                              void *(*otherwise)(struct memkind *kind, size_t size));
void memkind_arena_free_or(void *ptr, void (*otherwise)(void *ptr));

/* How a slab, in which blocks of one size lie, is used, and all slabs of that size in its arena. */
struct memkind_arena_slab {
    void *being_filled; /* the slab that new blocks come from; NULL where there is none */
    size_t free;        /* blocks of the slab that are neither in use nor kept by threads, */
    size_t blocks;      /* of so many; 1 for a large block */
    size_t size;        /* in bytes */
    size_t all_free, all_blocks;
};

/*
 * Of the slab that the block at ptr is in. MEMKIND_ERROR_INVALID where that is no block of the
 * kind; all is 0 then.
 */
int memkind_arena_get_slab(struct memkind *kind, const void *ptr, struct memkind_arena_slab *slab);

/*
 * A number of jemalloc(3) by its name, "arenas.bin.3.size". In a name with an arena,
 * "stats.arenas.0.bins.3.curslabs", that stands for all of the kind's: the number is their sum, as
 * of the last memkind_update_cached_stats(). *size is how many bytes its type has in jemalloc.
 * MEMKIND_ERROR_INVALID where there is no number of that name.
 */
int memkind_arena_get_number(struct memkind *kind, const char *name, uint64_t *value, size_t *size);

/*
 * The caller has other memory for what the kind has no room for. Then a request that finds no room
 * looks for what is unused everywhere, as in the caches of other threads, only if that was not done
 * in the last milliseconds; else it is refused at once. MEMKIND_ERROR_RUNTIME where the kind has no
 * arena.
 */
int memkind_arena_set_fallback(struct memkind *kind, bool has_fallback);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
