/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which heap an address belongs to: one flat table over the user's address space, read without a
 * lock.
 *
 * Address space is owned in granules of 64 MiB, aligned to their size, so that the 47 bits of
 * addresses of x86-64 take 2 Mi entries of two bytes, and 48 bits twice as many. Entries change
 * when a segment is mapped or unmapped, never while blocks in it are handed out, so readers on any
 * number of processors share lines that nobody writes.
 *
 * The tables are mapped when the first entry is made; until then, no address has an owner. They are
 * mapped to be read, and only the pages of entries that are made become writable: one page covers
 * 128 GiB. So a limit to a process's data (RLIMIT_DATA) and a kernel that counts what may be
 * written (vm.overcommit_memory=2) are asked for some pages and not for 24 MiB, and mlockall(2)
 * takes none.
 *
 * Memory that the program brings along (range_map.h) comes in any place and size, also amid memory
 * of another owner. Its granules are marked, and stay so; a second table says what they are beside
 * it.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
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
    ADDRESS_MAP_RANGES = 2, /* ranges lie here, or did: see range_map_owner() */
    ADDRESS_MAP_FIRST_OWNER = 3,
};

/* By granule. */
struct address_map_tables {
    _Atomic(_Atomic uint8_t *) classes[ADDRESS_MAP_ENTRIES]; /* see page_map.h */
    _Atomic uint16_t owners[ADDRESS_MAP_ENTRIES];
    /* What a granule with ranges is beside them: any of the above but ADDRESS_MAP_RANGES. */
    _Atomic uint16_t beside[ADDRESS_MAP_ENTRIES];
};

/* Written once, before address_map_end. */
extern struct address_map_tables *address_map_tables __attribute__((visibility("hidden")));

/* Addresses below are in the tables: 0 while there are none. */
extern uintptr_t address_map_end __attribute__((visibility("hidden")));

/* The entry of ptr in a table of address_map_tables, which are there. */
#define ADDRESS_MAP_ENTRY(table, ptr) \
    (&address_map_tables->table[(uintptr_t)(ptr) >> ADDRESS_MAP_GRANULE_SHIFT])

/* A thread sanitizer takes a plain load for a race. */
#ifdef __SANITIZE_THREAD__
#    define ADDRESS_MAP_SANITIZED 1
#elif defined(__has_feature)
#    if __has_feature(thread_sanitizer)
#        define ADDRESS_MAP_SANITIZED 1
#    endif
#endif

/*
 * Whether there are tables, and ptr is in them. On x86-64, loads are not reordered, and a plain one
 * is part of the comparison: that is one instruction of each free.
 */
static inline bool address_map_has(const void *ptr)
{
#if defined(__x86_64__) && !defined(ADDRESS_MAP_SANITIZED)
    if (__builtin_expect((uintptr_t)ptr >= address_map_end, 0))
        return false;
    atomic_signal_fence(memory_order_acquire);
    return true;
#else
    return (uintptr_t)ptr < __atomic_load_n(&address_map_end, __ATOMIC_ACQUIRE);
#endif
}

/* The owner of the granule of ptr, of which address_map_has(). */
static inline unsigned address_map_owner_known(const void *ptr)
{
    return atomic_load_explicit(ADDRESS_MAP_ENTRY(owners, ptr), memory_order_acquire);
}

/* The owner of the granule of ptr. Any value of ptr is allowed. Thread-safe, lock-free. */
static inline unsigned address_map_owner(const void *ptr)
{
    return address_map_has(ptr) ? address_map_owner_known(ptr) : ADDRESS_MAP_NONE;
}

/* Whether all of [base, base + size) can be entered into the map. */
int address_map_covers(const void *base, size_t size);

/* Maps the tables, where they are not yet. 0 or -ENOMEM. Thread-safe. */
int address_map_begin(void);

/*
 * Gets the memory for the entries of [base, base + size), both multiples of the granule and covered
 * by the map, and for those of the page map. 0; -ENOMEM where the system has none, or no map more
 * for the process. It stays. Thread-safe.
 */
int address_map_open(const void *base, size_t size);

/*
 * Makes owner the owner of [base, base + size), for which address_map_open() was called. The caller
 * holds the address space, mapped or reserved: it is what keeps two threads from writing the same
 * entries.
 */
void address_map_set(const void *base, size_t size, unsigned owner);

/* Marks the granules that [base, base + size) touches as such with ranges. All are covered by the
 * map. 0 or -ENOMEM, and nothing is marked. One thread at a time. */
int address_map_mark_ranges(const void *base, size_t size);

/* address_map_mark_mixed(), where there may be something to write. */
int address_map_note_mixed(const void *ptr);

/* Notes that a heap without granules of its own has a block at ptr. 0 or -ENOMEM. Thread-safe,
 * lock-free. */
static inline int address_map_mark_mixed(const void *ptr)
{
    unsigned owner = address_map_owner(ptr);

    if (owner == ADDRESS_MAP_MIXED || owner >= ADDRESS_MAP_FIRST_OWNER)
        return 0;
    return address_map_note_mixed(ptr);
}
