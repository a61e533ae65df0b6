/* SPDX-License-Identifier: BSD-2-Clause */
/* Which heap an address belongs to. */
#include "space/address_map.h"

_Atomic uint16_t address_map_table[ADDRESS_MAP_ENTRIES];
_Atomic uint16_t address_map_beside[ADDRESS_MAP_ENTRIES];

int address_map_covers(const void *base, size_t size)
{
    size_t first = (uintptr_t)base >> ADDRESS_MAP_GRANULE_SHIFT;

    return first < ADDRESS_MAP_ENTRIES &&
           size >> ADDRESS_MAP_GRANULE_SHIFT <= ADDRESS_MAP_ENTRIES - first;
}

void address_map_set(const void *base, size_t size, unsigned owner)
{
    size_t first = (uintptr_t)base >> ADDRESS_MAP_GRANULE_SHIFT;
    size_t count = size >> ADDRESS_MAP_GRANULE_SHIFT;

    for (size_t i = first; i < first + count; i++)
        atomic_store_explicit(&address_map_table[i], (uint16_t)owner, memory_order_release);
}

void address_map_mark_areas(const void *base, size_t size)
{
    size_t first = (uintptr_t)base >> ADDRESS_MAP_GRANULE_SHIFT;
    size_t last = ((uintptr_t)base + size - 1) >> ADDRESS_MAP_GRANULE_SHIFT;

    for (size_t i = first; i <= last; i++) {
        uint16_t owner = atomic_load(&address_map_table[i]);

        /* What is beside must be known by the time that readers look for it. */
        do {
            if (owner == ADDRESS_MAP_AREAS)
                break;
            atomic_store(&address_map_beside[i], owner);
        } while (!atomic_compare_exchange_weak(&address_map_table[i], &owner, ADDRESS_MAP_AREAS));
    }
}
