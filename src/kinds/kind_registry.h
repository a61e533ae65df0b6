/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of all kinds, and the way from an address to its kind.
 *
 * A partition is an entry of the table. The lowest MEMKIND_NUM_BASE_KIND are those of the library's
 * kinds, MEMKIND_MAX_KIND more those of kinds that the program creates, and KIND_REGISTRY_PARTS
 * those of parts of the library's kinds (node_heaps.h), which the program does not get. A partition
 * is free again when its kind is removed. Readers take no lock.
 */
#pragma once

#include "memkind/internal/memkind_private.h"
#include "space/address_map.h"

#define KIND_REGISTRY_PARTS      256
#define KIND_REGISTRY_FIRST_PART (MEMKIND_NUM_BASE_KIND + MEMKIND_MAX_KIND)
#define KIND_REGISTRY_PARTITIONS (KIND_REGISTRY_FIRST_PART + KIND_REGISTRY_PARTS)

struct kind_class;

/*
 * Gives the kind a free partition. `class` is static, or NULL for kind_class_bound. 0, or -ENFILE
 * where MEMKIND_MAX_KIND kinds exist. Thread-safe.
 */
int kind_registry_add(struct memkind *kind, const struct kind_class *class);

/*
 * Gives a free partition to a part of a kind of the library. For the part's blocks,
 * kind_registry_detect() returns the kind and kind_registry_kind_of() the part. 0 or -ENFILE.
 * Thread-safe.
 */
int kind_registry_add_part(struct memkind *part, struct memkind *kind);

/* Frees the partition of a kind without a heap; no effect on the library's kinds. Thread-safe. */
void kind_registry_remove(struct memkind *kind);

/* The kind's class; kind_class_bound for a kind that holds no partition. */
const struct kind_class *kind_registry_class(const struct memkind *kind);

/* Whether the kind holds its partition. */
bool kind_registry_has(const struct memkind *kind);

/* Whether the pointer is that of a kind in the table. Does not dereference it. */
bool kind_registry_contains(const struct memkind *kind);

/* Whether the kind is part of the library. */
bool kind_registry_is_static(const struct memkind *kind);

/* The kind of the library that has the kind as a part; else the kind itself. */
struct memkind *kind_registry_whole(struct memkind *kind);

/* The kind of a partition; NULL. Any number is allowed. */
struct memkind *kind_registry_get(unsigned partition);

/* The number of the kind in the address map. */
static inline unsigned kind_registry_owner(const struct memkind *kind)
{
    return ADDRESS_MAP_FIRST_OWNER + kind->partition;
}

/*
 * Calls visit for each kind that has a heap, or for the kind of one partition; a heap may be
 * inherited (inherit.h). No kind loses its heap meanwhile. Thread-safe.
 */
typedef void kind_registry_visit(struct memkind *kind, struct heap *heap, void *arg);
void kind_registry_each_heap(kind_registry_visit *visit, void *arg);
void kind_registry_visit_heap(unsigned partition, kind_registry_visit *visit, void *arg);

/* Sets the heap of the kind to NULL and returns the former heap, which no visitor uses any more. */
struct heap *kind_registry_take_heap(struct memkind *kind);

/* The kind or part that has the block at ptr, which is a block of this library. */
struct memkind *kind_registry_kind_of(const void *ptr);

/* The kind that has memory at ptr, any address; NULL. */
struct memkind *kind_registry_detect(const void *ptr);

/* Around fork(2), in the thread that forks: the table does not change meanwhile. */
void kind_registry_before_fork(void);
void kind_registry_after_fork(void);

/* Counts a kind with memory from hooks of the program: +1 for a new kind, -1 at its end. */
void kind_registry_count_mixed(int change);
