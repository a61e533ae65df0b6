/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory maps (VMAs) of this process, as the kernel counts them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROCESS_MAP_PATH 24

/* Effects of madvise(2) and mlock(2). None: not read. */
enum process_map_effect {
    PROCESS_MAP_KNOWN = 1, /* the effects were read */
    PROCESS_MAP_LOCKED = 2,
    PROCESS_MAP_HUGE_PAGES = 4,
    PROCESS_MAP_NO_HUGE_PAGES = 8,
    PROCESS_MAP_RANDOM = 16,
    PROCESS_MAP_SEQUENTIAL = 32,
    PROCESS_MAP_NO_DUMP = 64,
    PROCESS_MAP_NO_FORK = 128, /* MADV_DONTFORK */
};

struct process_map {
    uintptr_t start;
    uintptr_t end;
    int protection; /* PROT_READ and so on */
    bool is_shared;
    uint64_t file;               /* the same for all maps of a file, and for no others */
    char path[PROCESS_MAP_PATH]; /* the begin of the path; "" for anonymous memory */
    unsigned effects;            /* of enum process_map_effect */
};

/*
 * Calls visit() with each map, in the order of their addresses. Allocates nothing. Maps that are
 * created or removed meanwhile may be missed. -errno of open(2) or read(2): some may be missing.
 */
int process_maps_each(void (*visit)(void *arg, const struct process_map *map), void *arg);

/*
 * The same, read by way of a buffer of the caller: a larger buffer takes fewer system calls. With
 * `effects`, the maps have their effects, for which the kernel walks all page tables: some 10 ms
 * for a GiB of pages of 4 KiB. A kernel built without CONFIG_PROC_PAGE_MONITOR does not report
 * effects: the maps are passed to visit() without PROCESS_MAP_KNOWN.
 */
int process_maps_read(bool effects, char *buffer, size_t size,
                      void (*visit)(void *arg, const struct process_map *map), void *arg);

/*
 * Returns the index of the first map of the list, which is in the order of addresses, that ends
 * behind the address; count: there is none.
 */
size_t process_maps_find(const struct process_map *list, size_t count, uintptr_t address);

/*
 * Whether the map belongs to an interface by which the kernel or a device writes to the program's
 * memory outside of system calls: io_uring(7), io_setup(2), RDMA.
 */
bool process_map_is_for_transfers(const struct process_map *map);
