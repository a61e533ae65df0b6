/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of owners of addresses. */
#include "space/address_map.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#include "os/vm.h"
#include "util/align.h"

/* Not in .bss, since the loader relocates pointers on these pages and so writes to them anyway. */
__attribute__((section(".data"))) struct address_map_tables *address_map_tables;
__attribute__((section(".data"))) uintptr_t address_map_end;

/*
 * Addresses behind the tables that are mapped for the library's first block: see
 * address_map_free_spare(). NULL: there are none.
 */
static __attribute__((section(".data"))) _Atomic(char *) spare;

int address_map_covers(const void *base, size_t size)
{
    size_t first = (uintptr_t)base >> ADDRESS_MAP_GRANULE_SHIFT;

    return first < ADDRESS_MAP_ENTRIES &&
           size >> ADDRESS_MAP_GRANULE_SHIFT <= ADDRESS_MAP_ENTRIES - first;
}

/* -- Memory ------------------------------------------------------------------------------------ */

/*
 * No lock, since a fork by another thread could leave a lock held: the second of two threads unmaps
 * its tables. Each process that loads the library pays for the page faults: the variables are
 * written before they are read, and cold functions lie on a page that the loader has used.
 */
static __attribute__((cold)) int map_tables(size_t spare_size)
{
    struct address_map_tables *none = NULL;
    void *mapped = NULL;
    size_t size = sizeof(*none) + spare_size;

    if (vm_map_anonymous(&mapped, size, VM_READ, MAP_PRIVATE) != 0)
        return -ENOMEM;
    if (!__atomic_compare_exchange_n(&address_map_tables, &none, mapped, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE))
        (void)vm_unmap(mapped, size);
    else if (spare_size != 0)
        atomic_store(&spare, (char *)mapped + sizeof(*none));
    __atomic_store_n(&address_map_end, (uintptr_t)1 << ADDRESS_MAP_BITS, __ATOMIC_RELEASE);
    return 0;
}

__attribute__((cold)) int address_map_begin_at_load(void)
{
    return map_tables(ADDRESS_MAP_SPARE) == 0 ? 0 : map_tables(0);
}

void address_map_free_spare(void)
{
    char *addresses = atomic_exchange(&spare, NULL);

    if (addresses != NULL)
        (void)vm_unmap(addresses, ADDRESS_MAP_SPARE);
}

int address_map_begin(void)
{
    if (__atomic_load_n(&address_map_end, __ATOMIC_ACQUIRE) != 0)
        return 0;
    return map_tables(0);
}

/* Makes [start, start + size) of the tables writable, in whole pages. */
static int open_bytes(void *start, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *first = align_ptr_down(start, page);
    char *end = align_ptr_up((char *)start + size, page);

    return vm_protect(first, (size_t)(end - first), VM_WRITE) == 0 ? 0 : -ENOMEM;
}

int address_map_open(const void *base, size_t size)
{
    size_t first = (uintptr_t)base >> ADDRESS_MAP_GRANULE_SHIFT;
    size_t count = size >> ADDRESS_MAP_GRANULE_SHIFT;
    int err = address_map_begin();

    if (err != 0)
        return err;
    struct address_map_tables *tables = address_map_tables;
    err = open_bytes(&tables->owners[first], count * sizeof(tables->owners[0]));
    return err == 0 ? open_bytes(&tables->classes[first], count * sizeof(tables->classes[0])) : err;
}

/* The same for marks: entries of `owners` and `beside`. */
static int open_for_marks(size_t first, size_t count)
{
    int err = address_map_begin();

    if (err != 0)
        return err;
    struct address_map_tables *tables = address_map_tables;
    err = open_bytes(&tables->owners[first], count * sizeof(tables->owners[0]));
    return err == 0 ? open_bytes(&tables->beside[first], count * sizeof(tables->beside[0])) : err;
}

/* -- Entries ----------------------------------------------------------------------------------- */

void address_map_set(const void *base, size_t size, unsigned owner)
{
    size_t first = (uintptr_t)base >> ADDRESS_MAP_GRANULE_SHIFT;
    size_t count = size >> ADDRESS_MAP_GRANULE_SHIFT;

    for (size_t i = first; i < first + count; i++)
        atomic_store_explicit(&address_map_tables->owners[i], (uint16_t)owner,
                              memory_order_release);
}

static void mark_ranges(_Atomic uint16_t *entry, _Atomic uint16_t *beside)
{
    uint16_t owner = atomic_load(entry);

    /* `beside` first: a reader that finds the mark reads `beside`. */
    do {
        if (owner == ADDRESS_MAP_RANGES)
            break;
        atomic_store(beside, owner);
    } while (!atomic_compare_exchange_weak(entry, &owner, ADDRESS_MAP_RANGES));
}

int address_map_mark_ranges(const void *base, size_t size)
{
    size_t first = (uintptr_t)base >> ADDRESS_MAP_GRANULE_SHIFT;
    size_t last = ((uintptr_t)base + size - 1) >> ADDRESS_MAP_GRANULE_SHIFT;
    int err = open_for_marks(first, last - first + 1);

    for (size_t i = first; i <= last && err == 0; i++)
        mark_ranges(&address_map_tables->owners[i], &address_map_tables->beside[i]);
    return err;
}

int address_map_enter_mixed(const void *ptr)
{
    size_t granule = (uintptr_t)ptr >> ADDRESS_MAP_GRANULE_SHIFT;
    uint16_t none = ADDRESS_MAP_NONE;

    if (granule >= ADDRESS_MAP_ENTRIES)
        return 0;
    int err = open_for_marks(granule, 1);
    if (err != 0)
        return err;
    if (atomic_compare_exchange_strong(&address_map_tables->owners[granule], &none,
                                       ADDRESS_MAP_MIXED) ||
        none != ADDRESS_MAP_RANGES)
        return 0;
    /* The granule has ranges, or has got them at this moment. */
    none = ADDRESS_MAP_NONE;
    atomic_compare_exchange_strong(&address_map_tables->beside[granule], &none, ADDRESS_MAP_MIXED);
    return 0;
}
