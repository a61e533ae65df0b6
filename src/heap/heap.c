/* SPDX-License-Identifier: BSD-2-Clause */
/* A heap's blocks: allocation, free, resizing. */
#include "heap/heap.h"

#include <errno.h>
#include <string.h>

#include "heap/block_request.h"
#include "heap/heap_unused.h"
#include "space/address_map.h"
#include "space/page_map.h"
#include "util/align.h"

/* -- Allocation -------------------------------------------------------------------------------- */

/* The class of a block, by its usable size. */
static unsigned class_of_block(const void *block)
{
    size_t size = jemalloc_block_size(block);

    return size <= SIZE_CLASS_LARGEST ? size_class_of_block(size) : 0;
}

/* Frees a block that a free could not find. A moved block cannot be moved back, and is kept. */
static void *undo_unknown(const struct block_request *request, void *block)
{
    if (request->ptr != NULL)
        return block;
    jemalloc_block_free(block);
    errno = ENOMEM;
    return NULL;
}

static void *satisfy(struct heap *heap, const struct block_request *request)
{
    if (__builtin_expect(shortage_is_hopeless(heap, request), 0)) {
        errno = ENOMEM;
        return NULL;
    }
    struct arena_slot *use;
    void *block = block_request_attempt(request, arena_set_enter(&heap->arenas, &use));
    arena_set_leave(use);
    if (__builtin_expect(block == NULL, 0)) {
        int saved_errno = errno;

        block = shortage_alloc(heap, request);
        errno = block != NULL ? saved_errno : ENOMEM;
        if (block == NULL)
            return NULL;
    }
    if (heap->space != NULL)
        page_map_put(block, class_of_block(block));
    else if (address_map_mark_mixed(block) != 0)
        return undo_unknown(request, block);
    return block;
}

/* The class whose blocks are large enough and aligned; 0 where there is none that caches keep. */
static unsigned cached_class(size_t size, size_t alignment)
{
    if (alignment > 1)
        size = align_up(size, alignment);
    if (size == 0 || size > SIZE_CLASS_LARGEST || alignment > PAGE_MAP_PAGE)
        return 0;
    unsigned size_class = size_class_of(size);
    return alignment > 1 && !is_aligned(size_class_size(size_class), alignment) ? 0 : size_class;
}

static void *alloc_cached(struct heap *heap, unsigned size_class)
{
    struct block_request request = {.size = size_class_size(size_class)};

    if (__builtin_expect(shortage_is_hopeless(heap, &request), 0)) {
        errno = ENOMEM;
        return NULL;
    }
    void *block = thread_cache_pop(heap->caches.number, size_class);
    return block != NULL ? block : thread_caches_alloc(&heap->caches, size_class);
}

void *heap_alloc(struct heap *heap, size_t size, size_t alignment, bool zero)
{
    unsigned size_class = cached_class(size, alignment);

    if (size_class == 0 || heap->space == NULL) {
        struct block_request request = {.size = size, .alignment = alignment, .zero = zero};

        return satisfy(heap, &request);
    }
    void *block = alloc_cached(heap, size_class);
    if (block != NULL && zero)
        memset(block, 0, size);
    return block;
}

void *heap_alloc_in_arena(struct heap *heap, size_t size)
{
    return satisfy(heap, &(struct block_request){.size = size});
}

void *heap_alloc_uncached(struct heap *heap, size_t size)
{
    unsigned size_class = size <= SIZE_CLASS_LARGEST ? size_class_of(size) : 0;
    void *block;

    if (!page_blocks_keep(&heap->page_blocks, size_class))
        return heap_alloc_in_arena(heap, size);
    return heap->source.refill(&heap->source, size_class, &block, 1, 1) != 0 ? block : NULL;
}

/* -- Freeing and resizing ---------------------------------------------------------------------- */

void heap_free_uncached(struct heap *heap, void *ptr)
{
    heap->source.flush(&heap->source, &ptr, 1);
    heap_released(heap, HEAP_CONSIDER_EVERY);
}

void heap_free(struct heap *heap, void *ptr)
{
    unsigned size_class = page_map_get(ptr);

    if (size_class == 0) {
        heap_free_uncached(heap, ptr);
    } else if (!thread_cache_push(heap->caches.number, size_class, ptr)) {
        thread_caches_free(&heap->caches, size_class, ptr);
    }
}

static void *realloc_by_copy(struct heap *heap, void *ptr, size_t size)
{
    void *block = heap_alloc(heap, size, 0, false);

    if (block != NULL) {
        size_t old_size = heap_usable_size(ptr);

        memcpy(block, ptr, size < old_size ? size : old_size);
        heap_free(heap, ptr);
    }
    return block;
}

static void *realloc_in_arena(struct heap *heap, void *ptr, size_t size)
{
    void *block = satisfy(heap, &(struct block_request){.ptr = ptr, .size = size});

    if (block != NULL) {
        shortage_record_free(heap);
        heap_released(heap, HEAP_CONSIDER_EVERY);
    }
    return block;
}

/* Whether jemalloc resizes a block of the one class to the other; 0 stands for larger blocks. */
static bool is_resized_in_arena(const struct heap *heap, unsigned from, unsigned to)
{
    return (from == 0 || to == 0) && !page_blocks_keep(&heap->page_blocks, from) &&
           !page_blocks_keep(&heap->page_blocks, to);
}

void *heap_realloc(struct heap *heap, void *ptr, size_t size)
{
    unsigned from = page_map_get(ptr);
    unsigned to = size <= SIZE_CLASS_LARGEST ? size_class_of(size) : 0;
    int saved_errno = errno;
    void *block;

    if (from != 0 && from == to)
        block = ptr;
    else if (is_resized_in_arena(heap, from, to))
        block = realloc_in_arena(heap, ptr, size);
    else
        block = realloc_by_copy(heap, ptr, size);
    /* A block that cannot be shrunk stays as it is. */
    if (block == NULL && size <= heap_usable_size(ptr)) {
        errno = saved_errno;
        block = ptr;
    }
    return block;
}

size_t heap_usable_size(const void *ptr)
{
    unsigned size_class = page_map_get(ptr);

    return size_class != 0 ? size_class_size(size_class) : jemalloc_block_size(ptr);
}

void *heap_move(struct heap *heap, void *ptr)
{
    unsigned arena;
    int saved_errno = errno;

    if (!jemalloc_ctl_moving_helps(ptr) || jemalloc_ctl_arena_of(ptr, &arena) != 0)
        return NULL;
    size_t size = jemalloc_block_size(ptr);
    void *moved = block_request_attempt(&(struct block_request){.size = size}, arena);
    if (moved != NULL) {
        page_map_put(moved, page_map_get(ptr));
        memcpy(moved, ptr, size);
        if (heap != NULL)
            heap->source.flush(&heap->source, &ptr, 1);
        else
            jemalloc_block_free(ptr);
    }
    errno = saved_errno;
    return moved;
}
