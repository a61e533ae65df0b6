/* SPDX-License-Identifier: BSD-2-Clause */
/* The size class of the blocks that begin in each page. */
#include "space/page_map.h"

void page_map_set(const void *base, size_t size, uint8_t *bytes)
{
    size_t first = (uintptr_t)base >> ADDRESS_MAP_GRANULE_SHIFT;
    size_t count = size >> ADDRESS_MAP_GRANULE_SHIFT;

    for (size_t i = 0; i < count; i++)
        atomic_store_explicit(&address_map_tables->classes[first + i],
                              bytes == NULL ? NULL
                                            : (_Atomic uint8_t *)bytes + i * PAGE_MAP_GRANULE_PAGES,
                              memory_order_relaxed);
}
