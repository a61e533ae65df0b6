/* SPDX-License-Identifier: BSD-2-Clause */
/* Refills of the caches from a heap's arenas. */
#include "heap/slab_refill.h"

#include <stdatomic.h>
#include <stdbool.h>

#include "heap/block_request.h"
#include "heap/heap.h"
#include "space/page_map.h"

/* Fewer blocks, or less than this part of a slab, come one by one. */
#define LEAST_BLOCKS ((size_t)8)
#define LEAST_PART   4

/* The blocks in a slab of each class; 0 until a refill has found out. */
static atomic_size_t slab_blocks[SIZE_CLASS_LIMIT];

/* The number of blocks in the slabs that a refill takes whole; 0: none. */
static size_t plan(unsigned size_class, size_t wanted, size_t room)
{
    size_t slab = atomic_load_explicit(&slab_blocks[size_class], memory_order_relaxed);

    if (slab <= 1 || slab > room || wanted < LEAST_BLOCKS || wanted < slab / LEAST_PART)
        return 0;
    size_t count = (wanted + slab - 1) / slab * slab;
    return count <= room ? count : room / slab * slab;
}

/* -- What a slot records ----------------------------------------------------------------------- */

static bool has_partly_used(struct arena_set *set, unsigned slot, unsigned size_class)
{
    uint64_t none = atomic_load_explicit(&set->uses[slot].none_partly_used, memory_order_relaxed);

    return (none >> size_class & 1) == 0;
}

static void record_partly_used(struct arena_set *set, unsigned slot, unsigned size_class, bool has)
{
    uint64_t bit = (uint64_t)1 << size_class;

    if (has_partly_used(set, slot, size_class) == has)
        return;
    if (has)
        atomic_fetch_and_explicit(&set->uses[slot].none_partly_used, ~bit, memory_order_relaxed);
    else
        atomic_fetch_or_explicit(&set->uses[slot].none_partly_used, bit, memory_order_relaxed);
}

/*
 * The number of free blocks in slabs that are partly used, of the block's arena and class. SIZE_MAX
 * where jemalloc does not count them.
 */
static size_t count_partly_used(const void *block, unsigned size_class)
{
    struct jemalloc_use use;

    if (jemalloc_ctl_use_of(block, &use) != 0 || use.class_blocks == 0)
        return SIZE_MAX;
    atomic_store_explicit(&slab_blocks[size_class], use.slab_blocks, memory_order_relaxed);
    return use.class_free;
}

/* -- Refills ----------------------------------------------------------------------------------- */

/* blocks[count] to blocks[wanted - 1], as far as there are blocks; returns the new count. */
static size_t add_blocks(struct heap *heap, unsigned size_class, void **blocks, size_t count,
                         size_t wanted)
{
    size_t size = size_class_size(size_class);
    struct arena_slot *use;

    unsigned arena = arena_set_enter(&heap->arenas, &use);
    extent_hooks_begin(size, 0);
    size_t added = jemalloc_block_alloc_many(arena, size, blocks + count, wanted - count);
    page_map_put_many(blocks + count, added, size_class);
    arena_set_leave(use);
    return count + added;
}

/* `count` blocks in new slabs, or fewer. */
static size_t add_slabs(struct heap *heap, unsigned size_class, void **blocks, size_t count)
{
    size_t size = size_class_size(size_class);
    struct arena_slot *use;

    unsigned arena = arena_set_enter(&heap->arenas, &use);
    extent_hooks_begin(size, 0);
    size_t added = jemalloc_block_alloc_slabs(arena, size, blocks, count);
    page_map_put_many(blocks, added, size_class);
    arena_set_leave(use);
    return added;
}

/*
 * Blocks of slabs that are partly used, or else of one new slab. Only the first block is worth a
 * search for room.
 */
static size_t refill_singly(struct heap *heap, unsigned slot, unsigned size_class, void **blocks,
                            size_t wanted)
{
    size_t others = SIZE_MAX;

    blocks[0] = heap_alloc_in_arena(heap, size_class_size(size_class));
    if (blocks[0] == NULL)
        return 0;
    if (wanted >= LEAST_BLOCKS)
        others = count_partly_used(blocks[0], size_class);
    record_partly_used(&heap->arenas, slot, size_class, others >= wanted);
    return add_blocks(heap, size_class, blocks, 1, others < wanted ? others + 1 : wanted);
}

size_t slab_refill(struct heap *heap, unsigned size_class, void **blocks, size_t wanted,
                   size_t room)
{
    unsigned slot = arena_set_current_slot(&heap->arenas);
    size_t in_slabs = plan(size_class, wanted, room);
    size_t count = 0;

    if (in_slabs != 0 && !has_partly_used(&heap->arenas, slot, size_class))
        count = add_slabs(heap, size_class, blocks, in_slabs);
    if (count == 0)
        return refill_singly(heap, slot, size_class, blocks, wanted);
    bool partly_used = count_partly_used(blocks[0], size_class) != 0;
    record_partly_used(&heap->arenas, slot, size_class, partly_used);
    return count;
}

size_t slab_refill_easily(struct heap *heap, unsigned size_class, void **blocks, size_t wanted)
{
    record_partly_used(&heap->arenas, arena_set_current_slot(&heap->arenas), size_class, true);
    return add_blocks(heap, size_class, blocks, 0, wanted);
}
