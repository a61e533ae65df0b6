/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All kinds by their partition, and from an address to its kind.
 *
 * Partitions below MEMKIND_NUM_BASE_KIND are for the kinds that are part of the library;
 * MEMKIND_MAX_KIND more are for those that the program makes, and KIND_REGISTRY_PARTS for parts of
 * the library's kinds, which the program does not see. A partition is free again when its kind is
 * removed. Reading takes no lock.
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
 * Gives a free partition to a part of a kind of the library: kind_registry_detect() answers with
 * the kind for its blocks, kind_registry_kind_of() with the part. 0 or -ENFILE. Thread-safe.
 */
int kind_registry_add_part(struct memkind *part, struct memkind *kind);

/* Takes a kind that was added out again; for a kind of the library, nothing. Thread-safe. */
void kind_registry_remove(struct memkind *kind);

/* The kind's class; kind_class_bound for a kind that holds no partition. */
const struct kind_class *kind_registry_class(const struct memkind *kind);

/* Whether the kind holds its partition. */
bool kind_registry_has(const struct memkind *kind);

/* Whether the kind is part of the library. */
bool kind_registry_is_static(const struct memkind *kind);

/* The kind of the library that the kind is a part of, or else the kind itself. */
struct memkind *kind_registry_whole(struct memkind *kind);

/* The kind of a partition, or NULL. Any number is allowed. */
struct memkind *kind_registry_get(unsigned partition);

/* What the address map says of memory of this kind. */
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

/* Takes the heap from its kind, so that no other thread finds it there; NULL where it has none. */
struct heap *kind_registry_take_heap(struct memkind *kind);

/* The kind, or part of one, that the block at ptr is of. ptr is a block of this library. */
struct memkind *kind_registry_kind_of(const void *ptr);

/* The same for any address: NULL where it is not in memory of this library. */
struct memkind *kind_registry_detect(const void *ptr);

/* Around fork(2), in this thread: hold the table still. */
void kind_registry_before_fork(void);
void kind_registry_after_fork(void);

/* Says that a kind with memory from the program's own hooks is there (+1) or gone (-1). */
void kind_registry_count_mixed(int change);
