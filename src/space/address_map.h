/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The owner of each address: one flat table over the user's address space, read without a lock.
 *
 * Segments own granules of 64 MiB, aligned to their size, so that the 47 address bits of x86-64
 * take 2 Mi entries of two bytes, and 48 bits twice as many. An entry changes when a segment is
 * mapped or unmapped, never while a program has blocks there. So readers on any number of
 * processors share cache lines that are not written.
 *
 * The tables are mapped when the library is loaded, or when the first entry is made; until then, no
 * address has an owner. They are
 * mapped read-only, and the pages of entries that are made become writable; one page covers 128
 * GiB. So RLIMIT_DATA, and a kernel that counts writable memory (vm.overcommit_memory=2), count
 * some pages instead of 24 MiB, and mlockall(2) locks no others.
 *
 * Memory of the program (range_map.h) may have any place and size, and may lie within memory of
 * another owner. Its granules are marked for good; a second table has the owner of the other
 * addresses of a marked granule.
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
    ADDRESS_MAP_NONE = 0,  /* no memory of the library */
    ADDRESS_MAP_MIXED = 1, /* blocks of heaps without granules of their own: jemalloc knows whose */
    ADDRESS_MAP_RANGES = 2, /* there are ranges, or were: see range_map_owner() */
    ADDRESS_MAP_FIRST_OWNER = 3,
};

/* Indexed by granule. */
struct address_map_tables {
    _Atomic(_Atomic uint8_t *) classes[ADDRESS_MAP_ENTRIES]; /* see page_map.h */
    _Atomic uint16_t owners[ADDRESS_MAP_ENTRIES];
    /* The owner of addresses beside the ranges of a granule: any but ADDRESS_MAP_RANGES. */
    _Atomic uint16_t beside[ADDRESS_MAP_ENTRIES];
};

/* Written once, before address_map_end. */
extern struct address_map_tables *address_map_tables __attribute__((visibility("hidden")));

/* The end of the addresses in the tables; 0 while there are no tables. */
extern uintptr_t address_map_end __attribute__((visibility("hidden")));

/* The entry of ptr in a table; address_map_has(ptr). */
#define ADDRESS_MAP_ENTRY(table, ptr) \
    (&address_map_tables->table[(uintptr_t)(ptr) >> ADDRESS_MAP_GRANULE_SHIFT])

/* To a thread sanitizer, a plain load is a race. */
#ifdef __SANITIZE_THREAD__
#    define ADDRESS_MAP_SANITIZED 1
#elif defined(__has_feature)
#    if __has_feature(thread_sanitizer)
#        define ADDRESS_MAP_SANITIZED 1
#    endif
#endif

/*
 * Whether there are tables, and ptr is in them. A plain load is an operand of the comparison, which
 * saves an instruction of each free; x86-64 does not reorder loads.
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

/* Returns the owner of the granule of ptr; address_map_has(ptr). */
static inline unsigned address_map_owner_known(const void *ptr)
{
    return atomic_load_explicit(ADDRESS_MAP_ENTRY(owners, ptr), memory_order_acquire);
}

/* Returns the owner of the granule of ptr, any address. Thread-safe, lock-free. */
static inline unsigned address_map_owner(const void *ptr)
{
    return address_map_has(ptr) ? address_map_owner_known(ptr) : ADDRESS_MAP_NONE;
}

/* Whether all of [base, base + size) can be entered into the map. */
int address_map_covers(const void *base, size_t size);

/* Maps the tables, unless they are mapped. 0 or -ENOMEM. Thread-safe. */
int address_map_begin(void);

/*
 * The same, for a caller who expects that they are not mapped. If possible, maps ADDRESS_MAP_SPARE
 * bytes more, in one call.
 */
int address_map_begin_at_load(void);

/* More than the first heap takes of the addresses: some 12 MiB. */
#define ADDRESS_MAP_SPARE ((size_t)16 << 20)

/*
 * Unmaps these bytes, if they are mapped. For the first heap of a process that has limited its
 * addresses (RLIMIT_AS) to what it had before. Thread-safe.
 */
void address_map_free_spare(void);

/*
 * Makes the entries of [base, base + size) writable, in whole granules covered by the map, and
 * those of the page map, for good. 0; -ENOMEM where the system has no memory, or no more maps for
 * the process. Thread-safe.
 */
int address_map_open(const void *base, size_t size);

/*
 * Makes owner the owner of [base, base + size), for which address_map_open() was called. The caller
 * has the addresses mapped or reserved, so that no other thread writes the same entries.
 */
void address_map_set(const void *base, size_t size, unsigned owner);

/*
 * Marks the granules of [base, base + size), which the map covers, as granules with ranges.
 * -ENOMEM: none is marked. One thread at a time.
 */
int address_map_mark_ranges(const void *base, size_t size);

/* address_map_mark_mixed(), where an entry may have to be written. */
int address_map_enter_mixed(const void *ptr);

/*
 * Records that a heap without granules of its own has a block at ptr. 0 or -ENOMEM. Thread-safe,
 * lock-free.
 */
static inline int address_map_mark_mixed(const void *ptr)
{
    unsigned owner = address_map_owner(ptr);

    if (owner == ADDRESS_MAP_MIXED || owner >= ADDRESS_MAP_FIRST_OWNER)
        return 0;
    return address_map_enter_mixed(ptr);
}
