/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that a heap holds and no block uses, and its release to the store. */
#include "heap/heap_unused.h"

#include "heap/heap.h"
#include "heap/idle_thread.h"
#include "space/space.h"
#include "space/surplus.h"
#include "space/thaw.h"
#include "util/decay.h"

/* Less than this may stay unreleased while the program makes no calls. */
#define MUCH_UNUSED ((size_t)4 << 20)

/* Bytes that a thread's cache is assumed to hold. */
#define CACHE_ESTIMATE ((size_t)256 << 10)

/*
 * After so many checks without a change, one each second, nothing more will be released: more than
 * the decay time.
 */
#define QUIET_CHECKS (DECAY_SECONDS + 3)

bool heap_can_release(const struct heap *heap)
{
    const struct space *space = heap->space;

    return space != NULL && space->range == NULL && !heap->hooks.hold && !heap_is_inherited(heap) &&
           !atomic_load_explicit(&space->cannot_release, memory_order_relaxed);
}

size_t heap_unused_bytes(const struct heap *heap)
{
    const struct space *space = heap->space;
    size_t held = space_held(space) + atomic_load_explicit(&space->stale, memory_order_relaxed);
    size_t free_bytes = page_blocks_bytes(&heap->page_blocks);
    size_t active = arena_set_active_bytes(&heap->arenas);
    size_t rest = atomic_load_explicit(&space->ahead, memory_order_relaxed) +
                  (active > free_bytes ? active - free_bytes : 0);

    return held > rest ? held - rest : 0;
}

bool heap_has_much_unused(const struct heap *heap)
{
    size_t settled = atomic_load_explicit(&heap->settled, memory_order_relaxed);

    if (!heap_can_release(heap) || space_held(heap->space) < settled + MUCH_UNUSED)
        return false;
    size_t caches = thread_caches_count(&heap->caches);
    size_t cached = caches > 1 ? (caches - 1) * CACHE_ESTIMATE : 0;
    return heap_unused_bytes(heap) + cached >= settled + MUCH_UNUSED;
}

void heap_released(struct heap *heap, size_t bytes)
{
    static _Thread_local size_t releases;

    releases += bytes;
    if (releases < HEAP_CONSIDER_EVERY || idle_thread_is_running())
        return;
    releases = 0;
    if (heap_has_much_unused(heap))
        idle_thread_start();
}

bool heap_maintain(struct heap *heap)
{
    if (!heap_can_release(heap))
        return false;
    thread_caches_maintain(&heap->caches);
    space_retry(heap->space);
    size_t unused = heap_unused_bytes(heap) + thread_caches_bytes(&heap->caches);
    heap->quiet_checks = unused == heap->unused_before ? heap->quiet_checks + 1 : 0;
    heap->unused_before = unused;
    bool is_settled = heap->quiet_checks >= QUIET_CHECKS;
    if (is_settled || unused < atomic_load(&heap->settled))
        atomic_store(&heap->settled, unused);
    return unused != 0 && !is_settled;
}

void heap_purge(struct heap *heap)
{
    (void)thread_caches_reclaim(&heap->caches);
    if (heap->space != NULL)
        thaw_all(heap->space, false);
    page_blocks_purge(&heap->page_blocks);
    arena_set_purge(&heap->arenas);
    if (heap->space != NULL) {
        (void)space_trim(heap->space);
        surplus_release(heap->space);
    }
}

bool heap_has_frozen(const struct heap *heap)
{
    return heap->space != NULL && !heap_is_inherited(heap) && thaw_is_due(heap->space);
}

bool heap_thaw(struct heap *heap)
{
    return heap_has_frozen(heap) && thaw_in_background(heap->space);
}
