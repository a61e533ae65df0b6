/* SPDX-License-Identifier: BSD-2-Clause */
/* A piece: the chunks of one region that are thawed at one moment; see thaw.h. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os/page_effects.h"
#include "os/process_maps.h"
#include "os/threads.h"
#include "space/space.h"

struct region;

/* Most maps of the file in a piece: the program has seldom made more by mprotect(2). */
#define THAW_PIECE_MAPS 256

#define THAW_PIECE_BUFFER 4096

/* A piece of one region, of chunks that are frozen over the space's own file. */
struct thaw_piece {
    struct space *space;
    struct region *region;
    int fd;      /* of the file */
    int pagemap; /* of pagemap_open() */
    enum threads_others others;
    size_t first;
    size_t end;                               /* in pages */
    size_t written;                           /* bytes written so far */
    struct process_map maps[THAW_PIECE_MAPS]; /* of the file */
    size_t map_count;
    uint64_t file; /* of the store's known page, as in these */
    enum page_effects_future future;
    bool is_barred;                      /* too many maps, or memory that the kernel may write to */
    uint64_t entries[SPACE_CHUNK_PAGES]; /* of the page map, of one chunk */
    char buffer[THAW_PIECE_BUFFER];      /* for the list of maps */
};

/*
 * Thaws the piece, or its first chunks: piece->end is set to the end of the thawed part. No other
 * process has the file. The caller holds the region's lock. 0; -ESRCH: the piece, which is now one
 * chunk, must stay frozen; -EBUSY: other threads could not be stopped; or another error. On error
 * all chunks still count as frozen.
 */
int thaw_piece_locked(struct thaw_piece *piece);
