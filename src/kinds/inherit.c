/* SPDX-License-Identifier: BSD-2-Clause */
/* The kinds of the parent in the child of a fork. */
#include "kinds/inherit.h"

#include <stdlib.h>
#include <string.h>

#include "space/space.h"
#include "util/errno_text.h"
#include "util/invariant.h"
#include "util/log.h"

/* -- Heaps ------------------------------------------------------------------------------------- */

/* A heap over the space, with the settings of the inherited heap; NULL. */
static struct arena_kind *create_like(struct memkind *kind, struct space *space,
                                      struct arena_kind *inherited)
{
    struct arena_kind *arena_kind = calloc(1, sizeof(*arena_kind));
    bool conservative = atomic_load(&inherited->heap.space->exact);

    if (arena_kind == NULL)
        return NULL;
    if (heap_init(&arena_kind->heap, space, NULL, kind->arena_map_len,
                  inherited->heap.hooks.hold) != 0)
        goto free_kind;
    if (conservative && heap_set_conservative(&arena_kind->heap, true) != 0)
        goto destroy;
    if (thread_caches_are_off(&inherited->heap.caches, THREAD_CACHES_PROGRAM))
        thread_caches_turn_off(&arena_kind->heap.caches, THREAD_CACHES_PROGRAM);
    shortage_set_fallback(&arena_kind->heap.shortage,
                          atomic_load(&inherited->heap.shortage.has_fallback));
    arena_kind->inherited = inherited;
    return arena_kind;

destroy:
    heap_destroy(&arena_kind->heap);
free_kind:
    free(arena_kind);
    return NULL;
}

/* Each heap belongs to an ancestor, which shares the store. */
static bool are_shared(const struct arena_kind *older)
{
    while (older != NULL && heap_is_inherited(&older->heap) && space_is_shared(older->heap.space))
        older = older->inherited;
    return older == NULL;
}

/* A heap over a store of this process's own, which keeps the inherited heap; NULL. */
static struct heap *renew(struct memkind *kind, struct arena_kind *inherited)
{
    struct space *old = inherited->heap.space;
    struct space *fresh;
    int err = old->store->renew(old, &fresh);

    if (err != 0) {
        log_error("kind %s: this process gets no file of its own (%s)", kind->name,
                  errno_text(-err));
        return NULL;
    }
    struct arena_kind *arena_kind = create_like(kind, fresh, inherited);
    if (arena_kind == NULL) {
        space_destroy(fresh);
        return NULL;
    }
    INVARIANT(are_shared(inherited));
    space_retire(old);
    if (kind->priv == old)
        kind->priv = fresh;
    return &arena_kind->heap;
}

struct heap *inherit_take_over(struct memkind *kind)
{
    struct heap *heap = kind->heap;

    if (heap->space != NULL && space_is_shared(heap->space))
        return renew(kind, (struct arena_kind *)heap);
    heap_adopt(heap);
    return heap;
}

void inherit_end(struct arena_kind *arena_kind)
{
    while (arena_kind != NULL) {
        struct arena_kind *older = arena_kind->inherited;
        struct space *space = arena_kind->heap.space;

        heap_destroy(&arena_kind->heap);
        space_destroy(space);
        free(arena_kind);
        arena_kind = older;
    }
}

/* -- Blocks ------------------------------------------------------------------------------------ */

bool inherit_finds(struct memkind *kind, const void *ptr)
{
    const struct heap *heap = arena_kind_peek(kind);

    if (heap == NULL)
        return false;
    if (heap_is_inherited(heap) && heap->space != NULL && space_is_shared(heap->space))
        return true;
    const struct arena_kind *older = ((const struct arena_kind *)heap)->inherited;
    while (older != NULL && !space_contains(older->heap.space, ptr))
        older = older->inherited;
    return older != NULL;
}
