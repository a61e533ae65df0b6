/* SPDX-License-Identifier: BSD-2-Clause */
/* The heap's arenas as the source of its caches' blocks. */
#include "heap/heap_source.h"

#include <string.h>

#include "heap/block_request.h"
#include "heap/heap.h"
#include "heap/heap_unused.h"
#include "heap/slab_refill.h"
#include "space/page_map.h"
#include "util/lock.h"

static struct heap *heap_of(struct block_source *source)
{
    return (struct heap *)((char *)source - offsetof(struct heap, source));
}

static size_t refill_easily(struct block_source *source, unsigned size_class, void **blocks,
                            size_t wanted)
{
    struct heap *heap = heap_of(source);

    if (page_blocks_keep(&heap->page_blocks, size_class))
        return 0;
    return slab_refill_easily(heap, size_class, blocks, wanted);
}

/* Blocks of class 0 have any size. */
static void flush_to_arenas(unsigned size_class, void *const *blocks, size_t count)
{
    if (size_class != 0) {
        jemalloc_block_free_many(blocks, count, size_class_size(size_class));
        return;
    }
    for (size_t i = 0; i < count; i++)
        jemalloc_block_free(blocks[i]);
}

/* All blocks are of the class. */
static void flush_class(struct heap *heap, unsigned size_class, void *const *blocks, size_t count)
{
    if (!page_blocks_keep(&heap->page_blocks, size_class) ||
        !page_blocks_put(&heap->page_blocks, size_class, blocks, count))
        flush_to_arenas(size_class, blocks, count);
}

/*
 * Stores the blocks of a slab that jemalloc has just created, all of them; returns how many. One
 * block where the search for room found one that was kept.
 */
static size_t take_slab_locked(struct heap *heap, unsigned size_class, void **slab)
{
    const struct block_request request = {.size = size_class_size(size_class)};
    struct jemalloc_use use;
    unsigned arena;
    size_t count = 1;

    slab[0] = heap_alloc_in_arena(heap, request.size);
    if (slab[0] == NULL)
        return 0;
    if (jemalloc_ctl_use_of(slab[0], &use) != 0 || use.slab_free == 0 ||
        jemalloc_ctl_arena_of(slab[0], &arena) != 0)
        return 1;
    for (; count <= use.slab_free && count < PAGE_BLOCKS_IN_SLAB; count++) {
        slab[count] = block_request_attempt(&request, arena);
        if (slab[count] == NULL)
            break;
        page_map_put(slab[count], size_class);
    }
    return count;
}

/*
 * Takes a slab from jemalloc whole, and keeps the blocks that the caller does not want: jemalloc
 * would keep their pages. One thread at a time, so that no slab is left in part.
 */
static size_t refill_from_slab(struct heap *heap, unsigned size_class, void **blocks, size_t wanted)
{
    void *slab[PAGE_BLOCKS_IN_SLAB];

    lock_acquire(&heap->page_blocks.slab_lock, LOCK_PAGE_SLAB);
    size_t count = take_slab_locked(heap, size_class, slab);
    lock_release(&heap->page_blocks.slab_lock);
    size_t used = count < wanted ? count : wanted;
    memcpy(blocks, slab, used * sizeof(*blocks));
    if (count > used)
        flush_class(heap, size_class, slab + used, count - used);
    return used;
}

static size_t refill(struct block_source *source, unsigned size_class, void **blocks, size_t wanted,
                     size_t room)
{
    struct heap *heap = heap_of(source);

    if (!page_blocks_keep(&heap->page_blocks, size_class))
        return slab_refill(heap, size_class, blocks, wanted, room);
    size_t count = page_blocks_take(&heap->page_blocks, size_class, blocks, wanted);
    return count != 0 ? count : refill_from_slab(heap, size_class, blocks, wanted);
}

static void flush(struct block_source *source, void *const *blocks, size_t count)
{
    struct heap *heap = heap_of(source);

    if (count == 0)
        return;
    flush_class(heap, page_map_get(blocks[0]), blocks, count);
    shortage_record_free(heap);
}

static void released(struct block_source *source, size_t bytes)
{
    heap_released(heap_of(source), bytes);
}

static void age(struct block_source *source)
{
    struct heap *heap = heap_of(source);

    page_blocks_age(&heap->page_blocks);
    arena_set_age(&heap->arenas);
}

void heap_source_init(struct block_source *source)
{
    *source = (struct block_source){.refill = refill,
                                    .refill_easily = refill_easily,
                                    .flush = flush,
                                    .released = released,
                                    .age = age};
}
