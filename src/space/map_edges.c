/* SPDX-License-Identifier: BSD-2-Clause */
/* Edges of the memory maps of a segment. */
#include "space/map_edges.h"

#include "space/page_bitmap.h"
#include "space/region.h"

/* Between chunks of different files, or frozen and other chunks. */
static bool files_differ(const struct segment *segment, size_t at)
{
    size_t chunk = at >> SPACE_CHUNK_SHIFT;

    return at % SPACE_CHUNK == 0 &&
           atomic_load_explicit(&segment->files[chunk - 1], memory_order_relaxed) !=
               atomic_load_explicit(&segment->files[chunk], memory_order_relaxed);
}

static bool is_ours(const struct segment *segment, size_t at)
{
    return at == 0 || at == atomic_load(&segment->size) || at == atomic_load(&segment->open) ||
           files_differ(segment, at);
}

static bool is_foreign(const struct segment *segment, uintptr_t edge, size_t first, size_t end)
{
    size_t at = edge - (uintptr_t)segment->base;

    /* Below the base, `at` has wrapped around. */
    return at >= first && at <= end && !is_ours(segment, at);
}

bool map_edges_has_foreign(const struct segment *segment, size_t first, size_t end,
                           const struct process_map *maps, size_t count, uint64_t file)
{
    uintptr_t base = (uintptr_t)segment->base;

    /* From the first map on that ends at `first`. */
    for (size_t i = process_maps_find(maps, count, base + first - 1);
         i < count && maps[i].start <= base + end; i++)
        if (maps[i].file == file && (is_foreign(segment, maps[i].start, first, end) ||
                                     is_foreign(segment, maps[i].end, first, end)))
            return true;
    return false;
}

/* Returns the region of the page at the offset from the segment's base; NULL: there is none. */
static const struct region *region_at(const struct segment *segment, size_t at)
{
    return at < segment->size ? segment->regions[at >> SPACE_CHUNK_SHIFT] : NULL;
}

static bool is_used(const struct region *region, uintptr_t page)
{
    size_t i = (page - (uintptr_t)region->base) / region->space->page;

    return i < region->pages && page_bitmap_count(region->used, i, i + 1) != 0;
}

bool map_edges_are_of_block(const struct segment *segment, const struct process_map *map)
{
    uintptr_t base = (uintptr_t)segment->base;
    /* Below the base, the offset wraps around. */
    const struct region *region = region_at(segment, map->start - base);

    if (region == NULL || region != region_at(segment, map->end - base - 1))
        return false;
    return is_used(region, map->start) && is_used(region, map->end - region->space->page);
}
