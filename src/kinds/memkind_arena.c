/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks of kinds that allocate from jemalloc arenas of their own: memkind_arena(3). */
#include "memkind/internal/memkind_arena.h"

#include <errno.h>
#include <string.h>

#include "heap/heap.h"
#include "heap/owned_cache.h"
#include "heap/thread_view.h"
#include "kinds/arena_kind.h"
#include "kinds/inherit.h"
#include "kinds/kind_registry.h"
#include "kinds/memkind_arena_fast.h"
#include "kinds/memkind_default_internal.h"
#include "kinds/static_kinds.h"
#include "memkind/internal/memkind_default.h"
#include "space/address_map.h"
#include "space/page_map.h"
#include "util/hot.h"

static void *alloc(struct memkind *kind, size_t size, size_t alignment, bool zero)
{
    struct heap *heap = arena_kind_heap(kind);

    /* A request of 0 bytes, where the kind allows that, gets the smallest block. */
    return heap == NULL ? NULL : heap_alloc(heap, size != 0 ? size : 1, alignment, zero);
}

/* Not inlined, so that the caller needs no stack frame. */
static __attribute__((noinline, cold)) void *malloc_slowly(struct memkind *kind, size_t size)
{
    return memkind_default_refuses(kind, size) ? NULL : alloc(kind, size, 0, false);
}

/* Where thread_own_near is not set, thread_own is found by a call. */
static __attribute__((noinline)) void *malloc_far(struct memkind *kind, size_t size)
{
    if (thread_own_near.sizes == 0 && size - 1 < SIZE_CLASS_LARGEST) {
        void *block = thread_cache_pop(kind_registry_owner(kind), size_class_of(size));

        if (block != NULL)
            return block;
    }
    return malloc_slowly(kind, size);
}

HOT_FUNCTION void *memkind_arena_malloc(struct memkind *kind, size_t size)
{
    void *block = memkind_arena_pop(kind, size);

    return __builtin_expect(block != NULL, 1) ? block : malloc_far(kind, size);
}

void *memkind_arena_calloc(struct memkind *kind, size_t num, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(num, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return memkind_default_refuses(kind, bytes) ? NULL : alloc(kind, bytes, 0, true);
}

void *memkind_arena_aligned_alloc(struct memkind *kind, size_t size, size_t alignment)
{
    return alloc(kind, size, alignment, false);
}

int memkind_arena_posix_memalign(struct memkind *kind, void **memptr, size_t alignment, size_t size)
{
    if (kind == &static_kind_default)
        return memkind_default_align(kind, memptr, alignment, size, memkind_arena_aligned_alloc);
    return memkind_default_align_or_null(kind, memptr, alignment, size,
                                         memkind_arena_aligned_alloc);
}

/*
 * The heap of a block of the kind; NULL where the kind has no heap but operations of its own. For
 * an unregistered address, kind_registry_kind_of() returns the default kind, which may have no heap
 * yet.
 */
static struct heap *heap_of_block(struct memkind *kind)
{
    return kind->heap != NULL || kind == &static_kind_default ? arena_kind_heap(kind) : NULL;
}

/* Calls free_to for a block of a heap, else the free operation of the block's kind. */
static inline void free_with(void *ptr, void (*free_to)(struct heap *heap, void *ptr))
{
    if (ptr == NULL)
        return;
    struct memkind *owner = kind_registry_kind_of(ptr);
    if (inherit_has(owner, ptr))
        return;
    struct heap *heap = heap_of_block(owner);
    if (heap != NULL)
        free_to(heap, ptr);
    else if (owner != &static_kind_default)
        owner->ops->free(owner, ptr);
}

static __attribute__((noinline, cold)) void free_slowly(void *ptr)
{
    free_with(ptr, heap_free);
}

/* Where thread_own_near is not set, thread_own is found by a call. */
static __attribute__((noinline)) void free_far(void *ptr)
{
    if (thread_own_near.blocks == 0 && address_map_has(ptr) &&
        thread_cache_push(address_map_owner_known(ptr), page_map_get_owned(ptr), ptr))
        return;
    free_slowly(ptr);
}

HOT_FUNCTION void memkind_arena_free(struct memkind *kind, void *ptr)
{
    (void)kind;
    if (__builtin_expect(!memkind_arena_push(ptr), 0))
        free_far(ptr);
}

HOT_FUNCTION void *memkind_arena_malloc_or(size_t size, void *(*otherwise)(size_t size),
                                           struct memkind *kind)
{
    void *block = memkind_arena_pop(kind, size);

    return __builtin_expect(block != NULL, 1) ? block : otherwise(size);
}

int memkind_arena_set_least_block(size_t size)
{
    if (size - 1 >= SIZE_CLASS_LEAST_MOST)
        return MEMKIND_ERROR_INVALID;
    size_class_set_least(size);
    return MEMKIND_SUCCESS;
}

HOT_FUNCTION void memkind_arena_free_or(void *ptr, void (*otherwise)(void *ptr))
{
    if (__builtin_expect(!memkind_arena_push(ptr), 0))
        otherwise(ptr);
}

int memkind_arena_open_view(struct memkind *kind, struct thread_view *view, uint64_t layout)
{
    if (layout != thread_view_layout() || kind == NULL || kind->heap == NULL)
        return MEMKIND_ERROR_INVALID;
    owned_cache_open_view(view, kind_registry_owner(kind));
    return MEMKIND_SUCCESS;
}

void *memkind_arena_malloc_uncached(struct memkind *kind, size_t size)
{
    if (memkind_default_refuses(kind, size))
        return NULL;
    struct heap *heap = arena_kind_heap(kind);
    return heap != NULL ? heap_alloc_uncached(heap, size != 0 ? size : 1) : NULL;
}

void memkind_arena_free_uncached(struct memkind *kind, void *ptr)
{
    (void)kind;
    free_with(ptr, heap_free_uncached);
}

/* Of a block that belongs to an ancestor: the same block where it is large enough, else a copy. */
static void *realloc_inherited(struct memkind *kind, void *ptr, size_t size)
{
    size_t usable = heap_usable_size(ptr);

    if (size <= usable)
        return ptr;
    void *block = memkind_arena_malloc(kind, size);
    return block != NULL ? memcpy(block, ptr, usable) : NULL;
}

void *memkind_arena_realloc(struct memkind *kind, void *ptr, size_t size)
{
    if (ptr == NULL)
        return memkind_arena_malloc(kind, size);
    if (size == 0) {
        memkind_arena_free(kind, ptr);
        return NULL;
    }
    struct memkind *owner = kind_registry_kind_of(ptr);
    if (inherit_has(owner, ptr))
        return realloc_inherited(owner, ptr, size);
    struct heap *heap = heap_of_block(owner);
    if (heap != NULL)
        return heap_realloc(heap, ptr, size);
    return owner != &static_kind_default ? owner->ops->realloc(owner, ptr, size) : NULL;
}

void *memkind_arena_defrag_reallocate(struct memkind *kind, void *ptr)
{
    (void)kind;
    struct memkind *owner = ptr != NULL ? kind_registry_kind_of(ptr) : NULL;
    if (owner == NULL || inherit_has(owner, ptr))
        return NULL;
    return heap_move(owner->heap != NULL ? arena_kind_heap(owner) : NULL, ptr);
}

struct memkind *memkind_arena_detect_kind(void *ptr)
{
    return ptr == NULL ? NULL : kind_registry_detect(ptr);
}

void memkind_arena_free_with_kind_detect(void *ptr)
{
    memkind_arena_free(NULL, ptr);
}

void *memkind_arena_realloc_with_kind_detect(void *ptr, size_t size)
{
    if (ptr == NULL) {
        errno = EINVAL;
        return NULL;
    }
    struct memkind *kind = kind_registry_kind_of(ptr);
    return kind->ops->realloc(kind, ptr, size);
}
