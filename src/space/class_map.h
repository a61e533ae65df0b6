/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The size class of the blocks that begin in each page: one byte for 4 KiB of address space, so
 * that a free needs neither a lock nor a walk through the allocator's own structures to know how
 * large its block is.
 *
 * A byte is right for every block that is handed out, since it is written before: blocks that begin
 * in one page lie in one slab and are of one class, and a block that is large or of no class has
 * its first page to itself. It says nothing while no block is. 0 means no class.
 *
 * An area that the program brought along has bytes of its own, unless it lies in memory that has
 * bytes already: the pages of its blocks are then within one block of that memory.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "space/address_map.h"
#include "space/area_map.h"

#define CLASS_MAP_PAGE_SHIFT    12
#define CLASS_MAP_PAGE          ((size_t)1 << CLASS_MAP_PAGE_SHIFT)
#define CLASS_MAP_GRANULE_PAGES (ADDRESS_MAP_GRANULE >> CLASS_MAP_PAGE_SHIFT)

/* How many bytes a piece of address space needs. */
static inline size_t class_map_bytes(size_t size)
{
    return size >> CLASS_MAP_PAGE_SHIFT;
}

/* Makes `bytes`, all zero, those of [base, base + size), for which address_map_open() was called;
 * NULL takes them away. */
void class_map_set(const void *base, size_t size, uint8_t *bytes);

/* The byte of ptr's page; NULL where there is none. Any ptr is allowed. */
static inline _Atomic uint8_t *class_map_at(const void *ptr)
{
    if (__builtin_expect(!address_map_has(ptr), 0))
        return NULL;
    _Atomic uint8_t *bytes =
        atomic_load_explicit(ADDRESS_MAP_ENTRY(classes, ptr), memory_order_relaxed);
    if (__builtin_expect(bytes == NULL, 0))
        return address_map_owner(ptr) == ADDRESS_MAP_AREAS ? area_map_class_at(ptr) : NULL;
    return bytes + ((uintptr_t)ptr >> CLASS_MAP_PAGE_SHIFT) % CLASS_MAP_GRANULE_PAGES;
}

/* The class of the block at ptr, 0 where it has none. Thread-safe, lock-free. */
static inline unsigned class_map_get(const void *ptr)
{
    const _Atomic uint8_t *byte = class_map_at(ptr);

    return byte == NULL ? 0 : atomic_load_explicit(byte, memory_order_relaxed);
}

/* The same for ptr of which address_map_has(), 0 where it lies in an area. */
static inline const _Atomic uint8_t *class_map_at_owned(const void *ptr)
{
    const _Atomic uint8_t *bytes =
        atomic_load_explicit(ADDRESS_MAP_ENTRY(classes, ptr), memory_order_relaxed);

    if (__builtin_expect(bytes == NULL, 0))
        return NULL;
    return bytes + ((uintptr_t)ptr >> CLASS_MAP_PAGE_SHIFT) % CLASS_MAP_GRANULE_PAGES;
}

static inline unsigned class_map_get_owned(const void *ptr)
{
    const _Atomic uint8_t *byte = class_map_at_owned(ptr);

    return byte == NULL ? 0 : atomic_load_explicit(byte, memory_order_relaxed);
}

/* Notes the class of a block that is about to be handed out. Where nothing changes, nothing is
 * written. */
static inline void class_map_put(const void *ptr, unsigned size_class)
{
    _Atomic uint8_t *byte = class_map_at(ptr);

    if (byte != NULL && atomic_load_explicit(byte, memory_order_relaxed) != size_class)
        atomic_store_explicit(byte, (uint8_t)size_class, memory_order_relaxed);
}
