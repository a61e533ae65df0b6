/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fast paths of malloc and free, for a library that replaces malloc(3): compiled into that
 * library, they find the calling thread's caches by a view, a thread-local variable of that
 * library. A call of this library is then only made where a cache has no block, or no room.
 *
 * memkind_arena_open_view() fills in the view, with limits of 0, and records its address. From then
 * on, this library keeps the pointers right: when the thread gets its table of caches, and when the
 * thread ends. The holder of the view sets the limits, to open and close the fast paths. Only the
 * view's own thread reads or writes the view.
 *
 * Both libraries must be compiled from the same declarations: the holder passes
 * thread_view_layout(), and another number is refused.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "heap/size_class.h"
#include "heap/thread_cache.h"
#include "space/address_map.h"
#include "space/page_map.h"

struct thread_view {
    size_t sizes;                            /* the largest request, in bytes; 0: closed */
    const uint8_t *classes;                  /* size_class_table */
    struct thread_cache **own;               /* the entry of the kind that serves malloc */
    uintptr_t blocks;                        /* addresses below are in the tables; 0: closed */
    const struct address_map_tables *tables; /* address_map_tables */
    struct thread_cache **caches;            /* by number of the heap */
    const uint32_t *class_sizes;             /* size_class_sizes */
    unsigned number;                         /* of the heap of `own` */
    size_t open_sizes;                       /* the two limits of an open view */
    uintptr_t open_blocks;
};

/* Increase when what a fast path reads gets another meaning or order, at the same offsets. */
#define THREAD_VIEW_REVISION 1

/* A number of the structures that the fast paths read, as declared here. */
static inline uint64_t thread_view_layout(void)
{
    const size_t parts[] = {
        THREAD_VIEW_REVISION,
        sizeof(struct thread_view),
        sizeof(struct thread_cache),
        offsetof(struct thread_cache, busy),
        offsetof(struct thread_cache, countdown),
        offsetof(struct thread_cache, bins),
        sizeof(struct cache_bin),
        offsetof(struct cache_bin, top),
        offsetof(struct cache_bin, low),
        offsetof(struct cache_bin, high),
        SIZE_CLASS_QUANTUM,
        ADDRESS_MAP_GRANULE_SHIFT,
        PAGE_MAP_PAGE_SHIFT,
        offsetof(struct address_map_tables, classes),
        offsetof(struct address_map_tables, owners),
    };
    uint64_t layout = 0;

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        layout = layout * 0x100000001b3u + parts[i];
    return layout;
}

/* The caches that a view shows to its thread. */
static inline void thread_view_set_caches(struct thread_view *view, struct thread_cache **caches)
{
    view->caches = caches;
    view->own = caches + view->number;
}

/* A block of the kind that serves malloc; NULL: that kind's malloc must be called. */
static inline void *thread_view_pop(const struct thread_view *view, size_t size)
{
    if (__builtin_expect(size - 1 >= view->sizes, 0))
        return NULL;
    size_t size_class = view->classes[(size - 1) / SIZE_CLASS_QUANTUM];

    return thread_cache_pop_from(*view->own, size_class);
}

/* The same for a block that is aligned to a power of two. */
static inline void *thread_view_pop_aligned(const struct thread_view *view, size_t size,
                                            size_t alignment)
{
    size_t rounded = (size + alignment - 1) & ~(alignment - 1);

    if (size == 0 || size > view->sizes || rounded > view->sizes || alignment > PAGE_MAP_PAGE)
        return NULL;
    size_t size_class = view->classes[(rounded - 1) / SIZE_CLASS_QUANTUM];

    /* Blocks of a class follow each other from the begin of a page. */
    if ((view->class_sizes[size_class] & (alignment - 1)) != 0)
        return NULL;
    return thread_cache_pop_from(*view->own, size_class);
}

/*
 * Finds the cache for the block at ptr, and the class of the block. False: there is none. Any ptr
 * is allowed.
 */
static inline bool thread_view_find(const struct thread_view *view, const void *ptr,
                                    struct thread_cache **cache, size_t *size_class)
{
    if (__builtin_expect((uintptr_t)ptr >= view->blocks, 0))
        return false;
    const struct address_map_tables *tables = view->tables;
    size_t granule = (uintptr_t)ptr >> ADDRESS_MAP_GRANULE_SHIFT;
    const _Atomic uint8_t *bytes =
        atomic_load_explicit(&tables->classes[granule], memory_order_relaxed);
    if (__builtin_expect(bytes == NULL, 0))
        return false;
    *size_class =
        page_map_read(bytes + ((uintptr_t)ptr >> PAGE_MAP_PAGE_SHIFT) % PAGE_MAP_GRANULE_PAGES);
    *cache = view->caches[atomic_load_explicit(&tables->owners[granule], memory_order_acquire)];
    return true;
}

/* Takes any block of the library; false: the free of the block's kind must be called. */
static inline bool thread_view_push(const struct thread_view *view, void *ptr)
{
    struct thread_cache *cache;
    size_t size_class;

    return thread_view_find(view, ptr, &cache, &size_class) &&
           thread_cache_push_to(cache, size_class, ptr);
}

/* The usable size of the block at ptr; 0: not known here. Any ptr is allowed. */
static inline size_t thread_view_usable_size(const struct thread_view *view, const void *ptr)
{
    struct thread_cache *cache;
    size_t size_class;

    return thread_view_find(view, ptr, &cache, &size_class) ? view->class_sizes[size_class] : 0;
}
