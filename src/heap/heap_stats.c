/* SPDX-License-Identifier: BSD-2-Clause */
/* A heap's counters. */
#include "heap/heap_stats.h"

#include <errno.h>

#include "heap/heap.h"

void heap_stats_update(struct heap *heap)
{
    atomic_store(&heap->cached_bytes, thread_caches_bytes(&heap->caches));
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
    /* For the arenas, blocks in caches are allocated; for the program, they are free. */
    size_t cached = atomic_load(&heap->cached_bytes);
    stats->allocated -= cached < stats->allocated ? cached : stats->allocated;
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
