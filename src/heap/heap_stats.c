/* SPDX-License-Identifier: BSD-2-Clause */
/* A heap's counters. */
#include "heap/heap_stats.h"

#include <errno.h>

#include "heap/heap.h"

void heap_stats_update(struct heap *heap)
{
    size_t free_bytes = page_blocks_bytes(&heap->page_blocks);

    atomic_store(&heap->free_page_bytes, free_bytes);
    atomic_store(&heap->cached_bytes, thread_caches_bytes(&heap->caches) + free_bytes);
}

static void subtract(size_t *from, size_t bytes)
{
    *from -= bytes < *from ? bytes : *from;
}

int heap_stats_get(const struct heap *heap, struct jemalloc_stats *stats)
{
    *stats = (struct jemalloc_stats){0};
    for (unsigned i = 0; i < arena_set_count(&heap->arenas); i++) {
        int err = jemalloc_ctl_add_arena_stats(arena_set_get(&heap->arenas, i), stats);

        /* An arena created since the last update has no counters. */
        if (err != 0 && err != -ENOENT)
            return err;
    }
    /* For the arenas, free blocks in caches and page_blocks are allocated, with all their pages. */
    size_t clean = page_blocks_clean_bytes(&heap->page_blocks);
    subtract(&stats->allocated, atomic_load(&heap->cached_bytes));
    subtract(&stats->active, atomic_load(&heap->free_page_bytes));
    subtract(&stats->resident, clean);
    return 0;
}

uint64_t heap_stats_sum(const struct heap *heap, const char *name)
{
    uint64_t sum = 0;

    /* An arena created since the last update has no numbers. */
    for (unsigned i = 0; i < arena_set_count(&heap->arenas); i++) {
        uint64_t value;
        size_t size;
        if (jemalloc_ctl_arena_number(arena_set_get(&heap->arenas, i), name, &value, &size) == 0)
            sum += value;
    }
    return sum;
}
