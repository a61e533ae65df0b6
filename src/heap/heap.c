/* SPDX-License-Identifier: BSD-2-Clause */
/* One kind's heap: its arenas over its space, and what happens when there is no room. */
#include "heap/heap.h"

#include <errno.h>
#include <string.h>

#include "space/address_map.h"
#include "space/class_map.h"
#include "space/space.h"

#define DEFAULT_DECAY_MS ((ssize_t)10000)

/* A block that is wanted: a new one where ptr is NULL, else ptr in another size. */
struct request {
    void *ptr;
    size_t size;
    size_t alignment;
    bool zero;
};

int heap_init(struct heap *heap, struct space *space, extent_hooks_t *hooks, unsigned slots,
              bool hold)
{
    int err = thread_caches_init(&heap->caches, heap, space != NULL ? space->owner : 0);

    if (err != 0)
        return err;
    heap->space = space;
    heap->cached_bytes = 0;
    atomic_init(&heap->starved, 0);
    if (space != NULL) {
        extent_hooks_init(&heap->hooks, space, hold);
        hooks = &heap->hooks.table;
    }
    err = arena_set_init(&heap->arenas, hooks, slots, DEFAULT_DECAY_MS);
    if (err != 0)
        thread_caches_destroy(&heap->caches);
    return err;
}

void heap_destroy(struct heap *heap)
{
    thread_caches_destroy(&heap->caches);
    /* All file space goes with the file: no need to punch it page by page. */
    if (heap->space != NULL)
        atomic_store(&heap->space->closing, true);
    arena_set_destroy(&heap->arenas);
}

/* -- Allocation -------------------------------------------------------------------------------- */

static void *attempt(unsigned arena, const struct request *request)
{
    if (request->ptr != NULL)
        return jemalloc_ctl_realloc(arena, request->ptr, request->size);
    return jemalloc_ctl_alloc(arena, request->size, request->alignment, request->zero);
}

/*
 * The bit of `starved` for a size: four for each doubling, as jemalloc's size classes are, the last
 * one for all above 224 KiB, which come in whole pages and fail alike. Alignment makes a request
 * large.
 */
static uint64_t starved_bit(const struct request *request)
{
    enum { QUARTERS = 4, LAST = 63, FIRST_LOG2 = 2 };
    size_t size = request->size > request->alignment ? request->size : request->alignment;
    unsigned log2;
    size_t bit = 0;

    if (size > QUARTERS) {
        log2 = 63u - (unsigned)__builtin_clzll(size - 1);
        bit = (log2 - FIRST_LOG2) * QUARTERS + ((size - 1) >> (log2 - FIRST_LOG2)) % QUARTERS;
    }
    return (uint64_t)1 << (bit < LAST ? bit : LAST);
}

/* Gives back what no block uses, wherever it is, then asks the thread's own arena again and then
 * the others. */
static void *reclaim_and_retry(struct heap *heap, const struct request *request)
{
    unsigned own = arena_set_current(&heap->arenas);

    thread_caches_reclaim(&heap->caches);
    arena_set_purge(&heap->arenas);
    void *block = attempt(own, request);
    for (unsigned i = 0; block == NULL && i < arena_set_count(&heap->arenas); i++)
        if (arena_set_get(&heap->arenas, i) != own)
            block = attempt(arena_set_get(&heap->arenas, i), request);
    return block;
}

static bool can_never_fit(const struct heap *heap, size_t size)
{
    return heap->space != NULL && heap->space->max_size != 0 && size > heap->space->max_size;
}

static void no_longer_starved(struct heap *heap, uint64_t bits)
{
    if ((atomic_fetch_and(&heap->starved, ~bits) & ~bits) == 0)
        thread_caches_turn_on(&heap->caches, THREAD_CACHES_STARVED);
}

static void *alloc_when_short(struct heap *heap, const struct request *request)
{
    uint64_t bit = starved_bit(request);

    if (can_never_fit(heap, request->size) || (atomic_load(&heap->starved) & bit) != 0)
        return NULL;
    /*
     * The bit is set before anything is given back: a block that is freed after its arena was
     * purged is freed by a thread that sees the bit and clears it, and the next request tries
     * again.
     */
    atomic_fetch_or(&heap->starved, bit);
    thread_caches_turn_off(&heap->caches, THREAD_CACHES_STARVED);
    void *block = reclaim_and_retry(heap, request);
    if (block != NULL)
        no_longer_starved(heap, bit);
    return block;
}

/* The class of a block, by its usable size. */
static unsigned class_of_block(const void *block)
{
    size_t size = jemalloc_ctl_usable_size(block);

    return size <= SIZE_CLASS_LARGEST ? size_class_of(size) : 0;
}

static void *satisfy(struct heap *heap, const struct request *request)
{
    void *block = attempt(arena_set_current(&heap->arenas), request);

    if (__builtin_expect(block == NULL, 0)) {
        int saved_errno = errno;

        block = alloc_when_short(heap, request);
        errno = block != NULL ? saved_errno : ENOMEM;
        if (block == NULL)
            return NULL;
    }
    if (heap->space == NULL)
        address_map_mark_mixed(block);
    else
        class_map_put(block, class_of_block(block));
    return block;
}

size_t heap_fill(struct heap *heap, unsigned size_class, void **blocks, size_t wanted)
{
    struct request request = {.size = size_class_size(size_class)};
    unsigned arena = arena_set_current(&heap->arenas);
    size_t count;

    /* Only for the first block is it worth an effort. */
    blocks[0] = satisfy(heap, &request);
    if (blocks[0] == NULL)
        return 0;
    for (count = 1; count < wanted; count++) {
        blocks[count] = attempt(arena, &request);
        if (blocks[count] == NULL)
            break;
        class_map_put(blocks[count], size_class);
    }
    return count;
}

/* The class whose blocks are aligned and large enough, 0 where there is none that threads keep. */
static unsigned cached_class(size_t size, size_t alignment)
{
    if (alignment > 1)
        size = (size + alignment - 1) & ~(alignment - 1);
    if (size == 0 || size > SIZE_CLASS_LARGEST || alignment > CLASS_MAP_PAGE)
        return 0;
    unsigned size_class = size_class_of(size);
    return alignment > 1 && (size_class_size(size_class) & (alignment - 1)) != 0 ? 0 : size_class;
}

void *heap_alloc(struct heap *heap, size_t size, size_t alignment, bool zero)
{
    unsigned size_class = cached_class(size, alignment);

    if (size_class == 0 || heap->space == NULL)
        return satisfy(heap, &(struct request){.size = size, .alignment = alignment, .zero = zero});
    void *block = thread_cache_pop(heap->caches.number, size_class);
    if (block == NULL)
        block = thread_caches_alloc(&heap->caches, size_class);
    if (block != NULL && zero)
        memset(block, 0, size);
    return block;
}

/* Something may fit now that did not before. */
static void note_freed(struct heap *heap)
{
    if (__builtin_expect(atomic_load_explicit(&heap->starved, memory_order_relaxed) != 0, 0))
        no_longer_starved(heap, UINT64_MAX);
}

void heap_drain(struct heap *heap, void *const *blocks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        jemalloc_ctl_free(blocks[i]);
    if (count != 0)
        note_freed(heap);
}

void heap_free(struct heap *heap, void *ptr)
{
    unsigned size_class = class_map_get(ptr);

    if (size_class == 0)
        heap_drain(heap, &ptr, 1);
    else if (!thread_cache_push(heap->caches.number, size_class, ptr))
        thread_caches_free(&heap->caches, size_class, ptr);
}

/* A block that threads keep, moved to another class; both ends of the way are fast. */
static void *realloc_cached(struct heap *heap, void *ptr, unsigned size_class, size_t size)
{
    void *block = heap_alloc(heap, size, 0, false);

    if (block != NULL) {
        size_t old_size = size_class_size(size_class);

        memcpy(block, ptr, size < old_size ? size : old_size);
        heap_free(heap, ptr);
    }
    return block;
}

void *heap_realloc(struct heap *heap, void *ptr, size_t size)
{
    unsigned size_class = class_map_get(ptr);

    if (size_class != 0 && size <= SIZE_CLASS_LARGEST)
        return size_class_of(size) == size_class ? ptr
                                                 : realloc_cached(heap, ptr, size_class, size);
    void *block = satisfy(heap, &(struct request){.ptr = ptr, .size = size});
    if (block != NULL)
        note_freed(heap);
    return block;
}

size_t heap_usable_size(const void *ptr)
{
    unsigned size_class = class_map_get(ptr);

    return size_class != 0 ? size_class_size(size_class) : jemalloc_ctl_usable_size(ptr);
}

void *heap_move(void *ptr)
{
    unsigned arena;
    int saved_errno = errno;

    if (!jemalloc_ctl_moving_helps(ptr) || jemalloc_ctl_arena_of(ptr, &arena) != 0)
        return NULL;
    size_t size = jemalloc_ctl_usable_size(ptr);
    void *moved = jemalloc_ctl_alloc(arena, size, 0, false);
    if (moved != NULL) {
        class_map_put(moved, class_map_get(ptr));
        memcpy(moved, ptr, size);
        jemalloc_ctl_free(ptr);
    }
    errno = saved_errno;
    return moved;
}

/* -- Settings and counters --------------------------------------------------------------------- */

int heap_set_conservative(struct heap *heap, bool conservative)
{
    int err = arena_set_decay(&heap->arenas, conservative ? 0 : DEFAULT_DECAY_MS);

    if (err != 0)
        return err;
    if (heap->space != NULL)
        atomic_store(&heap->space->exact, conservative);
    if (conservative) {
        thread_caches_turn_off(&heap->caches, THREAD_CACHES_POLICY);
        thread_caches_reclaim(&heap->caches);
    } else {
        thread_caches_turn_on(&heap->caches, THREAD_CACHES_POLICY);
    }
    return 0;
}

void heap_update_stats(struct heap *heap)
{
    heap->cached_bytes = thread_caches_bytes(&heap->caches);
}

int heap_stats(const struct heap *heap, struct jemalloc_stats *stats)
{
    *stats = (struct jemalloc_stats){0};
    for (unsigned i = 0; i < arena_set_count(&heap->arenas); i++) {
        int err = jemalloc_ctl_add_arena_stats(arena_set_get(&heap->arenas, i), stats);

        if (err != 0)
            return err;
    }
    /* The arenas count what threads keep as handed out; the program does not. */
    stats->allocated -=
        heap->cached_bytes < stats->allocated ? heap->cached_bytes : stats->allocated;
    return 0;
}
