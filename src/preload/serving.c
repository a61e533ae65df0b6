/* SPDX-License-Identifier: BSD-2-Clause */
/* The process's malloc on one kind. */
#include "preload/serving.h"

#include "memkind/internal/memkind_arena.h"
#include "preload/preload.h"

static void *kind_malloc(size_t size)
{
    return memkind_malloc(preload.kind, size);
}

static void *kind_calloc(size_t size)
{
    return memkind_calloc(preload.kind, 1, size);
}

static void *kind_memalign(size_t alignment, size_t size)
{
    void *block = NULL;

    return memkind_posix_memalign(preload.kind, &block, alignment, size) == 0 ? block : NULL;
}

static void *kind_malloc_uncached(size_t size)
{
    return memkind_arena_malloc_uncached(preload.kind, size);
}

bool serving_has_one_heap(memkind_t kind)
{
    return kind->ops->malloc == memkind_arena_malloc;
}

void serving_be_fast(struct serving *serving, memkind_t kind)
{
    serving->fast_malloc = kind->ops->malloc;
    serving->fast_calloc = kind->ops->calloc;
    serving->fast_free = kind->ops->free;
}

struct serving serving_by_kind(memkind_t kind)
{
    bool one_heap = serving_has_one_heap(kind);
    struct serving serving = {
        .kinds = {kind},
        .count = 1,
        .malloc = kind_malloc,
        .calloc = kind_calloc,
        .memalign = kind_memalign,
        .realloc = memkind_realloc,
        .free = memkind_free,
        .malloc_uncached = one_heap ? kind_malloc_uncached : kind_malloc,
        .free_uncached = one_heap ? memkind_arena_free_uncached : memkind_free,
    };
    serving_be_fast(&serving, kind);
    return serving;
}
