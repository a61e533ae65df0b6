/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Edges of the memory maps of a segment. Where the program has set something for a part of its
 * pages, that part is a map of its own (VMA), with edges that are not the library's, unless one
 * block fills a map of the library.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os/process_maps.h"
#include "space/segment.h"

/*
 * Whether any of the maps of the file has an edge in [first, end), offsets from the segment's base,
 * that is not the library's. The caller keeps other threads from changing segment->files.
 */
bool map_edges_has_foreign(const struct segment *segment, size_t first, size_t end,
                           const struct process_map *maps, size_t count, uint64_t file);

/*
 * Whether one block may fill the map, which is of the segment's file: the first and the last page
 * are used, and of one region. The caller keeps other threads from changing that region's pages.
 */
bool map_edges_are_of_block(const struct segment *segment, const struct process_map *map);
