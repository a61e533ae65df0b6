/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Allocation from several kinds that keeps a ratio between the bytes in them: libmemtier(3).
 *
 *     struct memtier_builder *builder = memtier_builder_new(MEMTIER_POLICY_STATIC_RATIO);
 *     memtier_builder_add_tier(builder, MEMKIND_REGULAR, 1);
 *     memtier_builder_add_tier(builder, pmem_kind, 4);      (four bytes there for each in DRAM)
 *     struct memtier_memory *memory = memtier_builder_construct_memtier_memory(builder);
 *     memtier_builder_delete(builder);
 *     ... memtier_malloc(memory, 100) ... memtier_free(ptr) ...
 *     memtier_delete_memtier_memory(memory);
 *
 * Sizes are in bytes. A builder is for one thread at a time; all other functions may be called from
 * any thread. A kind must outlive the memories that it is a tier of.
 */
#pragma once

#include <memkind.h>
#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct memtier_builder;
struct memtier_memory;

typedef enum memtier_policy_t {
    /* Each allocation goes to the tier that holds the least of its share. */
    MEMTIER_POLICY_STATIC_RATIO = 0,

    /* Allocations below a threshold go to the tier before it; thresholds move to keep the ratio. */
    MEMTIER_POLICY_DYNAMIC_THRESHOLD = 1,

    MEMTIER_POLICY_MAX_VALUE
} memtier_policy_t;

/* A builder without tiers. NULL: errno is EINVAL (no such policy) or ENOMEM. */
struct memtier_builder *memtier_builder_new(memtier_policy_t policy);

/* Memories that were made with the builder stay. NULL is allowed. */
void memtier_builder_delete(struct memtier_builder *builder);

/*
 * Adds a tier behind those that the builder has. kind_ratio is the tier's share: of 1 and 4 the
 * second gets four bytes for each of the first. A tier of share 0 gets nothing while another has a
 * share. 0; -1 with errno EINVAL (no builder or kind), EEXIST (the builder has the kind), ENOMEM.
 */
int memtier_builder_add_tier(struct memtier_builder *builder, memkind_t kind, unsigned kind_ratio);

/*
 * A memory of the builder's tiers as they are now. NULL: errno is EINVAL (no tier; fewer than two
 * for MEMTIER_POLICY_DYNAMIC_THRESHOLD; settings that do not fit each other) or ENOMEM.
 */
struct memtier_memory *memtier_builder_construct_memtier_memory(struct memtier_builder *builder);

/* Blocks that were allocated from the memory stay. NULL is allowed. */
void memtier_delete_memtier_memory(struct memtier_memory *memory);

/*
 * Allocate from one of the memory's tiers as memkind_malloc(), memkind_calloc() and
 * memkind_posix_memalign() do from a kind. A tier that has no room is not stood in for by another.
 */
void *memtier_malloc(struct memtier_memory *memory, size_t size);
void *memtier_calloc(struct memtier_memory *memory, size_t num, size_t size);
int memtier_posix_memalign(struct memtier_memory *memory, void **memptr, size_t alignment,
                           size_t size);

/* As memkind_realloc(): the block stays in its tier. memtier_malloc() where ptr is NULL. */
void *memtier_realloc(struct memtier_memory *memory, void *ptr, size_t size);

/*
 * The functions of memkind(3), counted. memtier_kind_realloc() and memtier_kind_free() find the
 * kind from the block where kind is NULL; the others fail then (EINVAL).
 */
void *memtier_kind_malloc(memkind_t kind, size_t size);
void *memtier_kind_calloc(memkind_t kind, size_t num, size_t size);
void *memtier_kind_realloc(memkind_t kind, void *ptr, size_t size);
int memtier_kind_posix_memalign(memkind_t kind, void **memptr, size_t alignment, size_t size);
void memtier_kind_free(memkind_t kind, void *ptr);

/* Usable bytes of a block of any tier; 0 for NULL. */
size_t memtier_usable_size(void *ptr);

/* Frees a block of any tier. NULL is allowed. */
static inline void memtier_free(void *ptr)
{
    memtier_kind_free(NULL, ptr);
}

/*
 * Usable bytes in the kind that the functions of this header allocated and have not freed. Exact
 * where no other thread is allocating or freeing.
 */
size_t memtier_kind_allocated_size(memkind_t kind);

/*
 * Sets a property of MEMTIER_POLICY_DYNAMIC_THRESHOLD. val points to a size_t, for check_cnt to an
 * unsigned int, for trigger and degree to a float. The threshold N is the one between the tiers N
 * and N + 1 that the builder has, counted from 0.
 *
 *     policy.dynamic_threshold.thresholds[N].val   policy.dynamic_threshold.check_cnt
 *     policy.dynamic_threshold.thresholds[N].min   policy.dynamic_threshold.trigger
 *     policy.dynamic_threshold.thresholds[N].max   policy.dynamic_threshold.degree
 *
 * 0; -1 with errno EINVAL where there is no such property.
 */
int memtier_ctl_set(struct memtier_builder *builder, const char *name, const void *val);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
