/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The heap of a kind: memkind_arena(3). memkind_arena.c allocates from the heap.
 *
 *    no heap --create, first use of a kind of the library--> own heap --fork--> inherited heap
 *    inherited heap --first use in the child (inherit.h)--> own heap
 *    own or inherited heap --destroy--> no heap
 *
 * One lock is held while a kind gets a heap. kind->heap is read without a lock.
 */
#pragma once

#include "heap/heap.h"
#include "kinds/program_maps.h"
#include "memkind/internal/memkind_arena.h"

struct kind_class;
struct space;

/* kind->heap points to the first member. */
struct arena_kind {
    struct heap heap;
    struct space *own_space;      /* of the heap, where that is not the kind's priv; else NULL */
    struct arena_kind *inherited; /* in a child, the heap that the kind had before; NULL */
    struct program_maps maps;     /* where the kind's own operation maps its memory */
};

/*
 * Makes *kind a kind with a heap over a space that new_space makes, which becomes the kind's priv;
 * the class is that of kind_registry_add(). A space that is a range needs arena_kind_use_one().
 * Results as memkind_arena_create(); on failure nothing is left.
 */
int arena_kind_create(struct memkind *kind, struct memkind_ops *ops, const char *name,
                      const struct kind_class *class, struct space *(*new_space)(unsigned owner));

/* Ends such a kind, with all blocks and the space. */
int arena_kind_destroy(struct memkind *kind);

/*
 * Limits the number of arenas to one for each 8 MiB of max_size, unless that is 0. Before the kind
 * is used.
 */
void arena_kind_limit(struct memkind *kind, size_t max_size);

/* Limits the kind to one arena. Before the kind is used. */
void arena_kind_use_one(struct memkind *kind);

/* Whether the kind can allocate from the heap. */
static inline bool arena_kind_is_usable(const struct heap *heap)
{
    return heap != NULL && !heap_is_inherited(heap);
}

/* The kind's heap, which may be inherited; NULL where the kind has none. Thread-safe. */
static inline struct heap *arena_kind_peek(const struct memkind *kind)
{
    return __atomic_load_n(&kind->heap, __ATOMIC_ACQUIRE);
}

/* Makes the heap that the kind can allocate from. NULL with errno ENOMEM. Thread-safe. */
struct heap *arena_kind_make_heap(struct memkind *kind);

/*
 * The heap that the kind can allocate from, made at the kind's first use. NULL with errno ENOMEM.
 * Thread-safe.
 */
static inline struct heap *arena_kind_heap(struct memkind *kind)
{
    struct heap *heap = arena_kind_peek(kind);

    return __builtin_expect(arena_kind_is_usable(heap), 1) ? heap : arena_kind_make_heap(kind);
}

/* A block of the kind, for size 0 the smallest; alignment is a power of two. NULL with errno. */
void *memkind_arena_aligned_alloc(struct memkind *kind, size_t size, size_t alignment);

/* Makes the kind's heap, if it has none to allocate from. errno is kept. Thread-safe. */
void arena_kind_ready(struct memkind *kind);

/* Releases memory that the kind's heap holds and no block uses. errno is kept. Thread-safe. */
void arena_kind_purge(struct memkind *kind);

/*
 * thaw_all_trusted() of the kind's space. Returns whether nothing of the kind is frozen any more.
 * errno is kept. Thread-safe.
 */
bool arena_kind_thaw(struct memkind *kind);

/* Around fork(2), in the thread that forks: no kind gets a heap meanwhile. */
void arena_kind_before_fork(void);
void arena_kind_after_fork(void);
