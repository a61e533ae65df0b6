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
 * A range that the program brought along has bytes of its own, unless it lies in memory that has
 * bytes already: the pages of its blocks are then within one block of that memory.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "space/address_map.h"
#include "space/range_map.h"

#define PAGE_MAP_PAGE_SHIFT    12
#define PAGE_MAP_PAGE          ((size_t)1 << PAGE_MAP_PAGE_SHIFT)
#define PAGE_MAP_GRANULE_PAGES (ADDRESS_MAP_GRANULE >> PAGE_MAP_PAGE_SHIFT)

/* How many bytes a piece of address space needs. */
static inline size_t page_map_bytes(size_t size)
{
    return size >> PAGE_MAP_PAGE_SHIFT;
}

/* Makes `bytes`, all zero, those of [base, base + size), for which address_map_open() was called;
 * NULL takes them away. */
void page_map_set(const void *base, size_t size, uint8_t *bytes);

/* The byte of ptr's page; NULL where there is none. Any ptr is allowed. */
static inline _Atomic uint8_t *page_map_at(const void *ptr)
{
    if (__builtin_expect(!address_map_has(ptr), 0))
        return NULL;
    _Atomic uint8_t *bytes =
        atomic_load_explicit(ADDRESS_MAP_ENTRY(classes, ptr), memory_order_relaxed);
    if (__builtin_expect(bytes == NULL, 0))
        return address_map_owner(ptr) == ADDRESS_MAP_RANGES ? range_map_class_at(ptr) : NULL;
    return bytes + ((uintptr_t)ptr >> PAGE_MAP_PAGE_SHIFT) % PAGE_MAP_GRANULE_PAGES;
}

/* The class of the block at ptr, 0 where it has none. Thread-safe, lock-free. */
static inline unsigned page_map_get(const void *ptr)
{
    const _Atomic uint8_t *byte = page_map_at(ptr);

    return byte == NULL ? 0 : atomic_load_explicit(byte, memory_order_relaxed);
}

/* The same for ptr of which address_map_has(), 0 where it lies in a range. */
static inline const _Atomic uint8_t *page_map_at_owned(const void *ptr)
{
    const _Atomic uint8_t *bytes =
        atomic_load_explicit(ADDRESS_MAP_ENTRY(classes, ptr), memory_order_relaxed);

    if (__builtin_expect(bytes == NULL, 0))
        return NULL;
    return bytes + ((uintptr_t)ptr >> PAGE_MAP_PAGE_SHIFT) % PAGE_MAP_GRANULE_PAGES;
}

/* A byte. Compilers extend what they load atomically by an instruction of its own. */
static inline unsigned page_map_read(const _Atomic uint8_t *byte)
{
#if defined(__x86_64__) && !defined(ADDRESS_MAP_SANITIZED)
    return *(const uint8_t *)byte;
#else
    return atomic_load_explicit(byte, memory_order_relaxed);
#endif
}

static inline unsigned page_map_get_owned(const void *ptr)
{
    const _Atomic uint8_t *byte = page_map_at_owned(ptr);

    return byte == NULL ? 0 : atomic_load_explicit(byte, memory_order_relaxed);
}

/* Notes the class of a block that is about to be handed out. Where nothing changes, nothing is
 * written. */
static inline void page_map_put(const void *ptr, unsigned size_class)
{
    _Atomic uint8_t *byte = page_map_at(ptr);

    if (byte != NULL && atomic_load_explicit(byte, memory_order_relaxed) != size_class)
        atomic_store_explicit(byte, (uint8_t)size_class, memory_order_relaxed);
}
