/* SPDX-License-Identifier: BSD-2-Clause */
/* Kinds of which the child of a fork gets a copy. */
#include "kinds/fork_snapshot.h"

#include <errno.h>

#include "heap/heap.h"
#include "kinds/arena_kind.h"
#include "kinds/kind_registry.h"
#include "os/holders.h"
#include "os/late_unmap.h"
#include "os/shared_futex.h"
#include "space/freeze.h"
#include "space/freeze_maps.h"
#include "space/snapshot.h"
#include "space/space.h"
#include "space/thaw.h"
#include "util/cancel.h"
#include "util/fork_generation.h"

_Static_assert((int)MEMKIND_SNAPSHOT_NONE == SPACE_SNAPSHOT_NONE &&
                   (int)MEMKIND_SNAPSHOT_COPY == SPACE_SNAPSHOT_COPY &&
                   (int)MEMKIND_SNAPSHOT_FAILED == SPACE_SNAPSHOT_FAILED,
               "memkind_get_snapshot() returns the space's value");

static struct heap *heap_of(const struct memkind *kind)
{
    return kind != NULL ? __atomic_load_n(&kind->heap, __ATOMIC_ACQUIRE) : NULL;
}

/*
 * Calls `call` for each kind that children get a copy of. fork.c holds the lock of the registry, so
 * no kind is created or destroyed.
 */
static void for_each(void (*call)(struct memkind *kind))
{
    if (!space_snapshot_is_enabled_for_any())
        return;
    for (unsigned i = 0; i < MEMKIND_NUM_BASE_KIND + MEMKIND_MAX_KIND; i++) {
        struct memkind *kind = kind_registry_get(i);
        const struct heap *heap = heap_of(kind);

        if (heap != NULL && heap->space != NULL && space_snapshot_is_enabled(heap->space))
            call(kind);
    }
}

/* The same in a fork handler: no cancellation point, and errno is kept. */
static void handle_each(void (*call)(struct memkind *kind))
{
    int saved_errno = errno;
    int cancel = cancel_hold();

    for_each(call);
    cancel_restore(cancel);
    errno = saved_errno;
}

/*
 * The generation of the heaps that take part in the current fork. The other heaps' spaces belong to
 * ancestors, which may be changing them.
 */
static unsigned generation FORK_DATA;

/* Whether the current fork has copied a space, or failed to copy one. */
static bool has_copies FORK_DATA;

static struct space *space_in_fork(const struct memkind *kind)
{
    const struct heap *heap = heap_of(kind);

    return heap_is_of_generation(heap, generation) ? heap->space : NULL;
}

static void hold(struct memkind *kind)
{
    struct space *space = space_in_fork(kind);

    if (space != NULL)
        space_snapshot_hold(space);
}

static void begin(struct memkind *kind)
{
    struct space *space = space_in_fork(kind);

    if (space != NULL)
        space_snapshot_begin(space);
}

static void begin_alone(struct memkind *kind)
{
    struct space *space = space_in_fork(kind);

    if (space == NULL)
        return;
    space_snapshot_begin_alone(space);
    if (!space->is_frozen)
        has_copies = true;
}

static void end_in_parent(struct memkind *kind)
{
    space_snapshot_end(heap_of(kind)->space, false);
}

static void end_in_child(struct memkind *kind)
{
    space_snapshot_end(heap_of(kind)->space, true);
}

static void end_alone_in_parent(struct memkind *kind)
{
    struct space *space = space_in_fork(kind);

    if (space != NULL)
        space_snapshot_end_alone(space, false);
}

static void end_alone_in_child(struct memkind *kind)
{
    struct heap *heap = heap_of(kind);
    struct space *space = space_in_fork(kind);

    if (space == NULL)
        return;
    space_snapshot_end_alone(space, true);
    if (space->copied)
        heap_adopt(heap);
}

static void wake(const void *futex)
{
    const struct memkind *kind = kind_registry_detect(futex);
    struct space *space = kind != NULL ? space_in_fork(kind) : NULL;

    if (space != NULL && space->is_frozen)
        freeze_wake(space, futex);
}

/* What threads wait for has become private memory. */
static void wake_waiters(void)
{
    int cancel = cancel_hold();

    if (freeze_has_frozen())
        shared_futex_each_waited(wake);
    cancel_restore(cancel);
}

static void end_freezing(void)
{
    freeze_maps_forget();
    thaw_before_fork();
}

void fork_snapshot_before(void)
{
    if (!space_snapshot_is_enabled_for_any())
        return;
    generation = fork_generation;
    handle_each(hold);
    handle_each(begin);
    wake_waiters();
    end_freezing();
}

void fork_snapshot_before_alone(void)
{
    if (!space_snapshot_is_enabled_for_any())
        return;
    generation = fork_generation;
    has_copies = false;
    handle_each(begin_alone);
    end_freezing();
}

void fork_snapshot_in_parent(void)
{
    handle_each(end_in_parent);
}

void fork_snapshot_in_alone_parent(void)
{
    handle_each(end_alone_in_parent);
}

void fork_snapshot_in_child(void)
{
    holders_after_fork();
    late_unmap_after_fork();
    handle_each(end_in_child);
}

void fork_snapshot_in_alone_child(void)
{
    holders_after_fork();
    late_unmap_after_fork();
    handle_each(end_alone_in_child);
}

bool fork_snapshot_has_copies(void)
{
    return has_copies;
}

static void adopt(struct memkind *kind)
{
    if (heap_of(kind)->space->copied)
        arena_kind_ready(kind);
}

void fork_snapshot_adopt(void)
{
    for_each(adopt);
}

memkind_snapshot fork_snapshot_of(const struct memkind *kind)
{
    const struct heap *heap = heap_of(kind);

    return heap == NULL || heap->space == NULL
               ? MEMKIND_SNAPSHOT_NONE
               : (memkind_snapshot)atomic_load(&heap->space->snapshot);
}
