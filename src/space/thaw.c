/* SPDX-License-Identifier: BSD-2-Clause */
/* Frozen chunks that become ordinary ones again. */
#include "space/thaw.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/holders.h"
#include "os/late_unmap.h"
#include "os/process_maps.h"
#include "os/threads.h"
#include "os/tmpfile.h"
#include "space/page_bitmap.h"
#include "space/region.h"
#include "space/segment.h"
#include "space/space.h"
#include "util/cancel.h"
#include "util/clock.h"
#include "util/env.h"
#include "util/fork_generation.h"
#include "util/lock.h"
#include "util/log.h"

/* What is thawed at one moment: so many bytes are mapped anew at most, and so many written. */
#define PIECE_MAPPED  ((size_t)64 << 20)
#define PIECE_WRITTEN ((size_t)4 << 20)

/* Of the maps of a piece: more are more than the program has made by mprotect(2) in most cases. */
#define PIECE_MAPS 256

/* A process that forks again and again is left alone. */
#define AFTER_FORK_MS   1000
#define BETWEEN_MS      100
#define AFTER_FAILED_MS 1000

/* Threads of the program leave thawing to the background for so long. */
#define BACKGROUND_MS 3000

/* Of an entry of /proc/self/pagemap. */
#define PAGEMAP_PRESENT ((uint64_t)1 << 63)
#define PAGEMAP_SWAPPED ((uint64_t)1 << 62)
#define PAGEMAP_OF_FILE ((uint64_t)1 << 61)

/* A piece of one region, of chunks that are frozen over the space's own file. */
struct piece {
    struct space *space;
    struct region *region;
    int fd;           /* of the file */
    int pagemap;      /* -1: what is private is not known */
    bool stop_others; /* where the process has other threads */
    size_t first;
    size_t end; /* in pages */
    size_t written;
    struct process_map maps[PIECE_MAPS]; /* of the file */
    size_t map_count;
    uint64_t file;  /* of the store's known page, as in these */
    bool is_barred; /* more maps than that, or memory that the kernel may write to */
    uint64_t entries[SPACE_CHUNK_PAGES]; /* of the page map, of one chunk */
};

/* Too large for the stacks of some threads. Guarded by thaw_lock. */
static struct piece the_piece;
static pthread_mutex_t thaw_lock = PTHREAD_MUTEX_INITIALIZER;

/* -- What is there ----------------------------------------------------------------------------- */

static char *address_of(const struct piece *piece, size_t page)
{
    return piece->region->base + page * piece->space->page;
}

static void add_map(void *arg, const struct process_map *map)
{
    struct piece *piece = arg;

    uintptr_t known = (uintptr_t)piece->space->store->known_page(piece->space);

    piece->is_barred |= process_map_is_for_transfers(map);
    if (map->start <= known && map->end > known)
        piece->file = map->file;
    if (map->end <= (uintptr_t)address_of(piece, piece->first) ||
        map->start >= (uintptr_t)address_of(piece, piece->end))
        return;
    if (piece->map_count < PIECE_MAPS)
        piece->maps[piece->map_count++] = *map;
    else
        piece->is_barred = true;
}

static int read_maps(struct piece *piece)
{
    piece->map_count = 0;
    piece->file = 0;
    piece->is_barred = false;
    int err = process_maps_each(add_map, piece);

    return err == 0 && (piece->is_barred || piece->file == 0) ? -EBUSY : err;
}

/* Reads the entries of the chunk's pages; without them, all may be private. */
static void read_pagemap(struct piece *piece, size_t first, size_t end)
{
    size_t size = (end - first) * sizeof(piece->entries[0]);
    size_t number = (uintptr_t)address_of(piece, first) / piece->space->page;

    if (piece->pagemap >= 0 && pread(piece->pagemap, piece->entries, size,
                                     (off_t)(number * sizeof(piece->entries[0]))) == (ssize_t)size)
        return;
    for (size_t i = 0; i < end - first; i++)
        piece->entries[i] = PAGEMAP_PRESENT;
}

static bool is_private(uint64_t entry)
{
    return (entry & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED)) != 0 && (entry & PAGEMAP_OF_FILE) == 0;
}

/* -- Writing ----------------------------------------------------------------------------------- */

static int write_run(struct piece *piece, size_t first, size_t end)
{
    size_t size = (end - first) * piece->space->page;

    piece->written += size;
    return tmpfile_write(piece->fd, address_of(piece, first), size,
                         piece->region->offset + (off_t)(first * piece->space->page));
}

/* What is private of the used pages of one chunk. */
static int write_chunk(struct piece *piece, size_t first, size_t end)
{
    const uint64_t *used = piece->region->used;
    int err = 0;

    /* The last chunk of a region may be its own in part. */
    if (end > piece->region->pages)
        end = piece->region->pages;
    read_pagemap(piece, first, end);
    for (size_t page = first; page < end && err == 0; page++) {
        size_t run = page;

        while (page < end && is_private(piece->entries[page - first]) &&
               page_bitmap_next_set(used, page, page + 1) == page)
            page++;
        if (run < page)
            err = write_run(piece, run, page);
    }
    return err;
}

/* The part of the map that lies in the piece and is the file's; false where there is none. */
static bool clip(const struct piece *piece, const struct process_map *map, char **addr,
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
 * Gives the parts that cannot be read, by the program's will, their protection and `more`: the
 * file is written from them.
 */
static int protect_unreadable(const struct piece *piece, int more)
{
    int err = 0;

    for (size_t i = 0; i < piece->map_count && err == 0; i++) {
        const struct process_map *map = &piece->maps[i];
        char *addr;
        size_t size;

        if ((map->protection & PROT_READ) == 0 && clip(piece, map, &addr, &size) &&
            mprotect(addr, size, map->protection | more) != 0)
            err = -errno;
    }
    return err;
}

/* Writes chunks, until there are enough; piece->end is where they end. */
static int write_chunks(struct piece *piece)
{
    size_t chunk = SPACE_CHUNK / piece->space->page;
    size_t page = piece->first;
    int err = 0;

    for (; page < piece->end && err == 0 && piece->written < PIECE_WRITTEN; page += chunk)
        err = write_chunk(piece, page, page + chunk);
    if (err == 0)
        piece->end = page;
    return err;
}

/* -- Mapping ----------------------------------------------------------------------------------- */

/* With the protection that each part of it has. */
static int map_shared(const struct piece *piece)
{
    int err = 0;

    for (size_t i = 0; i < piece->map_count && err == 0; i++) {
        const struct region *region = piece->region;
        char *addr;
        size_t size;

        if (clip(piece, &piece->maps[i], &addr, &size))
            err = piece->space->store->thaw(piece->space, addr,
                                            region->offset + (addr - region->base), size,
                                            piece->maps[i].protection);
    }
    return err;
}

static void mark_thawed(const struct piece *piece)
{
    size_t chunk = SPACE_CHUNK / piece->space->page;

    for (size_t page = piece->first; page < piece->end; page += chunk) {
        atomic_store(&piece->region->files[page / chunk], 0);
        atomic_fetch_sub(&piece->space->frozen, SPACE_CHUNK);
    }
}

/*
 * Ends the piece before the first chunk that is written to even now; false where it begins with
 * one, and then it is that one alone.
 */
static bool leave_out_used(struct piece *piece, const struct threads_stop *stop)
{
    size_t chunk = SPACE_CHUNK / piece->space->page;
    size_t page = piece->first;

    while (page < piece->end && !threads_use(stop, address_of(piece, page), SPACE_CHUNK))
        page += chunk;
    bool any = page != piece->first;
    piece->end = any ? page : page + chunk;
    return any;
}

/* No thread can run but this one. 0, -ESRCH where the piece is left as it is, or another error. */
static int thaw_stopped(struct piece *piece, const struct threads_stop *stop)
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
        err = map_shared(piece);
    if (err == 0)
        mark_thawed(piece);
    else
        (void)protect_unreadable(piece, PROT_NONE);
    return err;
}

static int thaw_piece_locked(struct piece *piece)
{
    struct threads_stop stop;

    if (!threads_stop(&stop, piece->stop_others))
        return -EBUSY;
    int err = thaw_stopped(piece, &stop);
    threads_continue(&stop);
    return err;
}

/* -- Chunks ------------------------------------------------------------------------------------ */

static bool is_ours(const struct region *region, size_t chunk)
{
    return atomic_load_explicit(&region->files[chunk], memory_order_relaxed) ==
           region->space->file_number + 1;
}

/* The next piece of the region, from the chunk of page piece->end on. */
static bool next_piece(struct piece *piece)
{
    const struct region *region = piece->region;
    size_t pages = SPACE_CHUNK / piece->space->page;
    size_t chunks = (region->pages + pages - 1) / pages;
    size_t chunk = (piece->end + pages - 1) / pages;

    while (chunk < chunks && !is_ours(region, chunk))
        chunk++;
    piece->first = chunk * pages;
    while (chunk < chunks && is_ours(region, chunk) &&
           chunk * pages - piece->first < PIECE_MAPPED / piece->space->page)
        chunk++;
    piece->end = chunk * pages;
    piece->written = 0;
    return piece->first < piece->end;
}

/* What the file must not go on holding, now that it can give it back. */
static void release_unused(struct piece *piece)
{
    region_retry(piece->region);
    region_release_surplus_in(piece->region, piece->first, piece->end);
}

/* Whether chunks may be thawed, the space's lock being held, and no process forked meanwhile. */
static bool may_thaw_locked(const struct space *space)
{
    return space->holders != NULL && !atomic_load(&space->lacks_file) &&
           holders_are_one(space->holders);
}

/* The next piece of the region; 0, -ENOENT where there is none, or why it cannot be. */
static int thaw_next_locked(struct piece *piece)
{
    if (!may_thaw_locked(piece->space))
        return -EBUSY;
    lock_acquire(&piece->region->lock, LOCK_REGION);
    int err = next_piece(piece) ? thaw_piece_locked(piece) : -ENOENT;
    lock_release(&piece->region->lock);
    return err;
}

static int thaw_next(struct piece *piece)
{
    lock_acquire(&piece->space->lock, LOCK_SPACE);
    int err = thaw_next_locked(piece);
    lock_release(&piece->space->lock);
    if (err == 0)
        release_unused(piece);
    return err;
}

/* Pieces of one region, until *most have been thawed; -ENOENT where none is left. */
static int thaw_region(struct piece *piece, size_t *most)
{
    int err = 0;

    piece->end = 0;
    while (err == 0 && *most != 0) {
        err = thaw_next(piece);
        *most -= err == 0;
        if (err == -ESRCH)
            err = 0;
    }
    return err;
}

/* Up to `most` pieces; 0 where nothing is left, -EAGAIN where something may be. */
static int thaw_pieces(struct piece *piece, size_t most)
{
    struct region *region = atomic_load(&piece->space->regions);

    for (; region != NULL; region = region->next) {
        piece->region = region;
        int err = thaw_region(piece, &most);
        if (err != -ENOENT)
            return err == 0 ? -EAGAIN : err;
    }
    return 0;
}

static bool is_frozen_over(const struct segment *segment, unsigned file)
{
    for (size_t chunk = 0; chunk < segment->taken >> SPACE_CHUNK_SHIFT; chunk++)
        if (segment->files[chunk] == file)
            return true;
    return false;
}

/* When nothing is frozen over the own file any more, later forks begin anew. */
static void leave_holders_locked(struct space *space)
{
    for (const struct segment *segment = atomic_load(&space->segments); segment != NULL;
         segment = segment->next)
        if (is_frozen_over(segment, space->file_number + 1))
            return;
    if (space->holders != NULL)
        holders_put(space->holders);
    space->holders = NULL;
}

static int thaw_held(struct piece *piece, struct space *space, size_t most)
{
    piece->space = space;
    piece->fd = space->store->descriptor(space);
    if (piece->fd < 0)
        return piece->fd;
    piece->pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    int err = thaw_pieces(piece, most);
    if (piece->pagemap >= 0)
        close(piece->pagemap);
    lock_acquire(&space->lock, LOCK_SPACE);
    leave_holders_locked(space);
    lock_release(&space->lock);
    return err;
}

static bool may_thaw(struct space *space)
{
    lock_acquire(&space->lock, LOCK_SPACE);
    bool may = may_thaw_locked(space);
    lock_release(&space->lock);
    return may;
}

/* With the lock. Up to `most` pieces: -EAGAIN where there may be more. */
static int thaw_locked(struct space *space, size_t most, bool stop_others)
{
    int saved_errno = errno;
    int cancel = cancel_hold();

    the_piece.stop_others = stop_others;
    int err = may_thaw(space) ? thaw_held(&the_piece, space, most) : -EBUSY;

    cancel_restore(cancel);
    errno = saved_errno;
    return err;
}

void thaw_after_fork(void)
{
    (void)lock_init(&thaw_lock);
}

/* -- When -------------------------------------------------------------------------------------- */

static atomic_bool is_manual; /* only by request */

/* In milliseconds: no chunk is thawed before. */
static atomic_int_least64_t after_fork FORK_DATA;
static atomic_int_least64_t for_slow_paths; /* by threads of the program */

void thaw_configure(void)
{
    const char *text = env_get("MEMKIND_PMEM_THAW");

    is_manual = text != NULL && strcmp(text, "manual") == 0;
    if (text != NULL && !is_manual && strcmp(text, "auto") != 0)
        log_error("MEMKIND_PMEM_THAW is neither auto nor manual and is ignored");
    threads_configure();
}

void thaw_before_fork(void)
{
    atomic_store(&after_fork, clock_coarse_ms() + AFTER_FORK_MS);
}

static bool has_frozen(struct space *space)
{
    return atomic_load_explicit(&space->frozen, memory_order_relaxed) != 0;
}

static bool is_time(atomic_int_least64_t *time)
{
    return clock_coarse_ms() >= atomic_load_explicit(time, memory_order_relaxed);
}

void thaw_all(struct space *space, bool is_requested)
{
    late_unmap_all();
    if (!has_frozen(space) || (is_manual && !is_requested))
        return;
    lock_acquire(&thaw_lock, LOCK_THAW);
    (void)thaw_locked(space, SIZE_MAX, is_requested || is_time(&for_slow_paths));
    lock_release(&thaw_lock);
}

static void try_to_thaw(struct space *space)
{
    if (is_manual || !is_time(&after_fork) || !is_time(&for_slow_paths) ||
        !lock_try_acquire(&thaw_lock, LOCK_THAW))
        return;
    int err = thaw_locked(space, 1, true);
    atomic_store(&for_slow_paths,
                 clock_coarse_ms() + (err == -EAGAIN ? BETWEEN_MS : AFTER_FAILED_MS));
    lock_release(&thaw_lock);
}

void thaw_some(struct space *space)
{
    late_unmap_some();
    if (__builtin_expect(has_frozen(space), 0))
        try_to_thaw(space);
}

bool thaw_is_due(struct space *space)
{
    return !is_manual && has_frozen(space);
}

bool thaw_in_background(struct space *space)
{
    late_unmap_some();
    if (!thaw_is_due(space) || !is_time(&after_fork) || !lock_try_acquire(&thaw_lock, LOCK_THAW))
        return false;
    int err = thaw_locked(space, 1, true);
    atomic_store(&for_slow_paths, clock_coarse_ms() + BACKGROUND_MS);
    lock_release(&thaw_lock);
    return err == -EAGAIN;
}
