/* SPDX-License-Identifier: BSD-2-Clause */
/* The heap's arenas as the source of its caches' blocks. */
#include "heap/heap_source.h"

#include "heap/block_request.h"
#include "heap/fork_gate.h"
#include "heap/heap.h"
#include "heap/heap_unused.h"
#include "space/page_map.h"

static struct heap *heap_of(struct block_source *source)
{
    return (struct heap *)((char *)source - offsetof(struct heap, source));
}

/* Only the first block is worth a search for room. */
static size_t refill(struct block_source *source, unsigned size_class, void **blocks, size_t wanted)
{
    struct heap *heap = heap_of(source);
    struct block_request request = {.size = size_class_size(size_class)};
    struct arena_slot *use;
    size_t count;

    blocks[0] = heap_alloc_uncached(heap, request.size);
    if (blocks[0] == NULL)
        return 0;
    unsigned arena = arena_set_enter(&heap->arenas, &use);
    struct fork_gate_thread *self = fork_gate_enter();
    for (count = 1; count < wanted; count++) {
        blocks[count] = block_request_attempt(&request, arena);
        if (blocks[count] == NULL)
            break;
        page_map_put(blocks[count], size_class);
    }
    fork_gate_leave(self);
    arena_set_leave(use);
    return count;
}

static void flush(struct block_source *source, void *const *blocks, size_t count)
{
    if (count == 0)
        return;
    struct fork_gate_thread *self = fork_gate_enter();
    for (size_t i = 0; i < count; i++)
        jemalloc_block_free(blocks[i]);
    fork_gate_leave(self);
    shortage_record_free(heap_of(source));
}

static void released(struct block_source *source, size_t bytes)
{
    heap_released(heap_of(source), bytes);
}

static void age(struct block_source *source)
{
    arena_set_age(&heap_of(source)->arenas);
}

void heap_source_init(struct block_source *source)
{
    *source =
        (struct block_source){.refill = refill, .flush = flush, .released = released, .age = age};
}
