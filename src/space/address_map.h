/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which heap an address belongs to: one flat table over the user's address space, read without a
 * lock.
 *
 * Address space is owned in granules of 64 MiB, aligned to their size, so that the 47 bits of
 * addresses of x86-64 take 2 Mi entries of two bytes, and 48 bits twice as many. They lie in .bss,
 * of which only the pages that are written take memory: one page covers 128 GiB. Entries change
 * when a segment is mapped or unmapped, never while blocks in it are handed out, so readers on any
 * number of processors share lines that nobody writes.
 *
 * Memory that the program brings along (area_map.h) comes in any place and size, also amid memory
 * of another owner. Its granules are marked, and stay so; a second table says what they are beside
 * it.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define ADDRESS_MAP_GRANULE_SHIFT 26
#define ADDRESS_MAP_GRANULE       ((size_t)1 << ADDRESS_MAP_GRANULE_SHIFT)
#ifdef __x86_64__
#    define ADDRESS_MAP_BITS 47
#else
#    define ADDRESS_MAP_BITS 48
#endif
#define ADDRESS_MAP_ENTRIES ((size_t)1 << (ADDRESS_MAP_BITS - ADDRESS_MAP_GRANULE_SHIFT))

enum {
    ADDRESS_MAP_NONE = 0, /* no memory of ours */
    ADDRESS_MAP_MIXED =
        1, /* blocks of heaps that do not own whole granules: the allocator knows whose */
    ADDRESS_MAP_AREAS = 2, /* areas lie here, or did: see area_map_owner() */
    ADDRESS_MAP_FIRST_OWNER = 3,
};

extern _Atomic uint16_t address_map_table[ADDRESS_MAP_ENTRIES];

/* What a granule with areas is beside them: any of the above but ADDRESS_MAP_AREAS. */
extern _Atomic uint16_t address_map_beside[ADDRESS_MAP_ENTRIES];

/* The owner of the granule of ptr. Any value of ptr is allowed. Thread-safe, lock-free. */
static inline unsigned address_map_owner(const void *ptr)
{
    size_t granule = (uintptr_t)ptr >> ADDRESS_MAP_GRANULE_SHIFT;

    if (granule >= ADDRESS_MAP_ENTRIES)
        return ADDRESS_MAP_NONE;
    return atomic_load_explicit(&address_map_table[granule], memory_order_acquire);
}

/* Whether all of [base, base + size) can be entered into the map. */
int address_map_covers(const void *base, size_t size);

/*
 * Makes owner the owner of [base, base + size), both multiples of the granule and covered by the
 * map. The caller holds the address space, mapped or reserved: it is what keeps two threads from
 * writing the same entries.
 */
void address_map_set(const void *base, size_t size, unsigned owner);

/* Marks the granules that [base, base + size) touches as such with areas. All are covered by the
 * map. One thread at a time. */
void address_map_mark_areas(const void *base, size_t size);

/* Notes that a heap without granules of its own has a block at ptr. Thread-safe, lock-free. */
static inline void address_map_mark_mixed(const void *ptr)
{
    size_t granule = (uintptr_t)ptr >> ADDRESS_MAP_GRANULE_SHIFT;
    uint16_t none = ADDRESS_MAP_NONE;

    if (granule >= ADDRESS_MAP_ENTRIES)
        return;
    unsigned owner = atomic_load_explicit(&address_map_table[granule], memory_order_relaxed);
    if (owner == ADDRESS_MAP_NONE &&
        atomic_compare_exchange_strong(&address_map_table[granule], &none, ADDRESS_MAP_MIXED))
        return;
    /* The exchange may have failed because areas came. */
    none = ADDRESS_MAP_NONE;
    if (owner <= ADDRESS_MAP_AREAS && owner != ADDRESS_MAP_MIXED)
        atomic_compare_exchange_strong(&address_map_beside[granule], &none, ADDRESS_MAP_MIXED);
}
