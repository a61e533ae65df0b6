/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations of kinds that allocate from jemalloc arenas of their own: memkind_arena(3). */
#include "memkind/internal/memkind_arena.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "heap/heap.h"
#include "heap/heap_stats.h"
#include "heap/heap_unused.h"
#include "kinds/kind_registry.h"
#include "kinds/memkind_arena_fast.h"
#include "kinds/memkind_arena_internal.h"
#include "kinds/memkind_default_internal.h"
#include "kinds/static_kinds.h"
#include "kinds/stats.h"
#include "memkind/internal/memkind_default.h"
#include "os/cpus.h"
#include "space/address_map.h"
#include "space/page_map.h"
#include "space/space.h"
#include "store/anonymous_store.h"
#include "util/env.h"
#include "util/lock.h"
#include "util/log.h"

#define ARENAS_PER_CPU    4u
#define ARENAS_BY_DEFAULT 256u              /* at most, unless the environment asks for more */
#define ARENAS_AT_MOST    4096u             /* as many as jemalloc can number */
#define ARENA_APPETITE    ((size_t)8 << 20) /* bytes of max_size for each arena */

_Static_assert(ADDRESS_MAP_FIRST_OWNER + KIND_REGISTRY_PARTITIONS <= THREAD_CACHE_HEAPS,
               "threads have no caches for the last kinds");

/* What kind->heap points to the first member of. */
struct arena_kind {
    struct heap heap;
    struct space *own_space;      /* where the kind has none in priv; else NULL */
    struct arena_kind *inherited; /* in the child of a fork, what the kind had before; or NULL */
};

/* -- Life -------------------------------------------------------------------------------------- */

/* The largest power of two that is not above n, which is not 0. */
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
    else if (kind != &static_kind_default) /* which has always worked whatever is wrong there */
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

/* Some kinds get their heap while other threads look for it. */
static void publish_heap(struct memkind *kind, struct heap *heap)
{
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
    /* The program's own operations must not be passed over. */
    if (kind->ops->malloc != memkind_arena_malloc || kind->ops->free != memkind_arena_free)
        thread_own_close();
    publish_heap(kind, heap);
    return MEMKIND_SUCCESS;
}

int memkind_arena_attach(struct memkind *kind, struct space *space, extent_hooks_t *hooks)
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

int memkind_arena_create_map(struct memkind *kind, extent_hooks_t *hooks)
{
    bool added = !kind_registry_has(kind);
    int status = added ? status_of(kind_registry_add(kind)) : MEMKIND_SUCCESS;

    if (status == MEMKIND_SUCCESS) {
        status = hooks != NULL ? memkind_arena_attach(kind, NULL, hooks) : attach_anonymous(kind);
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

void memkind_arena_limit(struct memkind *kind, size_t max_size)
{
    size_t arenas = max_size / ARENA_APPETITE;

    if (max_size == 0 || arenas >= kind->arena_map_len)
        return;
    kind->arena_map_len = power_of_two_below((unsigned)arenas);
    kind->arena_map_mask = kind->arena_map_len - 1;
    arena_set_limit(&kind->heap->arenas, kind->arena_map_len);
}

void memkind_arena_use_one(struct memkind *kind)
{
    kind->arena_map_len = 1;
    kind->arena_map_mask = 0;
    arena_set_limit(&kind->heap->arenas, 1);
}

/* Ends what an ancestor of the process had made; its file is left as it is. */
static void end_inherited(struct arena_kind *arena_kind)
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

void memkind_arena_detach(struct memkind *kind)
{
    struct arena_kind *arena_kind = (struct arena_kind *)kind_registry_take_heap(kind);

    if (arena_kind == NULL)
        return;
    if (arena_kind->heap.space == NULL)
        kind_registry_count_mixed(-1);
    heap_destroy(&arena_kind->heap);
    end_inherited(arena_kind->inherited);
    space_destroy(arena_kind->own_space);
    free(arena_kind);
    kind->arena_map = NULL;
}

int memkind_arena_destroy(struct memkind *kind)
{
    memkind_arena_detach(kind);
    kind_registry_remove(kind);
    return memkind_default_destroy(kind);
}

/* -- Fork -------------------------------------------------------------------------------------- */

/* Held while a kind gets a heap. */
static pthread_mutex_t heap_lock = PTHREAD_MUTEX_INITIALIZER;

void memkind_arena_before_fork(void)
{
    lock_acquire(&heap_lock, LOCK_KIND_HEAP);
}

void memkind_arena_after_fork(void)
{
    lock_release(&heap_lock);
}

/* Makes a heap over the space, with the settings of the inherited one. */
static struct arena_kind *new_like(struct memkind *kind, struct space *space,
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

/*
 * Gives the kind a heap over a store of this process's own, beside the one that it has inherited.
 */
static void renew_heap(struct memkind *kind, struct arena_kind *inherited)
{
    struct space *old = inherited->heap.space;
    struct space *fresh;
    int err = old->store->renew(old, &fresh);

    if (err != 0) {
        log_error("kind %s: this process gets no file of its own (%s)", kind->name,
                  strerrordesc_np(-err));
        return;
    }
    struct arena_kind *arena_kind = new_like(kind, fresh, inherited);
    if (arena_kind == NULL) {
        space_destroy(fresh);
        return;
    }
    space_retire(old);
    if (kind->priv == old)
        kind->priv = fresh;
    publish_heap(kind, &arena_kind->heap);
}

/* The kind's heap is an ancestor's: sees to it that it is this process's own, where that can be. */
static void take_over(struct memkind *kind, struct heap *heap)
{
    if (heap->space != NULL && space_is_shared(heap->space))
        renew_heap(kind, (struct arena_kind *)heap);
    else
        heap_adopt(heap);
}

/* -- Heap -------------------------------------------------------------------------------------- */

/* Whether the kind can allocate from the heap. */
static inline bool is_usable(const struct heap *heap)
{
    return heap != NULL && !heap_is_inherited(heap);
}

/* Whether the kind of the library allocates from a heap of its own. */
static bool has_heap(const struct memkind *kind)
{
    return kind == &static_kind_default || kind->ops->get_arena != NULL;
}

/* A kind of the library gets its heap when it is first used; any kind, in the child of a fork. */
static struct heap *make_heap(struct memkind *kind)
{
    int saved_errno = errno;

    lock_acquire(&heap_lock, LOCK_KIND_HEAP);
    if (kind->heap == NULL && kind_registry_is_static(kind) && has_heap(kind))
        (void)memkind_arena_create_map(kind, NULL);
    else if (kind->heap != NULL && heap_is_inherited(kind->heap))
        take_over(kind, kind->heap);
    struct heap *heap = kind->heap;
    lock_release(&heap_lock);
    errno = is_usable(heap) ? saved_errno : ENOMEM;
    return is_usable(heap) ? heap : NULL;
}

static inline struct heap *heap_of(struct memkind *kind)
{
    struct heap *heap = __atomic_load_n(&kind->heap, __ATOMIC_ACQUIRE);

    return __builtin_expect(is_usable(heap), 1) ? heap : make_heap(kind);
}

void memkind_arena_ready(struct memkind *kind)
{
    int saved_errno = errno;

    (void)heap_of(kind);
    errno = saved_errno;
}

/* Whether the block at ptr, of the kind, is an ancestor's, in memory that is shared with it. */
static bool is_inherited(struct memkind *kind, const void *ptr)
{
    if (__builtin_expect(fork_generation == 0, 1))
        return false;
    const struct heap *heap = __atomic_load_n(&kind->heap, __ATOMIC_ACQUIRE);
    if (heap == NULL)
        return false;
    if (heap_is_inherited(heap) && heap->space != NULL && space_is_shared(heap->space))
        return true;
    const struct arena_kind *older = ((const struct arena_kind *)heap)->inherited;
    while (older != NULL && !space_contains(older->heap.space, ptr))
        older = older->inherited;
    return older != NULL;
}

static void *alloc(struct memkind *kind, size_t size, size_t alignment, bool zero)
{
    struct heap *heap = heap_of(kind);

    /* A block of no size, where the kind allows it, is one of the smallest size. */
    return heap == NULL ? NULL : heap_alloc(heap, size != 0 ? size : 1, alignment, zero);
}

/* Apart, so that the usual way needs no stack frame. */
static __attribute__((noinline, cold)) void *malloc_slowly(struct memkind *kind, size_t size)
{
    return memkind_default_refuses(kind, size) ? NULL : alloc(kind, size, 0, false);
}

/* Where a thread's variables are found by a call. */
static __attribute__((noinline)) void *malloc_far(struct memkind *kind, size_t size)
{
    if (thread_own_near.sizes == 0 && size - 1 < SIZE_CLASS_LARGEST) {
        void *block = thread_cache_pop(kind_registry_owner(kind), size_class_of(size));

        if (block != NULL)
            return block;
    }
    return malloc_slowly(kind, size);
}

void *memkind_arena_malloc(struct memkind *kind, size_t size)
{
    void *block = memkind_arena_pop(kind, size);

    return __builtin_expect(block != NULL, 1) ? block : malloc_far(kind, size);
}

void *memkind_arena_calloc(struct memkind *kind, size_t num, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(num, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return memkind_default_refuses(kind, bytes) ? NULL : alloc(kind, bytes, 0, true);
}

int memkind_arena_posix_memalign(struct memkind *kind, void **memptr, size_t alignment, size_t size)
{
    int saved_errno = errno;
    int err = memkind_posix_check_alignment(kind, alignment);

    if (err != 0)
        return err;
    if (memkind_default_refuses(kind, size)) {
        *memptr = NULL;
        return 0;
    }
    void *block = alloc(kind, size, alignment, false);
    errno = saved_errno;
    if (block == NULL)
        return ENOMEM;
    *memptr = block;
    return 0;
}

/*
 * The heap that a block of the kind goes back to; NULL where the kind has operations of its own for
 * that. The registry names the default kind for an address that it does not know, and that kind may
 * have no heap yet.
 */
static struct heap *heap_of_block(struct memkind *kind)
{
    return kind->heap != NULL || kind == &static_kind_default ? heap_of(kind) : NULL;
}

/* Frees the block by its kind's own operations, or passes its heap to `free_to`. */
static inline void free_with(void *ptr, void (*free_to)(struct heap *heap, void *ptr))
{
    if (ptr == NULL)
        return;
    struct memkind *owner = kind_registry_kind_of(ptr);
    if (is_inherited(owner, ptr))
        return;
    struct heap *heap = heap_of_block(owner);
    if (heap != NULL)
        free_to(heap, ptr);
    else if (owner != &static_kind_default)
        owner->ops->free(owner, ptr);
}

static __attribute__((noinline, cold)) void free_slowly(void *ptr)
{
    free_with(ptr, heap_free);
}

/* Where a thread's variables are found by a call. */
static __attribute__((noinline)) void free_far(void *ptr)
{
    if (thread_own_near.blocks == 0 && address_map_has(ptr) &&
        thread_cache_push(address_map_owner_known(ptr), page_map_get_owned(ptr), ptr))
        return;
    free_slowly(ptr);
}

void memkind_arena_free(struct memkind *kind, void *ptr)
{
    (void)kind;
    if (__builtin_expect(!memkind_arena_push(ptr), 0))
        free_far(ptr);
}

void *memkind_arena_malloc_or(struct memkind *kind, size_t size,
                              void *(*otherwise)(struct memkind *kind, size_t size))
{
    void *block = memkind_arena_pop(kind, size);

    return __builtin_expect(block != NULL, 1) ? block : otherwise(kind, size);
}

void memkind_arena_free_or(void *ptr, void (*otherwise)(void *ptr))
{
    if (__builtin_expect(!memkind_arena_push(ptr), 0))
        otherwise(ptr);
}

void *memkind_arena_malloc_uncached(struct memkind *kind, size_t size)
{
    if (memkind_default_refuses(kind, size))
        return NULL;
    struct heap *heap = heap_of(kind);
    return heap != NULL ? heap_alloc_uncached(heap, size != 0 ? size : 1) : NULL;
}

void memkind_arena_free_uncached(struct memkind *kind, void *ptr)
{
    (void)kind;
    free_with(ptr, heap_free_uncached);
}

/* A block that is the parent's stays where it is, or is copied. */
static void *realloc_inherited(struct memkind *kind, void *ptr, size_t size)
{
    size_t usable = heap_usable_size(ptr);

    if (size <= usable)
        return ptr;
    void *block = memkind_arena_malloc(kind, size);
    return block != NULL ? memcpy(block, ptr, usable) : NULL;
}

void *memkind_arena_realloc(struct memkind *kind, void *ptr, size_t size)
{
    if (ptr == NULL)
        return memkind_arena_malloc(kind, size);
    if (size == 0) {
        memkind_arena_free(kind, ptr);
        return NULL;
    }
    struct memkind *owner = kind_registry_kind_of(ptr);
    if (is_inherited(owner, ptr))
        return realloc_inherited(owner, ptr, size);
    struct heap *heap = heap_of_block(owner);
    if (heap != NULL)
        return heap_realloc(heap, ptr, size);
    return owner != &static_kind_default ? owner->ops->realloc(owner, ptr, size) : NULL;
}

void *memkind_arena_defrag_reallocate(struct memkind *kind, void *ptr)
{
    (void)kind;
    struct memkind *owner = ptr != NULL ? kind_registry_kind_of(ptr) : NULL;
    if (owner == NULL || is_inherited(owner, ptr))
        return NULL;
    return heap_move(owner->heap != NULL ? heap_of(owner) : NULL, ptr);
}

struct memkind *memkind_arena_detect_kind(void *ptr)
{
    return ptr == NULL ? NULL : kind_registry_detect(ptr);
}

void memkind_arena_free_with_kind_detect(void *ptr)
{
    memkind_arena_free(NULL, ptr);
}

void *memkind_arena_realloc_with_kind_detect(void *ptr, size_t size)
{
    if (ptr == NULL) {
        errno = EINVAL;
        return NULL;
    }
    struct memkind *kind = kind_registry_kind_of(ptr);
    return kind->ops->realloc(kind, ptr, size);
}

/* -- Arenas, policy, counters ------------------------------------------------------------------ */

int memkind_thread_get_arena(struct memkind *kind, unsigned int *arena, size_t size)
{
    struct heap *heap = heap_of(kind);

    (void)size;
    if (heap == NULL)
        return MEMKIND_ERROR_RUNTIME;
    *arena = arena_set_current(&heap->arenas);
    return MEMKIND_SUCCESS;
}

int memkind_bijective_get_arena(struct memkind *kind, unsigned int *arena, size_t size)
{
    struct heap *heap = heap_of(kind);

    (void)size;
    if (heap == NULL)
        return MEMKIND_ERROR_RUNTIME;
    *arena = arena_set_get(&heap->arenas, 0);
    return MEMKIND_SUCCESS;
}

int memkind_arena_update_memory_usage_policy(struct memkind *kind, memkind_mem_usage_policy policy)
{
    struct heap *heap = heap_of(kind);

    if (policy < MEMKIND_MEM_USAGE_POLICY_DEFAULT || policy >= MEMKIND_MEM_USAGE_POLICY_MAX_VALUE)
        return MEMKIND_ERROR_INVALID;
    if (heap == NULL ||
        heap_set_conservative(heap, policy == MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE) != 0)
        return MEMKIND_ERROR_RUNTIME;
    return MEMKIND_SUCCESS;
}

int memkind_arena_set_fallback(struct memkind *kind, bool has_fallback)
{
    struct heap *heap = heap_of(kind);

    if (heap == NULL)
        return MEMKIND_ERROR_RUNTIME;
    shortage_set_fallback(&heap->shortage, has_fallback);
    return MEMKIND_SUCCESS;
}

void memkind_arena_purge(struct memkind *kind)
{
    struct heap *heap = __atomic_load_n(&kind->heap, __ATOMIC_ACQUIRE);
    int saved_errno = errno;

    if (is_usable(heap))
        heap_purge(heap);
    errno = saved_errno;
}

int memkind_arena_get_stat(memkind_t kind, memkind_stat_type stat, size_t *value)
{
    struct jemalloc_stats stats = {0};
    struct heap *heap = __atomic_load_n(&kind->heap, __ATOMIC_ACQUIRE);

    /* A kind that was never used has nothing, nor has one that is still the parent's. */
    if (is_usable(heap) && heap_stats_get(heap, &stats) != 0)
        return MEMKIND_ERROR_RUNTIME;
    return stats_select(&stats, stat, value);
}
