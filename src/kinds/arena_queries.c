/* SPDX-License-Identifier: BSD-2-Clause */
/* Arenas and counters of a kind: memkind_arena(3). */
#include <string.h>

#include "heap/heap_stats.h"
#include "kinds/arena_kind.h"
#include "kinds/kind_registry.h"
#include "kinds/stats.h"

int memkind_thread_get_arena(struct memkind *kind, unsigned int *arena, size_t size)
{
    struct heap *heap = arena_kind_heap(kind);

    (void)size;
    if (heap == NULL)
        return MEMKIND_ERROR_RUNTIME;
    *arena = arena_set_current(&heap->arenas);
    return MEMKIND_SUCCESS;
}

int memkind_bijective_get_arena(struct memkind *kind, unsigned int *arena, size_t size)
{
    struct heap *heap = arena_kind_heap(kind);

    (void)size;
    if (heap == NULL)
        return MEMKIND_ERROR_RUNTIME;
    *arena = arena_set_get(&heap->arenas, 0);
    return MEMKIND_SUCCESS;
}

int memkind_arena_get_stat(memkind_t kind, memkind_stat_type stat, size_t *value)
{
    struct jemalloc_stats stats = {0};
    struct heap *heap = arena_kind_peek(kind);

    /* A kind without a heap, or with an inherited heap, has allocated nothing. */
    if (arena_kind_is_usable(heap) && heap_stats_get(heap, &stats) != 0)
        return MEMKIND_ERROR_RUNTIME;
    return stats_select(&stats, stat, value);
}

/* -- For interfaces of other allocators -------------------------------------------------------- */

int memkind_arena_get_slab(struct memkind *kind, const void *ptr, struct memkind_arena_slab *slab)
{
    struct jemalloc_use use;

    *slab = (struct memkind_arena_slab){0};
    if (ptr == NULL || kind_registry_detect((void *)(uintptr_t)ptr) != kind ||
        jemalloc_ctl_use_of(ptr, &use) != 0 || use.slab_blocks == 0)
        return MEMKIND_ERROR_INVALID;
    *slab = (struct memkind_arena_slab){
        .being_filled = use.slab_being_filled,
        .free = use.slab_free,
        .blocks = use.slab_blocks,
        .size = use.slab_size,
        .all_free = use.class_free,
        .all_blocks = use.class_blocks,
    };
    return MEMKIND_SUCCESS;
}

/* jemalloc has other names, and reading some of them changes its state. */
static bool is_number(const char *name)
{
    static const char *const known[] = {"stats.", "arenas.n", "arenas.page", "arenas.bin.",
                                        "arenas.lextent."};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strncmp(name, known[i], strlen(known[i])) == 0)
            return true;
    return false;
}

/* The part of the name after the number of an arena; NULL where the name has no such number. */
static const char *after_arena(const char *name)
{
    static const char prefix[] = "stats.arenas.";

    if (strncmp(name, prefix, sizeof(prefix) - 1) != 0)
        return NULL;
    name += sizeof(prefix) - 1;
    size_t digits = strspn(name, "0123456789");
    return digits != 0 && name[digits] == '.' ? name + digits + 1 : NULL;
}

/* 0 for a kind without a heap or with an inherited heap, which has allocated nothing. */
static uint64_t sum(struct memkind *kind, const char *name)
{
    const struct heap *heap = kind != NULL ? arena_kind_peek(kind) : NULL;

    return arena_kind_is_usable(heap) ? heap_stats_sum(heap, name) : 0;
}

int memkind_arena_get_number(struct memkind *kind, const char *name, uint64_t *value, size_t *size)
{
    const char *of_arena = after_arena(name);

    if (!is_number(name))
        return MEMKIND_ERROR_INVALID;
    if (of_arena == NULL)
        return jemalloc_ctl_number(name, value, size) == 0 ? MEMKIND_SUCCESS
                                                           : MEMKIND_ERROR_INVALID;
    /* Arena 0 always exists: it tells whether there is a number of that name, and its size. */
    if (jemalloc_ctl_arena_number(0, of_arena, value, size) != 0)
        return MEMKIND_ERROR_INVALID;
    *value = sum(kind, of_arena);
    return MEMKIND_SUCCESS;
}
