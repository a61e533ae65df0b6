/* SPDX-License-Identifier: BSD-2-Clause */
/* Thawing: which chunks are thawed, and when. thaw_piece.c thaws them. */
#include "space/thaw.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "os/holders.h"
#include "os/late_unmap.h"
#include "os/pagemap.h"
#include "os/threads.h"
#include "space/region.h"
#include "space/segment.h"
#include "space/space.h"
#include "space/thaw_piece.h"
#include "util/cancel.h"
#include "util/clock.h"
#include "util/env.h"
#include "util/fork_generation.h"
#include "util/lock.h"
#include "util/log.h"
#include "util/signals_off.h"

/* Most bytes that are mapped anew at one moment. */
#define PIECE_MAPPED ((size_t)64 << 20)

/* Pauses, so that a process that forks again and again keeps its chunks frozen. */
#define AFTER_FORK_MS   1000
#define BETWEEN_MS      100
#define AFTER_FAILED_MS 1000

/* How long threads of the program leave thawing to the background after each of its calls. */
#define BACKGROUND_MS 3000

/* Too large for the stacks of some threads. Guarded by thaw_lock. */
static struct thaw_piece the_piece;
static pthread_mutex_t thaw_lock = PTHREAD_MUTEX_INITIALIZER;

/* -- Chunks ------------------------------------------------------------------------------------ */

static bool is_ours(const struct region *region, size_t chunk)
{
    return atomic_load_explicit(&region->files[chunk], memory_order_relaxed) ==
           region->space->file_number + 1;
}

/* Finds the next piece of the region, behind piece->end. False: there is none. */
static bool next_piece(struct thaw_piece *piece)
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

/* Releases the file space that the file could not release while other processes had the file. */
static void release_unused(struct thaw_piece *piece)
{
    region_retry(piece->region);
    region_release_surplus_in(piece->region, piece->first, piece->end);
}

/* Whether chunks may be thawed. While the space's lock is held, this process does not fork. */
static bool may_thaw_locked(const struct space *space)
{
    return space->holders != NULL && !atomic_load(&space->lacks_file) &&
           holders_are_one(space->holders);
}

/* Thaws the next piece of the region. -ENOENT: there is none; -EBUSY: not now; or another error. */
static int thaw_next_locked(struct thaw_piece *piece)
{
    if (!may_thaw_locked(piece->space))
        return -EBUSY;
    lock_acquire(&piece->region->lock, LOCK_REGION);
    int err = next_piece(piece) ? thaw_piece_locked(piece) : -ENOENT;
    lock_release(&piece->region->lock);
    return err;
}

static int thaw_next(struct thaw_piece *piece)
{
    lock_acquire(&piece->space->lock, LOCK_SPACE);
    int err = thaw_next_locked(piece);
    lock_release(&piece->space->lock);
    if (err == 0)
        release_unused(piece);
    return err;
}

/* Thaws pieces of one region, at most *most, which is reduced. -ENOENT: none is left. */
static int thaw_region(struct thaw_piece *piece, size_t *most)
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

/* Thaws up to `most` pieces. 0: none is left; -EAGAIN: some may be left; or another error. */
static int thaw_pieces(struct thaw_piece *piece, size_t most)
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

/* If no chunk is frozen over the own file any more, the next fork begins a new set of processes. */
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

static int thaw_held(struct thaw_piece *piece, struct space *space, size_t most)
{
    piece->space = space;
    piece->fd = space->store->descriptor(space);
    if (piece->fd < 0)
        return piece->fd;
    piece->pagemap = pagemap_open();
    int err = thaw_pieces(piece, most);
    pagemap_close(piece->pagemap);
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

/* Thaws up to `most` pieces, with thaw_lock held. -EAGAIN: there may be more. */
static int thaw_locked(struct space *space, size_t most, enum threads_others others)
{
    int saved_errno = errno;
    int cancel = cancel_hold();

    the_piece.others = others;
    int err = may_thaw(space) ? thaw_held(&the_piece, space, most) : -EBUSY;

    cancel_restore(cancel);
    errno = saved_errno;
    return err;
}

void thaw_after_fork(void)
{
    (void)lock_init(&thaw_lock);
}

/* -- A parent that has ended ------------------------------------------------------------------- */

static void lock_regions(const struct space *space)
{
    for (struct region *region = atomic_load(&space->regions); region != NULL;
         region = region->next)
        lock_acquire(&region->lock, LOCK_REGION);
}

static void release_regions(const struct space *space)
{
    for (struct region *region = atomic_load(&space->regions); region != NULL;
         region = region->next)
        lock_release(&region->lock);
}

/* All locks, since other threads read which file chunks are frozen over. */
static void take_over(struct space *space)
{
    int saved_errno = errno;
    int cancel = cancel_hold();

    signals_off();
    lock_acquire(&space->lock, LOCK_SPACE);
    lock_regions(space);
    (void)space->store->take_over(space);
    release_regions(space);
    lock_release(&space->lock);
    signals_on();
    cancel_restore(cancel);
    errno = saved_errno;
}

/* -- When -------------------------------------------------------------------------------------- */

static atomic_bool is_manual; /* only by request */

/* Times in milliseconds, before which no chunk is thawed. */
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

/* Before the space gets a file of its own. */
static void take_over_if_child(struct space *space)
{
    if (atomic_load_explicit(&space->lacks_file, memory_order_relaxed) && has_frozen(space) &&
        space->store->take_over != NULL)
        take_over(space);
}

static void thaw_whole(struct space *space, enum threads_others others)
{
    signals_off();
    lock_acquire(&thaw_lock, LOCK_THAW);
    (void)thaw_locked(space, SIZE_MAX, others);
    lock_release(&thaw_lock);
    signals_on();
}

void thaw_all(struct space *space, bool is_requested)
{
    late_unmap_all();
    take_over_if_child(space);
    if (has_frozen(space) && (is_requested || !is_manual))
        thaw_whole(space, is_requested || is_time(&for_slow_paths) ? THREADS_STOP : THREADS_LEAVE);
}

bool thaw_all_trusted(struct space *space)
{
    late_unmap_all();
    take_over_if_child(space);
    if (has_frozen(space))
        thaw_whole(space, THREADS_TRUSTED);
    return !has_frozen(space);
}

static void try_to_thaw(struct space *space)
{
    if (!lock_try_acquire(&thaw_lock, LOCK_THAW))
        return;
    int err = thaw_locked(space, 1, THREADS_STOP);
    atomic_store(&for_slow_paths,
                 clock_coarse_ms() + (err == -EAGAIN ? BETWEEN_MS : AFTER_FAILED_MS));
    lock_release(&thaw_lock);
}

static void thaw_when_due(struct space *space)
{
    if (is_manual || !is_time(&after_fork) || !is_time(&for_slow_paths))
        return;
    signals_off();
    try_to_thaw(space);
    signals_on();
}

void thaw_some(struct space *space)
{
    late_unmap_some();
    if (__builtin_expect(has_frozen(space), 0)) {
        take_over_if_child(space);
        thaw_when_due(space);
    }
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
    int err = thaw_locked(space, 1, THREADS_STOP);
    atomic_store(&for_slow_paths, clock_coarse_ms() + BACKGROUND_MS);
    lock_release(&thaw_lock);
    return err == -EAGAIN;
}
