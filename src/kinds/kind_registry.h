/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All kinds by their partition, and from an address to its kind.
 *
 * Partitions below MEMKIND_NUM_BASE_KIND are for the kinds that are part of the library;
 * MEMKIND_MAX_KIND more are for those that the program makes. A partition is free again when its
 * kind is removed. Reading takes no lock.
 */
#pragma once

#include "memkind/internal/memkind_private.h"
#include "space/address_map.h"

/* Gives the kind a free partition. 0, or -ENFILE where MEMKIND_MAX_KIND kinds exist. Thread-safe.
 */
int kind_registry_add(struct memkind *kind);

/* Takes a kind that was added out again; for a kind of the library, nothing. Thread-safe. */
void kind_registry_remove(struct memkind *kind);

/* Whether the kind holds its partition. */
bool kind_registry_has(const struct memkind *kind);

/* Whether the kind is part of the library. */
bool kind_registry_is_static(const struct memkind *kind);

/* The kind of a partition, or NULL. Any number is allowed. */
struct memkind *kind_registry_get(unsigned partition);

/* What the address map says of memory of this kind. */
static inline unsigned kind_registry_owner(const struct memkind *kind)
{
    return ADDRESS_MAP_FIRST_OWNER + kind->partition;
}

/* Brings what the kinds' counters need up to date. Thread-safe. */
void kind_registry_update_stats(void);

/* Bytes that threads kept, of all kinds together, when that was last done. Thread-safe. */
size_t kind_registry_cached_bytes(void);

/* Takes the heap from its kind, so that no other thread finds it there; NULL where it has none. */
struct heap *kind_registry_take_heap(struct memkind *kind);

/* The kind that the block at ptr is of. ptr is a block of this library. */
struct memkind *kind_registry_kind_of(const void *ptr);

/* The same for any address: NULL where it is not in memory of this library. */
struct memkind *kind_registry_detect(const void *ptr);

/* Around fork(2), in this thread: hold the table still. */
void kind_registry_before_fork(void);
void kind_registry_after_fork(void);

/* Says that a kind with memory from the program's own hooks is there (+1) or gone (-1). */
void kind_registry_count_mixed(int change);
