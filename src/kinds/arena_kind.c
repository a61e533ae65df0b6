/* SPDX-License-Identifier: BSD-2-Clause */
/* The heap of a kind: memkind_arena(3). */
#include "kinds/arena_kind.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "heap/heap_unused.h"
#include "heap/thread_own.h"
#include "kinds/inherit.h"
#include "kinds/kind_ops.h"
#include "kinds/kind_registry.h"
#include "kinds/static_kinds.h"
#include "memkind/internal/memkind_default.h"
#include "os/cpus.h"
#include "space/space.h"
#include "space/thaw.h"
#include "store/anonymous_store.h"
#include "util/env.h"
#include "util/fork_child.h"
#include "util/invariant.h"
#include "util/lock.h"
#include "util/log.h"
#include "util/signals_off.h"

#define ARENAS_PER_CPU    4u
#define ARENAS_BY_DEFAULT 256u              /* at most, unless the environment sets more */
#define ARENAS_AT_MOST    4096u             /* as many as jemalloc can number */
#define BYTES_PER_ARENA   ((size_t)8 << 20) /* of max_size, at least */

_Static_assert(ADDRESS_MAP_FIRST_OWNER + KIND_REGISTRY_PARTITIONS <= THREAD_CACHE_HEAPS,
               "threads have no caches for the last kinds");

/* -- How many arenas --------------------------------------------------------------------------- */

/* The largest power of two up to n. n is not 0. */
static unsigned power_of_two_below(unsigned n)
{
    return 1u << (31 - __builtin_clz(n));
}

int memkind_set_arena_map_len(struct memkind *kind)
{
    unsigned arenas = cpus_usable() * ARENAS_PER_CPU;
    int err = 0;

    if (arenas > ARENAS_BY_DEFAULT)
        arenas = ARENAS_BY_DEFAULT;
    if (kind->ops->get_arena == memkind_bijective_get_arena)
        arenas = 1;
    else if (kind != &static_kind_default) /* the variable does not apply to it */
        err = env_uint("MEMKIND_ARENA_NUM_PER_KIND", 1, INT_MAX, &arenas);
    if (err == -EINVAL) {
        log_error("MEMKIND_ARENA_NUM_PER_KIND is not a number from 1 to %d", INT_MAX);
        return MEMKIND_ERROR_ENVIRON;
    }
    if (arenas > ARENAS_AT_MOST)
        arenas = ARENAS_AT_MOST;
    kind->arena_map_len = power_of_two_below(arenas);
    kind->arena_map_mask = kind->arena_map_len - 1;
    return MEMKIND_SUCCESS;
}

/* -- Life -------------------------------------------------------------------------------------- */

static bool hold_memory(void)
{
    bool hold = false;

    if (env_flag("MEMKIND_HOG_MEMORY", &hold) == -EINVAL)
        log_error("MEMKIND_HOG_MEMORY is neither 0 nor 1 and is ignored");
    return hold;
}

static int status_of(int err)
{
    switch (err) {
    case 0:
        return MEMKIND_SUCCESS;
    case -ENOMEM:
        return MEMKIND_ERROR_MALLOC;
    case -ENFILE:
        return MEMKIND_ERROR_TOOMANY;
    case -ENOTSUP:
        errno = ENOTSUP;
        return MEMKIND_ERROR_ARENAS_CREATE;
    default:
        return MEMKIND_ERROR_ARENAS_CREATE;
    }
}

/* Threads may read kind->heap meanwhile. */
static void publish(struct memkind *kind, struct heap *heap)
{
    INVARIANT(kind_registry_has(kind));
    INVARIANT(arena_kind_is_usable(heap));
    kind->arena_map = heap->arenas.slots;
    kind->arena_zero = heap->arenas.slots[0];
    __atomic_store_n(&kind->heap, heap, __ATOMIC_RELEASE);
}

static int attach(struct memkind *kind, struct arena_kind *arena_kind, struct space *space,
                  extent_hooks_t *hooks)
{
    struct heap *heap = &arena_kind->heap;
    int status = memkind_set_arena_map_len(kind);

    if (status != MEMKIND_SUCCESS)
        return status;
    status = status_of(heap_init(heap, space, hooks, kind->arena_map_len, hold_memory()));
    if (status != MEMKIND_SUCCESS) {
        log_error("no jemalloc arena for kind %s", kind->name);
        return status;
    }
    if (space == NULL)
        kind_registry_count_mixed(1);
    /*
     * The fast paths (memkind_arena_fast.h) call no operations: without caches, they have no block
     * of the kind and no room.
     */
    if (!kind_ops_have_arena_malloc(kind) || kind->ops->free != memkind_arena_free)
        thread_caches_turn_off(&heap->caches, THREAD_CACHES_PROGRAM);
    publish(kind, heap);
    return MEMKIND_SUCCESS;
}

static int attach_over(struct memkind *kind, struct space *space, extent_hooks_t *hooks)
{
    struct arena_kind *arena_kind = calloc(1, sizeof(*arena_kind));

    if (arena_kind == NULL)
        return MEMKIND_ERROR_MALLOC;
    int status = attach(kind, arena_kind, space, hooks);
    if (status != MEMKIND_SUCCESS)
        free(arena_kind);
    return status;
}

static int attach_anonymous(struct memkind *kind)
{
    struct arena_kind *arena_kind = calloc(1, sizeof(*arena_kind));

    if (arena_kind == NULL)
        return MEMKIND_ERROR_MALLOC;
    int status = MEMKIND_ERROR_MALLOC;
    arena_kind->own_space = anonymous_store_create(kind, kind_registry_owner(kind));
    if (arena_kind->own_space == NULL)
        goto free_kind;
    status = attach(kind, arena_kind, arena_kind->own_space, NULL);
    if (status == MEMKIND_SUCCESS)
        return status;
    space_destroy(arena_kind->own_space);
free_kind:
    free(arena_kind);
    return status;
}

static int attach_mapped(struct memkind *kind)
{
    struct arena_kind *arena_kind = calloc(1, sizeof(*arena_kind));

    if (arena_kind == NULL)
        return MEMKIND_ERROR_MALLOC;
    program_maps_init(&arena_kind->maps, kind);
    int status = attach(kind, arena_kind, NULL, &arena_kind->maps.table);
    if (status != MEMKIND_SUCCESS)
        free(arena_kind);
    return status;
}

static int attach_any(struct memkind *kind, extent_hooks_t *hooks)
{
    if (hooks != NULL)
        return attach_over(kind, NULL, hooks);
    return program_maps_are_wanted(kind) ? attach_mapped(kind) : attach_anonymous(kind);
}

int memkind_arena_create_map(struct memkind *kind, extent_hooks_t *hooks)
{
    bool added = !kind_registry_has(kind);
    int status = added ? status_of(kind_registry_add(kind, NULL)) : MEMKIND_SUCCESS;

    if (status == MEMKIND_SUCCESS) {
        status = attach_any(kind, hooks);
        if (status != MEMKIND_SUCCESS && added)
            kind_registry_remove(kind);
    }
    return status;
}

int memkind_arena_create(struct memkind *kind, struct memkind_ops *ops, const char *name)
{
    int status = memkind_default_create(kind, ops, name);

    return status == MEMKIND_SUCCESS ? memkind_arena_create_map(kind, NULL) : status;
}

void arena_kind_limit(struct memkind *kind, size_t max_size)
{
    size_t arenas = max_size / BYTES_PER_ARENA;

    if (max_size == 0 || arenas >= kind->arena_map_len)
        return;
    kind->arena_map_len = power_of_two_below((unsigned)arenas);
    kind->arena_map_mask = kind->arena_map_len - 1;
    arena_set_limit(&kind->heap->arenas, kind->arena_map_len);
}

void arena_kind_use_one(struct memkind *kind)
{
    kind->arena_map_len = 1;
    kind->arena_map_mask = 0;
    arena_set_limit(&kind->heap->arenas, 1);
}

static void detach(struct memkind *kind)
{
    fork_child_finish();
    struct arena_kind *arena_kind = (struct arena_kind *)kind_registry_take_heap(kind);

    if (arena_kind == NULL)
        return;
    if (arena_kind->heap.space == NULL)
        kind_registry_count_mixed(-1);
    heap_destroy(&arena_kind->heap);
    inherit_end(arena_kind->inherited);
    space_destroy(arena_kind->own_space);
    free(arena_kind);
    kind->arena_map = NULL;
}

int memkind_arena_destroy(struct memkind *kind)
{
    detach(kind);
    kind_registry_remove(kind);
    return memkind_default_destroy(kind);
}

int arena_kind_create(struct memkind *kind, struct memkind_ops *ops, const char *name,
                      const struct kind_class *class, struct space *(*new_space)(unsigned owner))
{
    int status = memkind_default_create(kind, ops, name);

    if (status != MEMKIND_SUCCESS)
        return status;
    if (kind_registry_add(kind, class) != 0)
        return MEMKIND_ERROR_TOOMANY;
    status = MEMKIND_ERROR_MALLOC;
    struct space *space = new_space(kind_registry_owner(kind));
    if (space == NULL)
        goto leave_registry;
    kind->priv = space;
    status = attach_over(kind, space, NULL);
    if (status == MEMKIND_SUCCESS)
        return status;
    kind->priv = NULL;
    space_destroy(space);
leave_registry:
    kind_registry_remove(kind);
    return status;
}

int arena_kind_destroy(struct memkind *kind)
{
    signals_off();
    detach(kind);
    space_destroy(kind->priv);
    kind->priv = NULL;
    kind_registry_remove(kind);
    signals_on();
    return memkind_default_destroy(kind);
}

/* -- First use --------------------------------------------------------------------------------- */

/* Held while a kind gets a heap. */
static pthread_mutex_t heap_lock = PTHREAD_MUTEX_INITIALIZER;

void arena_kind_before_fork(void)
{
    lock_acquire(&heap_lock, LOCK_KIND_HEAP);
}

void arena_kind_after_fork(void)
{
    lock_release(&heap_lock);
}

/* Whether the kind, which is one of the library's, allocates from a heap of its own. */
static bool has_heap(const struct memkind *kind)
{
    return kind == &static_kind_default || kind->ops->get_arena != NULL;
}

static void take_over(struct memkind *kind)
{
    struct heap *heap = inherit_take_over(kind);

    if (heap != NULL)
        publish(kind, heap);
}

struct heap *arena_kind_make_heap(struct memkind *kind)
{
    int saved_errno = errno;

    lock_acquire(&heap_lock, LOCK_KIND_HEAP);
    if (kind->heap == NULL && kind_registry_is_static(kind) && has_heap(kind))
        (void)memkind_arena_create_map(kind, NULL);
    else if (kind->heap != NULL && heap_is_inherited(kind->heap))
        take_over(kind);
    struct heap *heap = kind->heap;
    lock_release(&heap_lock);
    errno = arena_kind_is_usable(heap) ? saved_errno : ENOMEM;
    return arena_kind_is_usable(heap) ? heap : NULL;
}

void arena_kind_ready(struct memkind *kind)
{
    int saved_errno = errno;

    (void)arena_kind_heap(kind);
    errno = saved_errno;
}

/* -- Settings ---------------------------------------------------------------------------------- */

int memkind_arena_update_memory_usage_policy(struct memkind *kind, memkind_mem_usage_policy policy)
{
    struct heap *heap = arena_kind_heap(kind);

    if (policy < MEMKIND_MEM_USAGE_POLICY_DEFAULT || policy >= MEMKIND_MEM_USAGE_POLICY_MAX_VALUE)
        return MEMKIND_ERROR_INVALID;
    if (heap == NULL ||
        heap_set_conservative(heap, policy == MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE) != 0)
        return MEMKIND_ERROR_RUNTIME;
    return MEMKIND_SUCCESS;
}

int memkind_arena_set_fallback(struct memkind *kind, bool has_fallback)
{
    struct heap *heap = arena_kind_heap(kind);

    if (heap == NULL)
        return MEMKIND_ERROR_RUNTIME;
    shortage_set_fallback(&heap->shortage, has_fallback);
    return MEMKIND_SUCCESS;
}

void arena_kind_purge(struct memkind *kind)
{
    struct heap *heap = arena_kind_peek(kind);
    int saved_errno = errno;

    if (arena_kind_is_usable(heap)) {
        if (heap->space != NULL)
            thaw_all(heap->space, true);
        heap_purge(heap);
    }
    errno = saved_errno;
}

bool arena_kind_thaw(struct memkind *kind)
{
    struct heap *heap = arena_kind_peek(kind);
    int saved_errno = errno;
    bool thawed =
        !arena_kind_is_usable(heap) || heap->space == NULL || thaw_all_trusted(heap->space);

    errno = saved_errno;
    return thawed;
}
