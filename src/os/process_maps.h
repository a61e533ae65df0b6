/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory maps (VMAs) of this process, as the kernel counts them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PROCESS_MAP_PATH 24

struct process_map {
    uintptr_t start;
    uintptr_t end;
    int protection; /* PROT_READ and so on */
    bool is_shared;
    uint64_t file;               /* the same for all maps of a file, and for no others */
    char path[PROCESS_MAP_PATH]; /* the begin of the path; "" for anonymous memory */
};

/*
 * Calls visit() with each map, in the order of their addresses. Allocates nothing. Maps that are
 * created or removed meanwhile may be missed. -errno of open(2) or read(2): some may be missing.
 */
int process_maps_each(void (*visit)(void *arg, const struct process_map *map), void *arg);

/*
 * Whether the map belongs to an interface by which the kernel or a device writes to the program's
 * memory outside of system calls: io_uring(7), io_setup(2), RDMA.
 */
bool process_map_is_for_transfers(const struct process_map *map);
