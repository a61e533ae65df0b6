/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations of kinds with jemalloc arenas of their own: memkind_arena(3). */
#pragma once

#include <stdint.h>

#include "memkind/internal/memkind_private.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

typedef struct extent_hooks_s extent_hooks_t;

/* Calls memkind_default_create(), then memkind_arena_create_map() without hooks. */
int memkind_arena_create(struct memkind *kind, struct memkind_ops *ops, const char *name);

/*
 * Creates the kind's first arena. More are created when threads need them, up to the number of
 * memkind_set_arena_map_len(); a kind with memkind_bijective_get_arena() has one. Memory comes from
 * hooks, which must outlive the kind, or, if hooks is NULL, from mmap(2) with the kind's
 * get_mmap_flags, mbind and madvise operations.
 */
int memkind_arena_create_map(struct memkind *kind, extent_hooks_t *hooks);

/* Destroys the kind's arenas with all their memory, then calls memkind_default_destroy(). */
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

/* The same for a block of an unknown kind. */
void *memkind_arena_realloc_with_kind_detect(void *ptr, size_t size);
void memkind_arena_free_with_kind_detect(void *ptr);
struct memkind *memkind_arena_detect_kind(void *ptr);

/*
 * Stores the jemalloc index of the arena that the calling thread uses (the only one of the kind).
 */
int memkind_thread_get_arena(struct memkind *kind, unsigned int *arena, size_t size);
int memkind_bijective_get_arena(struct memkind *kind, unsigned int *arena, size_t size);

/* Sets arena_map_len and its mask from MEMKIND_ARENA_NUM_PER_KIND or the number of processors. */
int memkind_set_arena_map_len(struct memkind *kind);

/* -- For interfaces of other allocators, on a kind: not in memkind 1.14 ------------------------ */

/*
 * As memkind_arena_malloc() and memkind_arena_free(), but bypass the threads' caches: a block comes
 * from a partly used slab, if there is one, and goes back to its slab at once. Moving scattered
 * blocks in this way reduces the memory that they hold. Slower than the cached functions.
 */
void *memkind_arena_malloc_uncached(struct memkind *kind, size_t size);
void memkind_arena_free_uncached(struct memkind *kind, void *ptr);

/*
 * The fast paths alone, for a library that replaces malloc(3) and must do more if they fail.
 * Allocation takes a block from the calling thread's cache, or returns otherwise(size). Free
 * puts a block of any kind into the calling thread's cache, or calls otherwise(ptr). ptr may be any
 * address.
 */
void *memkind_arena_malloc_or(size_t size, void *(*otherwise)(size_t size), struct memkind *kind);
void memkind_arena_free_or(void *ptr, void (*otherwise)(void *ptr));

/*
 * Fills in the calling thread's view of its caches, with which such a library can do without the
 * calls above: see heap/thread_view.h of the library's sources. malloc takes blocks of the kind.
 * The view stays in use until the thread is gone. MEMKIND_ERROR_INVALID: `layout` is not that of
 * this library, or the kind has no heap; then the view is not changed.
 */
struct thread_view;
int memkind_arena_open_view(struct memkind *kind, struct thread_view *view, uint64_t layout);

/*
 * Smaller requests to any kind of the library get a block of at least `size` bytes, 1 ... 64, from
 * now on. 16 is for a malloc(3): smaller blocks are not aligned for every object.
 * MEMKIND_ERROR_INVALID: another size.
 */
int memkind_arena_set_least_block(size_t size);

/* The use of a slab, whose blocks have one size, and of all slabs of that size in its arena. */
struct memkind_arena_slab {
    void *being_filled; /* the slab from which new blocks come; NULL: none */
    size_t free;        /* blocks of the slab that are neither in use nor cached by threads, */
    size_t blocks;      /* of so many; 1 for a large block */
    size_t size;        /* in bytes */
    size_t all_free, all_blocks;
};

/*
 * Describes the slab of the block at ptr. MEMKIND_ERROR_INVALID: not a block of the kind, and all
 * fields are 0.
 */
int memkind_arena_get_slab(struct memkind *kind, const void *ptr, struct memkind_arena_slab *slab);

/*
 * Stores jemalloc(3)'s number of that name, such as "arenas.bin.3.size". In a name with an arena,
 * such as "stats.arenas.0.bins.3.curslabs", the arena stands for all of the kind's: the number is
 * their sum, as of the last memkind_update_cached_stats(). *size is the size of jemalloc's type.
 * MEMKIND_ERROR_INVALID: no such number.
 */
int memkind_arena_get_number(struct memkind *kind, const char *name, uint64_t *value, size_t *size);

/*
 * Tells the kind whether the caller allocates elsewhere when the kind has no room. If so, a request
 * without room searches the unused memory of other threads and arenas only if no such search was
 * done in the last milliseconds, and otherwise fails at once. MEMKIND_ERROR_RUNTIME: the kind has
 * no arena.
 */
int memkind_arena_set_fallback(struct memkind *kind, bool has_fallback);

/*
 * Returns whether this thread is the child of a fork that was made in a signal handler, where the
 * handler had interrupted the library in a process with several threads. Such a child shares its
 * parent's blocks, and must call no other function of the library but memkind_free(), which leaves
 * these blocks alone. Async-signal-safe.
 */
bool memkind_arena_fork_is_unprepared(void);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
