/* SPDX-License-Identifier: BSD-2-Clause */
/* A heap's life and its settings. */
#include "heap/heap.h"

#include "heap/child_needs.h"
#include "heap/heap_source.h"
#include "heap/idle_thread.h"
#include "heap/owned_cache.h"
#include "space/range.h"
#include "space/snapshot.h"
#include "space/space.h"
#include "util/decay.h"

/*
 * Where the store must not become long, an arena's next region is at most this part of the store's
 * longest length: a last region that does not fit any more is lost.
 */
#define REGION_SHARE 1024

/* Hooks over the space, if there is one, in *hooks. 0 or -errno. */
static int make_hooks(struct heap *heap, struct space *space, bool hold, extent_hooks_t **hooks)
{
    if (space == NULL)
        return 0;
    *hooks = &heap->hooks.table;
    if (space->range != NULL) {
        range_hooks_init(&heap->range_hooks, space->range);
        *hooks = &heap->range_hooks.table;
    }
    return extent_hooks_init(&heap->hooks, space, hold);
}

static void end_hooks(struct heap *heap)
{
    if (heap->space != NULL)
        extent_hooks_fini(&heap->hooks);
}

static void limit_growth(struct heap *heap)
{
    size_t longest = heap->space != NULL ? space_longest(heap->space) : SIZE_MAX;
    size_t growth = longest / REGION_SHARE;

    if (longest != SIZE_MAX)
        arena_set_limit_growth(&heap->arenas, growth < SPACE_CHUNK ? SPACE_CHUNK : growth);
}

int heap_init(struct heap *heap, struct space *space, extent_hooks_t *hooks, unsigned slots,
              bool hold)
{
    heap_source_init(&heap->source);
    int err = thread_caches_init(&heap->caches, &heap->source, space != NULL ? space->owner : 0);

    if (err != 0)
        return err;
    heap->space = space;
    atomic_init(&heap->cached_bytes, 0);
    atomic_init(&heap->generation, fork_generation);
    heap->unused_before = 0;
    heap->quiet_checks = 0;
    atomic_init(&heap->settled, 0);
    err = make_hooks(heap, space, hold, &hooks);
    if (err != 0)
        goto destroy_caches;
    err = page_blocks_init(&heap->page_blocks, hold ? NULL : space);
    if (err != 0)
        goto end_hooks;
    err = shortage_init(&heap->shortage);
    if (err != 0)
        goto destroy_page_blocks;
    err = arena_set_init(&heap->arenas, hooks, slots, DECAY_MS);
    if (err == 0) {
        limit_growth(heap);
        idle_thread_configure();
        heap_list_add(heap);
        return 0;
    }
    shortage_destroy(&heap->shortage);
destroy_page_blocks:
    page_blocks_destroy(&heap->page_blocks);
end_hooks:
    end_hooks(heap);
destroy_caches:
    thread_caches_destroy(&heap->caches);
    return err;
}

void heap_destroy(struct heap *heap)
{
    heap_list_remove(heap);
    thread_caches_destroy(&heap->caches);
    /* All file space ends with the file, and need not be punched page by page. */
    if (heap->space != NULL)
        atomic_store(&heap->space->closing, true);
    arena_set_destroy(&heap->arenas);
    end_hooks(heap);
    page_blocks_destroy(&heap->page_blocks);
    shortage_destroy(&heap->shortage);
}

static const struct space *space_of(const struct thread_caches *caches)
{
    return ((const struct heap *)((const char *)caches - offsetof(struct heap, caches)))->space;
}

static void fill_for_child(struct thread_caches *caches)
{
    const struct space *space = space_of(caches);

    if (space == NULL || !space->store->is_shared || space_snapshot_is_enabled(space))
        child_needs_fill(caches);
}

void heap_fill_caches_for_child(void)
{
    owned_cache_visit_own(fill_for_child);
}

/* Whether the memory of the heap's caches is this process's own after the fork. */
static bool is_own_after_fork(const struct thread_caches *caches)
{
    const struct space *space = space_of(caches);

    return space == NULL || !space->store->is_shared || space_snapshot_is_made(space);
}

void heap_keep_own_caches(void)
{
    owned_cache_keep(is_own_after_fork);
}

/* What other threads may have been changing is forgotten. */
static void forget_threads(struct heap *heap)
{
    shortage_adopt(&heap->shortage);
    thread_caches_forget(&heap->caches);
    page_blocks_adopt(&heap->page_blocks);
    arena_set_adopt(&heap->arenas);
    if (heap->space != NULL) {
        extent_hooks_adopt(&heap->hooks);
        space_adopt(heap->space);
    }
    atomic_store(&heap->cached_bytes, 0);
}

void heap_adopt(struct heap *heap)
{
    if (heap->generation < fork_child_intact_since)
        forget_threads(heap);
    else
        shortage_forget(&heap->shortage);
    thread_caches_adopt(&heap->caches);
    atomic_store_explicit(&heap->generation, fork_generation, memory_order_release);
}

int heap_set_conservative(struct heap *heap, bool conservative)
{
    int err = arena_set_decay(&heap->arenas, conservative ? 0 : DECAY_MS);

    if (err != 0)
        return err;
    if (heap->space != NULL)
        atomic_store(&heap->space->exact, conservative);
    if (conservative) {
        thread_caches_turn_off(&heap->caches, THREAD_CACHES_POLICY);
        thread_caches_reclaim(&heap->caches);
        page_blocks_purge(&heap->page_blocks);
        if (heap->space != NULL)
            space_trim(heap->space);
    } else {
        thread_caches_turn_on(&heap->caches, THREAD_CACHES_POLICY);
    }
    return 0;
}
