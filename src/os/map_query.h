/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ioctl PROCMAP_QUERY of /proc/self/maps (Linux 6.11), which finds one memory map by address
 * and properties. For a part of the maps that takes less time than to read all of them as text.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "os/process_maps.h"

/* Returns the value of process_map.file for maps of this file that map_query_each() finds. */
uint64_t map_query_file(dev_t device, ino_t inode);

/* What to do with the maps. */
struct map_query_visitor {
    /* Whether the path of the map must be found, which takes a second query. */
    bool (*needs_path)(const struct process_map *map);
    void (*visit)(const struct process_map *map);
};

/*
 * Visits each map that is shared and writable, in the order of their addresses. Allocates nothing.
 * Maps that are created or removed meanwhile may be missed. A path that is not needed, or has more
 * than 511 bytes, is empty. The maps have no effects. -EOPNOTSUPP: the kernel has no such ioctl, or
 * a filter of system calls forbids the call; or -errno of open(2). After an error some may be
 * missing.
 */
int map_query_each(const struct map_query_visitor *visitor);
