/* SPDX-License-Identifier: BSD-2-Clause */
/* Freezing: how the child of a fork gets a copy of a space although the fork copies nothing. */
#include "space/freeze.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

#include "os/holders.h"
#include "os/late_unmap.h"
#include "os/page_effects.h"
#include "os/shared_futex.h"
#include "space/freeze_maps.h"
#include "space/map_edges.h"
#include "space/region.h"
#include "space/segment.h"
#include "util/errno_text.h"
#include "util/log.h"

/* With more runs of chunks, the chunks between the runs are frozen too, to have fewer maps. */
#define RUNS_MOST 512u

/* -- Freezing ---------------------------------------------------------------------------------- */

/* Chunks in a row, [first, end), of one segment. */
struct run {
    struct segment *segment;
    size_t first;
    size_t end;
};

static bool must_freeze(const struct space *space, const struct segment *segment, size_t chunk)
{
    unsigned file = atomic_load_explicit(&segment->files[chunk], memory_order_relaxed);
    const struct region *region = segment->regions[chunk];

    if (file != 0)
        return space->is_partly_frozen && file == space->file_number + 1;
    return region != NULL && region_has_pages(region, segment->base + (chunk << SPACE_CHUNK_SHIFT));
}

static bool may_freeze(const struct segment *segment, size_t chunk)
{
    return atomic_load_explicit(&segment->files[chunk], memory_order_relaxed) == 0;
}

/* Finds the next run from run->end on. `widely`: joins runs if all chunks between may be frozen. */
static bool next_run(const struct space *space, struct run *run, bool widely)
{
    size_t chunks = run->segment->taken >> SPACE_CHUNK_SHIFT;
    size_t chunk = run->end;

    while (chunk < chunks && !must_freeze(space, run->segment, chunk))
        chunk++;
    run->first = chunk;
    run->end = chunk;
    for (; chunk < chunks; chunk++)
        if (must_freeze(space, run->segment, chunk))
            run->end = chunk + 1;
        else if (!widely || !may_freeze(run->segment, chunk))
            break;
    return run->first < run->end;
}

/* Calls `call`, if not NULL, for each run until a call fails. Returns the runs, or -errno. */
static int for_each_run(struct space *space, bool widely,
                        int (*call)(struct space *space, const struct run *run))
{
    int count = 0;

    for (struct segment *segment = atomic_load(&space->segments); segment != NULL;
         segment = segment->next) {
        struct run run = {.segment = segment};

        while (segment->size != 0 && next_run(space, &run, widely)) {
            int err = call != NULL ? call(space, &run) : 0;
            if (err != 0)
                return err;
            count++;
        }
    }
    return count;
}

static bool has_unforked FORK_DATA; /* maps of MADV_DONTFORK were left shared */

/* Of a segment, as offsets from its base. */
struct piece {
    size_t first;
    size_t end;
    struct process_map like; /* protection and effects */
};

/* Adjacent maps become one, and less for the kernel to copy at each fork. */
static int freeze_piece(struct space *space, struct segment *segment, const struct piece *piece)
{
    size_t open = atomic_load(&segment->open);

    if (piece->first == piece->end)
        return 0;
    int err = space->store->freeze(space, segment->base + piece->first,
                                   segment->offset + (off_t)piece->first, piece->end - piece->first,
                                   &piece->like);
    if (err == 0 && piece->first <= open && open < piece->end &&
        piece->like.protection == (PROT_READ | PROT_WRITE))
        atomic_store(&segment->open, piece->end);
    return err;
}

/* What is behind the open part of the segment is mapped as if it were open. */
static int protection_of(const struct segment *segment, const struct process_map *map)
{
    uintptr_t open = (uintptr_t)segment->base + atomic_load(&segment->open);

    return map->start == open && map->protection == PROT_NONE ? PROT_READ | PROT_WRITE
                                                              : map->protection;
}

/* No child gets such a map, and what a device writes to its pages must reach the parent. */
static bool is_unforked(const struct process_map *map)
{
    bool unforked = (map->effects & PROCESS_MAP_NO_FORK) != 0;

    has_unforked |= unforked;
    return unforked;
}

/*
 * What of the run is mapped shared, with the protection that each part of it has. What the program
 * has mapped there itself stays.
 */
static int freeze_each_map(struct space *space, const struct run *run)
{
    uintptr_t base = (uintptr_t)run->segment->base;
    uintptr_t first = base + (run->first << SPACE_CHUNK_SHIFT);
    uintptr_t end = base + (run->end << SPACE_CHUNK_SHIFT);
    uint64_t file = freeze_maps_file_of(space);
    const struct process_map *list = freeze_maps.list;
    struct piece piece = {0};
    int err = file != 0 ? 0 : -ENOENT;

    for (size_t i = freeze_maps_find(first);
         i < freeze_maps.count && list[i].start < end && err == 0; i++) {
        size_t from = (list[i].start > first ? list[i].start : first) - base;
        size_t to = (list[i].end < end ? list[i].end : end) - base;
        struct process_map like = {.protection = protection_of(run->segment, &list[i]),
                                   .effects = list[i].effects};

        if (list[i].file != file || is_unforked(&list[i]))
            continue;
        /* With effects, each map may have a policy of its own. */
        if (piece.end != from || piece.like.protection != like.protection || like.effects != 0) {
            err = freeze_piece(space, run->segment, &piece);
            piece = (struct piece){from, from, like};
        }
        piece.end = to;
    }
    return err == 0 ? freeze_piece(space, run->segment, &piece) : err;
}

/* With writable maps alone, one map covers what is open of the run: see check_run(). */
static int freeze_maps_of(struct space *space, const struct run *run)
{
    const struct piece all = {
        .first = run->first << SPACE_CHUNK_SHIFT,
        .end = run->end << SPACE_CHUNK_SHIFT,
        .like = {.protection = PROT_READ | PROT_WRITE},
    };

    return freeze_maps.detail == MAPS_WRITABLE ? freeze_piece(space, run->segment, &all)
                                               : freeze_each_map(space, run);
}

/*
 * Records all chunks of the run as frozen, then maps them. If the mapping fails half-way, the next
 * fork maps the rest.
 */
static int freeze_run(struct space *space, const struct run *run)
{
    for (size_t chunk = run->first; chunk < run->end; chunk++)
        if (may_freeze(run->segment, chunk)) {
            atomic_store_explicit(&run->segment->files[chunk],
                                  (unsigned char)(space->file_number + 1), memory_order_relaxed);
            atomic_fetch_add_explicit(&space->frozen, SPACE_CHUNK, memory_order_relaxed);
        }
    return freeze_maps_of(space, run);
}

/* -- What the program may have set ------------------------------------------------------------- */

/* Whether one writable map of the file covers all of the run that is open. */
static bool is_one_map(const struct run *run, uint64_t file)
{
    size_t open = atomic_load(&run->segment->open);
    size_t end = run->end << SPACE_CHUNK_SHIFT;
    uintptr_t base = (uintptr_t)run->segment->base;
    uintptr_t first = base + (run->first << SPACE_CHUNK_SHIFT);
    size_t i = freeze_maps_find(first);
    const struct process_map *map = &freeze_maps.list[i];

    return i < freeze_maps.count && map->file == file && map->start <= first &&
           map->end >= base + (end < open ? end : open) &&
           map->protection == (PROT_READ | PROT_WRITE);
}

/* Whether one of the maps of the file in the run may be filled by a block, or has a policy. */
static bool has_filled_or_policy(const struct space *space, const struct run *run, uint64_t file)
{
    const struct process_map *list = freeze_maps.list;
    uintptr_t base = (uintptr_t)run->segment->base;
    uintptr_t end = base + (run->end << SPACE_CHUNK_SHIFT);

    for (size_t i = freeze_maps_find(base + (run->first << SPACE_CHUNK_SHIFT));
         i < freeze_maps.count && list[i].start < end; i++)
        if (list[i].file == file && (map_edges_are_of_block(run->segment, &list[i]) ||
                                     space->store->has_policy(space, (void *)list[i].start)))
            return true;
    return false;
}

static int check_run(struct space *space, const struct run *run)
{
    size_t first = run->first << SPACE_CHUNK_SHIFT;
    size_t end = run->end << SPACE_CHUNK_SHIFT;
    char *base = run->segment->base;
    uint64_t file = freeze_maps_file_of(space);
    bool has = (freeze_maps.detail == MAPS_WRITABLE && !is_one_map(run, file)) ||
               (freeze_maps.has_locked && page_effects_are_locked(base + first, end - first)) ||
               map_edges_has_foreign(run->segment, first, end, freeze_maps.list, freeze_maps.count,
                                     file) ||
               has_filled_or_policy(space, run, file);

    return has ? -EEXIST : 0;
}

/* Whether the program may have set something for pages of the space, or for all of its memory. */
static bool may_have_effects(struct space *space, bool widely)
{
    return freeze_maps.future != FUTURE_UNLOCKED || for_each_run(space, widely, check_run) < 0;
}

static int read_maps(struct space *space, bool widely)
{
    int err = freeze_maps_read(space, MAPS_WRITABLE);

    if (err == 0 && freeze_maps.detail != MAPS_EFFECTS && may_have_effects(space, widely))
        err = freeze_maps_read(space, MAPS_EFFECTS);
    return err;
}

/* -- All runs ---------------------------------------------------------------------------------- */

static int freeze_runs(struct space *space, bool widely)
{
    int err = page_effects_lock_on_fault(freeze_maps.future);

    if (err != 0)
        return err;
    err = for_each_run(space, widely, freeze_run);
    page_effects_lock_at_once(freeze_maps.future);
    return err;
}

int freeze_begin(struct space *space)
{
    int err;

    if (space->store->freeze == NULL || space->file_number >= SPACE_FILES_MOST)
        return -EOPNOTSUPP;
    /* All chunks of a child without a file of its own are frozen already. */
    if (atomic_load(&space->lacks_file))
        return 0;
    int runs = for_each_run(space, false, NULL);
    if (runs == 0)
        return 0;
    bool widely = (unsigned)runs > RUNS_MOST;
    err = read_maps(space, widely);
    if (err == 0 && space->holders == NULL)
        space->holders = holders_get(&err);
    if (err != 0)
        return err;
    has_unforked = false;
    err = freeze_runs(space, widely);
    /* The program may cancel MADV_DONTFORK: the next fork checks those maps again. */
    space->is_partly_frozen = err < 0 || has_unforked;
    return err < 0 ? err : 0;
}

bool freeze_has_frozen(void)
{
    return freeze_maps.list != NULL;
}

void freeze_wake(struct space *space, const void *futex)
{
    const struct segment *segment = segment_of(space, futex);
    int fd = segment != NULL ? space->store->descriptor(space) : -EBADF;

    if (fd < 0)
        return;
    int err = shared_futex_wake(fd, segment->offset + ((const char *)futex - segment->base));
    if (err != 0)
        log_error("threads that wait for a futex in a kind are not woken (%s)", errno_text(-err));
}

/* -- Afterwards -------------------------------------------------------------------------------- */

void freeze_leave(struct space *space)
{
    late_unmap_all();
    if (space->holders != NULL)
        holders_put(space->holders);
    space->holders = NULL;
}

static void forget_segment(const struct segment *segment)
{
    for (size_t chunk = 0; chunk < segment->taken >> SPACE_CHUNK_SHIFT; chunk++)
        atomic_store_explicit(&segment->files[chunk], 0, memory_order_relaxed);
}

void freeze_forget(struct space *space)
{
    freeze_leave(space);
    if (space->store->forget_files != NULL)
        space->store->forget_files(space);
    for (const struct segment *segment = atomic_load(&space->segments); segment != NULL;
         segment = segment->next)
        forget_segment(segment);
    space->file_number = 0;
    space->is_partly_frozen = false;
    atomic_store(&space->lacks_file, false);
    atomic_store(&space->frozen, 0);
}
