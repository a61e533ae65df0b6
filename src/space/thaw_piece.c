/* SPDX-License-Identifier: BSD-2-Clause */
/* How a piece is thawed: its private pages are written to the file, and it is mapped shared. */
#include "space/thaw_piece.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>

#include "os/frozen_map.h"
#include "os/pagemap.h"
#include "os/threads.h"
#include "os/tmpfile.h"
#include "os/vm.h"
#include "space/map_edges.h"
#include "space/page_bitmap.h"
#include "space/region.h"
#include "util/clock.h"

/*
 * Bytes, and time, after which no further chunk of the piece is written: other threads wait
 * meanwhile.
 */
#define WRITTEN_ENOUGH  ((size_t)4 << 20)
#define WRITTEN_LONG_NS ((int64_t)CLOCK_NS_PER_MS)

/* -- Maps and pages ---------------------------------------------------------------------------- */

static char *address_of(const struct thaw_piece *piece, size_t page)
{
    return piece->region->base + page * piece->space->page;
}

static void add_map(void *arg, const struct process_map *map)
{
    struct thaw_piece *piece = arg;

    uintptr_t known = (uintptr_t)piece->space->store->known_page(piece->space);

    piece->is_barred |= process_map_is_for_transfers(map);
    if (map->start <= known && map->end > known)
        piece->file = map->file;
    if (map->end <= (uintptr_t)address_of(piece, piece->first) ||
        map->start >= (uintptr_t)address_of(piece, piece->end))
        return;
    if (piece->map_count < THAW_PIECE_MAPS)
        piece->maps[piece->map_count++] = *map;
    else
        piece->is_barred = true;
}

static int fill_maps(struct thaw_piece *piece, bool effects)
{
    piece->map_count = 0;
    piece->file = 0;
    piece->is_barred = false;
    int err = process_maps_read(effects, piece->buffer, sizeof(piece->buffer), add_map, piece);

    return err == 0 && (piece->is_barred || piece->file == 0) ? -EBUSY : err;
}

static bool are_locked(const struct thaw_piece *piece)
{
    return page_effects_are_locked(address_of(piece, piece->first),
                                   (piece->end - piece->first) * piece->space->page);
}

static bool has_foreign_edges(const struct thaw_piece *piece)
{
    const struct segment *segment = segment_of(piece->space, piece->region->base);

    return map_edges_has_foreign(segment, (size_t)(address_of(piece, piece->first) - segment->base),
                                 (size_t)(address_of(piece, piece->end) - segment->base),
                                 piece->maps, piece->map_count, piece->file);
}

/* Whether a block of the program may fill one of the maps. */
static bool has_filled_map(const struct thaw_piece *piece)
{
    const struct segment *segment = segment_of(piece->space, piece->region->base);
    uintptr_t base = (uintptr_t)piece->region->base;

    /* Other regions are not locked. */
    for (size_t i = 0; i < piece->map_count; i++)
        if (piece->maps[i].file == piece->file && piece->maps[i].start >= base &&
            piece->maps[i].end <= base + piece->region->pages * piece->space->page &&
            map_edges_are_of_block(segment, &piece->maps[i]))
            return true;
    return false;
}

static bool has_policies(const struct thaw_piece *piece)
{
    for (size_t i = 0; i < piece->map_count; i++)
        if (piece->maps[i].file == piece->file &&
            piece->space->store->has_policy(piece->space, (void *)piece->maps[i].start))
            return true;
    return false;
}

/* Returns how new mappings are locked. */
static enum page_effects_future future_of(size_t page)
{
    void *fresh = vm_alloc(page);

    if (fresh == NULL)
        return FUTURE_UNLOCKED;
    enum page_effects_future future = page_effects_future_of(fresh, page);
    (void)vm_unmap(fresh, page);
    return future;
}

/* Reads the maps, with their effects if the program may have set any. */
static int read_maps(struct thaw_piece *piece)
{
    int err = fill_maps(piece, false);

    piece->future = future_of(piece->space->page);
    bool locked = piece->future != FUTURE_UNLOCKED || are_locked(piece);
    if (err != 0 ||
        (!locked && !has_foreign_edges(piece) && !has_filled_map(piece) && !has_policies(piece)))
        return err;
    return fill_maps(piece, true);
}

/* -- Writing ----------------------------------------------------------------------------------- */

static int write_run(struct thaw_piece *piece, size_t first, size_t end)
{
    size_t size = (end - first) * piece->space->page;

    piece->written += size;
    return tmpfile_write(piece->fd, address_of(piece, first), size,
                         piece->region->offset + (off_t)(first * piece->space->page));
}

/* Whether a page has contents to keep: those of a used page, or the zeroes of an empty one. */
static bool has_contents(const struct region *region, size_t page)
{
    return page_bitmap_count(region->committed, page, page + 1) != 0 &&
           page_bitmap_count(region->stale, page, page + 1) == 0;
}

/*
 * Writes the private pages of one chunk that have contents. An unused page has some where a commit
 * has filled stale pages with zeroes and then failed: the file still has what the page held before.
 */
static int write_chunk(struct thaw_piece *piece, size_t first, size_t end)
{
    int err = 0;

    /* The last chunk of a region may be its own in part. */
    if (end > piece->region->pages)
        end = piece->region->pages;
    pagemap_read(piece->pagemap, address_of(piece, first), piece->space->page, end - first,
                 piece->entries);
    for (size_t page = first; page < end && err == 0; page++) {
        size_t run = page;

        while (page < end && pagemap_is_private(piece->entries[page - first]) &&
               has_contents(piece->region, page))
            page++;
        if (run < page)
            err = write_run(piece, run, page);
    }
    return err;
}

/* Returns the part of the map in the piece, if the map is of the file. False: there is none. */
static bool clip(const struct thaw_piece *piece, const struct process_map *map, char **addr,
                 size_t *size)
{
    uintptr_t first = (uintptr_t)address_of(piece, piece->first);
    uintptr_t end = (uintptr_t)address_of(piece, piece->end);

    if (map->file != piece->file)
        return false;
    first = map->start > first ? map->start : first;
    end = map->end < end ? map->end : end;
    *addr = piece->region->base + (first - (uintptr_t)piece->region->base);
    *size = end - first;
    return first < end;
}

/*
 * Sets the protection of the parts that the program has made unreadable to theirs and `more`. The
 * file is written from these parts, so PROT_READ is added for that time.
 */
static int protect_unreadable(const struct thaw_piece *piece, int more)
{
    int err = 0;

    for (size_t i = 0; i < piece->map_count && err == 0; i++) {
        const struct process_map *map = &piece->maps[i];
        char *addr;
        size_t size;

        if ((map->protection & PROT_READ) == 0 && clip(piece, map, &addr, &size))
            err = frozen_map_protect(addr, size, map->protection | more);
    }
    return err;
}

/* Writes chunks until enough is written, and sets piece->end to their end. At least one chunk. */
static int write_chunks(struct thaw_piece *piece)
{
    size_t chunk = SPACE_CHUNK / piece->space->page;
    size_t page = piece->first;
    int64_t end = clock_ns() + WRITTEN_LONG_NS;
    int err = 0;

    do {
        err = write_chunk(piece, page, page + chunk);
        page += chunk;
    } while (page < piece->end && err == 0 && piece->written < WRITTEN_ENOUGH && clock_ns() < end);
    if (err == 0)
        piece->end = page;
    return err;
}

/* -- Mapping ----------------------------------------------------------------------------------- */

/* Maps the piece shared, each part with its protection. For threads_call(). */
static int map_shared(void *arg)
{
    const struct thaw_piece *piece = arg;
    int err = 0;

    for (size_t i = 0; i < piece->map_count && err == 0; i++) {
        const struct region *region = piece->region;
        char *addr;
        size_t size;

        if (clip(piece, &piece->maps[i], &addr, &size))
            err = piece->space->store->thaw(
                piece->space, addr, region->offset + (addr - region->base), size, &piece->maps[i]);
    }
    return err;
}

static void mark_thawed(const struct thaw_piece *piece)
{
    size_t chunk = SPACE_CHUNK / piece->space->page;

    for (size_t page = piece->first; page < piece->end; page += chunk) {
        atomic_store(&piece->region->files[page / chunk], 0);
        atomic_fetch_sub(&piece->space->frozen, SPACE_CHUNK);
    }
}

/*
 * Ends the piece before the first chunk that the calling thread writes to during the moment. False:
 * that is the first chunk, and the piece is this chunk alone.
 */
static bool leave_out_used(struct thaw_piece *piece, const struct threads_stop *stop)
{
    size_t chunk = SPACE_CHUNK / piece->space->page;
    size_t page = piece->first;

    while (page < piece->end && !threads_use(stop, address_of(piece, page), SPACE_CHUNK))
        page += chunk;
    bool any = page != piece->first;
    piece->end = any ? page : page + chunk;
    return any;
}

/* Called while no other thread can run. Returns as thaw_piece_locked(). */
static int thaw_stopped(struct thaw_piece *piece, const struct threads_stop *stop)
{
    if (!leave_out_used(piece, stop))
        return -ESRCH;
    int err = read_maps(piece);
    if (err != 0)
        return err;
    err = protect_unreadable(piece, PROT_READ);
    if (err == 0)
        err = write_chunks(piece);
    if (err == 0)
        err = page_effects_lock_on_fault(piece->future);
    if (err == 0) {
        err = threads_call(stop, map_shared, piece);
        page_effects_lock_at_once(piece->future);
        /* Parts may be mapped shared, and must not be so in the child of a fork. */
        piece->space->is_partly_frozen |= err != 0;
    }
    if (err == 0)
        mark_thawed(piece);
    else
        (void)protect_unreadable(piece, PROT_NONE);
    return err;
}

int thaw_piece_locked(struct thaw_piece *piece)
{
    struct threads_stop stop;

    if (!threads_stop(&stop, piece->others))
        return -EBUSY;
    int err = thaw_stopped(piece, &stop);
    threads_continue(&stop);
    return err;
}
