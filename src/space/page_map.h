/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The size class of the blocks that begin in each page: one byte for 4 KiB of address space, so
 * that a free finds the size of its block without a lock and without jemalloc's structures.
 *
 * Blocks that begin in one page lie in one slab and have one class; a block that is large or of no
 * class has its first page to itself. The byte is written before a block is handed out, and has no
 * meaning while no block begins in the page. 0 means no class.
 *
 * A range of the program has bytes of its own, unless the range lies in memory that has bytes
 * already: then the range is within one block of that memory.
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

/* Returns how many bytes a piece of address space takes. */
static inline size_t page_map_bytes(size_t size)
{
    return size >> PAGE_MAP_PAGE_SHIFT;
}

/*
 * Sets `bytes`, all zero, as the page map of [base, base + size), for which address_map_open() was
 * called. NULL: the addresses have no page map.
 */
void page_map_set(const void *base, size_t size, uint8_t *bytes);

/* Returns the byte of ptr's page; NULL where there is none. Any ptr is allowed. */
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

/* Returns the class of the block at ptr; 0: none. Thread-safe, lock-free. */
static inline unsigned page_map_get(const void *ptr)
{
    const _Atomic uint8_t *byte = page_map_at(ptr);

    return byte == NULL ? 0 : atomic_load_explicit(byte, memory_order_relaxed);
}

/* The same where address_map_has(ptr); 0 for a block in a range. */
static inline const _Atomic uint8_t *page_map_at_owned(const void *ptr)
{
    const _Atomic uint8_t *bytes =
        atomic_load_explicit(ADDRESS_MAP_ENTRY(classes, ptr), memory_order_relaxed);

    if (__builtin_expect(bytes == NULL, 0))
        return NULL;
    return bytes + ((uintptr_t)ptr >> PAGE_MAP_PAGE_SHIFT) % PAGE_MAP_GRANULE_PAGES;
}

/* Reads a byte. After an atomic load, compilers extend the byte by one more instruction. */
static inline size_t page_map_read(const _Atomic uint8_t *byte)
{
#if defined(__x86_64__) && !defined(ADDRESS_MAP_SANITIZED)
    size_t value = *(const uint8_t *)byte;

    __asm__("" : "+r"(value));
    return value;
#else
    return atomic_load_explicit(byte, memory_order_relaxed);
#endif
}

static inline unsigned page_map_get_owned(const void *ptr)
{
    const _Atomic uint8_t *byte = page_map_at_owned(ptr);

    return byte == NULL ? 0 : atomic_load_explicit(byte, memory_order_relaxed);
}

/* Records the class of a block that is about to be handed out. Does not write an equal value. */
static inline void page_map_put(const void *ptr, unsigned size_class)
{
    _Atomic uint8_t *byte = page_map_at(ptr);

    if (byte != NULL && atomic_load_explicit(byte, memory_order_relaxed) != size_class)
        atomic_store_explicit(byte, (uint8_t)size_class, memory_order_relaxed);
}

/* The same for several blocks, of which those of one page are mostly adjacent in the array. */
static inline void page_map_put_many(void *const *blocks, size_t count, unsigned size_class)
{
    uintptr_t page = 0; /* no block's: nothing is mapped there */

    for (size_t i = 0; i < count; i++) {
        if ((uintptr_t)blocks[i] >> PAGE_MAP_PAGE_SHIFT == page)
            continue;
        page = (uintptr_t)blocks[i] >> PAGE_MAP_PAGE_SHIFT;
        page_map_put(blocks[i], size_class);
    }
}
