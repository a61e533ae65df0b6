/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Allocation from several kinds in a ratio of bytes: libmemtier(3).
 *
 *     struct memtier_builder *builder = memtier_builder_new(MEMTIER_POLICY_STATIC_RATIO);
 *     memtier_builder_add_tier(builder, MEMKIND_REGULAR, 1);
 *     memtier_builder_add_tier(builder, pmem_kind, 4);      (four bytes there for each in DRAM)
 *     struct memtier_memory *memory = memtier_builder_construct_memtier_memory(builder);
 *     memtier_builder_delete(builder);
 *     ... memtier_malloc(memory, 100) ... memtier_free(ptr) ...
 *     memtier_delete_memtier_memory(memory);
 *
 * Sizes are in bytes. A builder belongs to one thread at a time; all other functions are
 * thread-safe. A kind must outlive the memories that use it as a tier.
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

    /* Allocations below a threshold go to the tier before it. Thresholds move to keep the ratio. */
    MEMTIER_POLICY_DYNAMIC_THRESHOLD = 1,

    MEMTIER_POLICY_MAX_VALUE
} memtier_policy_t;

/* Returns a builder without tiers. NULL: errno is EINVAL (unknown policy) or ENOMEM. */
struct memtier_builder *memtier_builder_new(memtier_policy_t policy);

/* Memories that were made with the builder are not affected. NULL is allowed. */
void memtier_builder_delete(struct memtier_builder *builder);

/*
 * Adds a tier after those of the builder. kind_ratio is the tier's share: with 1 and 4, the second
 * tier gets four bytes for each of the first. A tier of share 0 gets nothing while another has a
 * share. 0; -1 with errno EINVAL (no builder or kind), EEXIST (the builder has the kind), ENOMEM.
 */
int memtier_builder_add_tier(struct memtier_builder *builder, memkind_t kind, unsigned kind_ratio);

/*
 * Creates a memory of the builder's current tiers. NULL: errno is EINVAL (no tier; fewer than two
 * for MEMTIER_POLICY_DYNAMIC_THRESHOLD; settings that contradict each other) or ENOMEM.
 */
struct memtier_memory *memtier_builder_construct_memtier_memory(struct memtier_builder *builder);

/* Blocks that were allocated from the memory are not affected. NULL is allowed. */
void memtier_delete_memtier_memory(struct memtier_memory *memory);

/*
 * Allocate from one of the memory's tiers as memkind_malloc(), memkind_calloc() and
 * memkind_posix_memalign() do from a kind. If that tier has no room, no other tier is tried.
 */
void *memtier_malloc(struct memtier_memory *memory, size_t size);
void *memtier_calloc(struct memtier_memory *memory, size_t num, size_t size);
int memtier_posix_memalign(struct memtier_memory *memory, void **memptr, size_t alignment,
                           size_t size);

/* As memkind_realloc(): the block stays in its tier. memtier_malloc() if ptr is NULL. */
void *memtier_realloc(struct memtier_memory *memory, void *ptr, size_t size);

/*
 * The functions of memkind(3), counted. If kind is NULL, memtier_kind_realloc() and
 * memtier_kind_free() find the kind from the block; the others fail (EINVAL).
 */
void *memtier_kind_malloc(memkind_t kind, size_t size);
void *memtier_kind_calloc(memkind_t kind, size_t num, size_t size);
void *memtier_kind_realloc(memkind_t kind, void *ptr, size_t size);
int memtier_kind_posix_memalign(memkind_t kind, void **memptr, size_t alignment, size_t size);
void memtier_kind_free(memkind_t kind, void *ptr);

/* Returns the usable bytes of a block of any tier; 0 for NULL. */
size_t memtier_usable_size(void *ptr);

/* Frees a block of any tier. NULL is allowed. */
static inline void memtier_free(void *ptr)
{
    memtier_kind_free(NULL, ptr);
}

/*
 * Returns the usable bytes in the kind that the functions of this header have allocated and not
 * freed. Exact if no other thread is allocating or freeing.
 */
size_t memtier_kind_allocated_size(memkind_t kind);

/*
 * Sets a property of MEMTIER_POLICY_DYNAMIC_THRESHOLD. val points to a size_t; for check_cnt to an
 * unsigned int; for trigger and degree to a float. The threshold N, from 0, lies between the
 * builder's tiers N and N + 1.
 *
 *     policy.dynamic_threshold.thresholds[N].val   policy.dynamic_threshold.check_cnt
 *     policy.dynamic_threshold.thresholds[N].min   policy.dynamic_threshold.trigger
 *     policy.dynamic_threshold.thresholds[N].max   policy.dynamic_threshold.degree
 *
 * 0; -1 with errno EINVAL: no such property.
 */
int memtier_ctl_set(struct memtier_builder *builder, const char *name, const void *val);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
