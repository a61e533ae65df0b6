/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions of libmemtier(3): allocation from several kinds, in a ratio, and counted. */
#include "memkind_memtier.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "heap/size_class.h"
#include "heap/thread_cache.h"
#include "kinds/kind_registry.h"
#include "kinds/tier_counts.h"
#include "memkind/internal/memkind_arena.h"
#include "memkind/internal/memkind_private.h"
#include "space/address_map.h"
#include "space/page_map.h"
#include "tiers/tier_builder.h"
#include "tiers/tier_decorators.h"
#include "tiers/tier_memory.h"
#include "util/hot.h"

/* -- Builders ---------------------------------------------------------------------------------- */

/* Converts 0 or -errno to 0 or -1 with errno. */
static int answer(int err)
{
    if (err == 0)
        return 0;
    errno = -err;
    return -1;
}

struct memtier_builder *memtier_builder_new(memtier_policy_t policy)
{
    return tier_builder_create(policy);
}

void memtier_builder_delete(struct memtier_builder *builder)
{
    tier_builder_destroy(builder);
}

int memtier_builder_add_tier(struct memtier_builder *builder, memkind_t kind, unsigned kind_ratio)
{
    return answer(builder != NULL ? tier_builder_add(builder, kind, kind_ratio) : -EINVAL);
}

int memtier_ctl_set(struct memtier_builder *builder, const char *name, const void *val)
{
    return answer(builder != NULL ? tier_builder_set(builder, name, val) : -EINVAL);
}

struct memtier_memory *memtier_builder_construct_memtier_memory(struct memtier_builder *builder)
{
    if (builder == NULL) {
        errno = EINVAL;
        return NULL;
    }
    return tier_builder_construct(builder);
}

void memtier_delete_memtier_memory(struct memtier_memory *memory)
{
    tier_memory_destroy(memory);
}

/* -- One kind ---------------------------------------------------------------------------------- */

/* Returns the usable size of a block that is not NULL. */
static size_t usable_size(struct memkind *kind, void *ptr)
{
    unsigned size_class = page_map_get(ptr);

    return LIKELY(size_class != 0) ? size_class_size(size_class)
                                   : kind->ops->malloc_usable_size(kind, ptr);
}

/* Counts a block of a part for the kind that programs name. */
static void count(struct memkind *kind, long bytes)
{
    tier_counts_add(kind_registry_whole(kind)->partition, bytes);
}

static void count_in(struct memkind *kind, void *ptr)
{
    count(kind, (long)usable_size(kind, ptr));
}

static void count_out(struct memkind *kind, void *ptr)
{
    count(kind, -(long)usable_size(kind, ptr));
}

static void *no_kind(void)
{
    errno = EINVAL;
    return NULL;
}

/*
 * Returns a block from this thread's cache, counted; NULL: take the slow path. A program's
 * decorator must be called. Kinds with operations of their own are not served here: see
 * memkind_arena_fast.h.
 */
static inline void *pop_counted(const struct memkind *kind, size_t size)
{
    if (UNLIKELY(size - 1 >= thread_own_near.sizes || memtier_kind_malloc_post != NULL))
        return NULL;
    struct tier_counts *own = thread_own_near_counts();
    if (UNLIKELY(own == NULL))
        return NULL;
    unsigned size_class = size_class_of(size);
    size_t owner = kind_registry_owner(kind);
    void *block = thread_cache_pop_from(thread_own_near_caches()[owner], size_class);
    if (LIKELY(block != NULL))
        tier_counts_add_to(&own->bytes[owner], (long)size_class_size(size_class));
    return block;
}

static __attribute__((noinline)) void *kind_malloc_slowly(struct memkind *kind, size_t size)
{
    if (kind == NULL)
        return no_kind();
    void *block = kind->ops->malloc(kind, size);
    if (block != NULL)
        count_in(kind, block);
    if (memtier_kind_malloc_post != NULL)
        memtier_kind_malloc_post(kind, size, &block);
    return block;
}

HOT_FUNCTION void *memtier_kind_malloc(memkind_t kind, size_t size)
{
    void *block = LIKELY(kind != NULL) ? pop_counted(kind, size) : NULL;

    return LIKELY(block != NULL) ? block : kind_malloc_slowly(kind, size);
}

void *memtier_kind_calloc(memkind_t kind, size_t num, size_t size)
{
    if (kind == NULL)
        return no_kind();
    void *block = kind->ops->calloc(kind, num, size);
    if (block != NULL)
        count_in(kind, block);
    if (memtier_kind_calloc_post != NULL)
        memtier_kind_calloc_post(kind, num, size, &block);
    return block;
}

int memtier_kind_posix_memalign(memkind_t kind, void **memptr, size_t alignment, size_t size)
{
    if (kind == NULL || memptr == NULL)
        return EINVAL;
    int err = kind->ops->posix_memalign(kind, memptr, alignment, size);
    if (err == 0 && *memptr != NULL)
        count_in(kind, *memptr);
    if (memtier_kind_posix_memalign_post != NULL)
        memtier_kind_posix_memalign_post(kind, memptr, alignment, size, &err);
    return err;
}

/* A growing block may move to another kind if it was inherited from the parent of a fork. */
static void *realloc_counted(struct memkind *kind, void *ptr, size_t size)
{
    struct memkind *owner = kind_registry_kind_of(ptr);
    size_t before = usable_size(owner, ptr);
    void *block = kind->ops->realloc(kind, ptr, size);

    if (block == NULL)
        return NULL;
    count(owner, -(long)before);
    count_in(kind_registry_kind_of(block), block);
    return block;
}

void *memtier_kind_realloc(memkind_t kind, void *ptr, size_t size)
{
    if (kind == NULL && ptr == NULL)
        return no_kind();
    if (kind == NULL)
        kind = kind_registry_kind_of(ptr);
    if (ptr == NULL)
        return memtier_kind_malloc(kind, size);
    if (size == 0) {
        memtier_kind_free(kind, ptr);
        return NULL;
    }
    void *block = realloc_counted(kind, ptr, size);
    if (memtier_kind_realloc_post != NULL)
        memtier_kind_realloc_post(&kind, ptr, size, &block);
    return block;
}

static __attribute__((noinline)) void free_slowly(struct memkind *kind, void *ptr)
{
    if (memtier_kind_free_pre != NULL)
        memtier_kind_free_pre(&ptr);
    if (ptr == NULL)
        return;
    if (kind == NULL)
        kind = kind_registry_kind_of(ptr);
    count_out(kind, ptr);
    kind->ops->free(kind, ptr);
}

/* Puts a block into this thread's cache. False: take the slow path. kind may be NULL. */
static inline bool push_counted(const struct memkind *kind, void *ptr)
{
    if (UNLIKELY((uintptr_t)ptr >= thread_own_near.blocks || memtier_kind_free_pre != NULL))
        return false;
    struct tier_counts *own = thread_own_near_counts();
    const _Atomic uint8_t *byte = page_map_at_owned(ptr);
    if (UNLIKELY(own == NULL || byte == NULL))
        return false;
    size_t size_class = page_map_read(byte);
    size_t owner = address_map_owner_known(ptr);
    /* A part has no count of its own. */
    if (UNLIKELY(owner >= ADDRESS_MAP_FIRST_OWNER + KIND_REGISTRY_FIRST_PART) ||
        UNLIKELY(kind != NULL && kind_registry_owner(kind) != owner) ||
        UNLIKELY(!thread_cache_push_to(thread_own_near_caches()[owner], size_class, ptr)))
        return false;
    tier_counts_take_from(&own->bytes[owner], (long)size_class_size(size_class));
    return true;
}

HOT_FUNCTION void memtier_kind_free(memkind_t kind, void *ptr)
{
    if (UNLIKELY(!push_counted(kind, ptr)))
        free_slowly(kind, ptr);
}

size_t memtier_kind_allocated_size(memkind_t kind)
{
    long bytes = kind != NULL ? tier_counts_total(kind->partition) : 0;

    return bytes > 0 ? (size_t)bytes : 0;
}

/* -- Several kinds ----------------------------------------------------------------------------- */

static void *no_memory_object(void)
{
    errno = EINVAL;
    return NULL;
}

static __attribute__((noinline)) void *malloc_slowly(struct memtier_memory *memory, size_t size)
{
    if (memory == NULL)
        return no_memory_object();
    return memtier_kind_malloc(tier_memory_choose(memory, size), size);
}

/* Serves a thread between two checks of the ratio, where the size decides. */
static __attribute__((noinline)) void *malloc_by_size(struct memtier_memory *memory, size_t size,
                                                      struct tier_turn *turn)
{
    if (UNLIKELY(turn->memory != memory->number || turn->countdown == 0))
        return malloc_slowly(memory, size);
    turn->countdown--;
    struct memkind *kind = tier_memory_by_size(memory, size);
    void *block = pop_counted(kind, size);
    return LIKELY(block != NULL) ? block : kind_malloc_slowly(kind, size);
}

/*
 * Returns a block from this thread's cache of the kind whose turn it is; NULL: take the slow path.
 */
static inline void *pop_in_turn(const struct tier_turn *turn, size_t size)
{
    unsigned size_class = size_class_of(size);
    _Atomic long *count = turn->count;
    long bytes =
        atomic_load_explicit(count, memory_order_relaxed) + (long)size_class_size(size_class);
    if (UNLIKELY(bytes > turn->limit))
        return NULL;
    void *block = thread_cache_pop_from(thread_own_near_caches()[turn->cache], size_class);
    if (LIKELY(block != NULL))
        atomic_store_explicit(count, bytes, memory_order_relaxed);
    return block;
}

HOT_FUNCTION void *memtier_malloc(struct memtier_memory *memory, size_t size)
{
    if (UNLIKELY(memory == NULL || size - 1 >= thread_own_near.sizes))
        return malloc_slowly(memory, size);
    struct tier_counts *own = thread_own_near_counts();
    if (UNLIKELY(own == NULL))
        return malloc_slowly(memory, size);
    struct tier_turn *turn = tier_memory_turn(memory, own);
    if (turn->memory != memory->ratio_number)
        return malloc_by_size(memory, size, turn);
    void *block = pop_in_turn(turn, size);
    return LIKELY(block != NULL) ? block : malloc_slowly(memory, size);
}

void *memtier_calloc(struct memtier_memory *memory, size_t num, size_t size)
{
    size_t bytes;

    if (memory == NULL)
        return no_memory_object();
    if (__builtin_mul_overflow(num, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return memtier_kind_calloc(tier_memory_choose(memory, bytes), num, size);
}

void *memtier_realloc(struct memtier_memory *memory, void *ptr, size_t size)
{
    return ptr == NULL ? memtier_malloc(memory, size) : memtier_kind_realloc(NULL, ptr, size);
}

int memtier_posix_memalign(struct memtier_memory *memory, void **memptr, size_t alignment,
                           size_t size)
{
    if (memory == NULL)
        return EINVAL;
    return memtier_kind_posix_memalign(tier_memory_choose(memory, size), memptr, alignment, size);
}

size_t memtier_usable_size(void *ptr)
{
    size_t size = ptr != NULL ? usable_size(kind_registry_kind_of(ptr), ptr) : 0;

    if (memtier_kind_usable_size_post != NULL)
        memtier_kind_usable_size_post(&ptr, size);
    return size;
}
