/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ioctl PROCMAP_QUERY of /proc/self/maps (Linux 6.11), which finds one memory map by address
 * and properties. For a part of the maps that takes less time than to read all of them as text.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "os/process_maps.h"

/* Returns the value of process_map.file for maps of this file that map_query_each() finds. */
uint64_t map_query_file(dev_t device, ino_t inode);

/*
 * Calls visit() with each map that is shared and writable, in the order of their addresses.
 * Allocates nothing. Maps that are created or removed meanwhile may be missed. A path of more than
 * 511 bytes is empty. The maps have no effects. -EOPNOTSUPP: the kernel has no such ioctl, or a
 * filter of system calls forbids the call; or -errno of open(2). After an error some may be
 * missing.
 */
int map_query_each(void (*visit)(void *arg, const struct process_map *map), void *arg);
