/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shared maps of the process, read once a fork for all spaces that are frozen.
 *
 * The writable maps alone take the least time to find. They are enough for chunks that one map
 * covers. Where the program may have set something for its pages, all maps are read with their
 * effects. Only one thread at a time forks, so the list has no lock.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os/page_effects.h"
#include "os/process_maps.h"
#include "space/space.h"
#include "util/fork_generation.h"

enum freeze_maps_detail {
    MAPS_WRITABLE, /* those that are writable, found by queries */
    MAPS_ALL,      /* all, where the kernel answers no queries */
    MAPS_EFFECTS,  /* all, with their effects if the kernel reports effects */
};

struct freeze_maps {
    struct process_map *list; /* NULL: not read */
    size_t most;
    size_t count;
    enum freeze_maps_detail detail;
    bool has_transfers; /* process_map_is_for_transfers() */
    bool has_locked;    /* pages in the range of the maps may be locked */
    enum page_effects_future future;
};

extern struct freeze_maps freeze_maps FORK_DATA;

/*
 * Ensures that the list has at least this detail: MAPS_WRITABLE, or more where the kernel answers
 * no queries, or MAPS_EFFECTS. On error -errno, and there is no list: -EOPNOTSUPP where the kernel
 * may write to the process's pages by io_uring(7) and the like.
 */
int freeze_maps_read(const struct space *space, enum freeze_maps_detail detail);

/* Frees the list. */
void freeze_maps_forget(void);

/* Returns the index of the first map that ends behind the address; the count: there is none. */
size_t freeze_maps_find(uintptr_t address);

/* Returns process_map.file of the space's file; 0: the list has no map of that file. */
uint64_t freeze_maps_file_of(const struct space *space);
