/* SPDX-License-Identifier: BSD-2-Clause */
/* A space's copy for the child of a fork. */
#include "space/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "os/vm.h"
#include "space/freeze.h"
#include "space/region.h"
#include "space/segment.h"
#include "space/space.h"
#include "util/cancel.h"
#include "util/errno_text.h"
#include "util/lock.h"
#include "util/log.h"

/* A fork visits all kinds only where a program has requested copies. */
static atomic_bool enabled_for_any;

static void keep_spare(struct space *space)
{
    if (space->store->keep_spare != NULL)
        space->store->keep_spare(space);
}

void space_snapshot_enable(struct space *space, bool always_copies)
{
    int cancel = cancel_hold();

    space->always_copies = always_copies;
    keep_spare(space);
    cancel_restore(cancel);
    atomic_store(&enabled_for_any, true);
    atomic_store(&space->snapshots, true);
}

bool space_snapshot_is_enabled(const struct space *space)
{
    return atomic_load_explicit(&space->snapshots, memory_order_acquire);
}

bool space_snapshot_is_enabled_for_any(void)
{
    return atomic_load_explicit(&enabled_for_any, memory_order_relaxed);
}

/* -- Locks ------------------------------------------------------------------------------------- */

static void set_flag(bool *flag, bool value)
{
    if (*flag != value)
        *flag = value;
}

void space_snapshot_hold(struct space *space)
{
    lock_acquire(&space->lock, LOCK_SPACE);
    set_flag(&space->in_fork, true);
}

/* Acquires the locks of all regions. A thread that holds one of them waits for the store alone. */
static void lock_regions(struct space *space)
{
    for (struct region *region = atomic_load(&space->regions); region != NULL;
         region = region->next)
        lock_acquire(&region->lock, LOCK_REGION);
}

static void unlock_all(struct space *space)
{
    for (struct region *region = atomic_load(&space->regions); region != NULL;
         region = region->next)
        lock_release(&region->lock);
    lock_release(&space->lock);
}

/* -- Before and after -------------------------------------------------------------------------- */

static void set_outcome(struct space *space, int err)
{
    int outcome = err == 0 ? SPACE_SNAPSHOT_COPY : SPACE_SNAPSHOT_FAILED;

    /* To write the same value again would make the kernel copy the page. */
    if (atomic_load(&space->snapshot) != outcome)
        atomic_store(&space->snapshot, outcome);
    if (err != 0)
        log_error("%s: a child gets no copy of its parent's kind (%s)",
                  space->path != NULL ? space->path : "no file", errno_text(-err));
}

/* To read the process's maps needs a descriptor, for which the store keeps a spare. */
static int freeze(struct space *space)
{
    int err = freeze_begin(space);

    return err == -EMFILE && space->store->use_spare(space) ? freeze_begin(space) : err;
}

static int copy(struct space *space)
{
    return space->store->copy != NULL ? space->store->copy(space) : -EOPNOTSUPP;
}

void space_snapshot_begin_alone(struct space *space)
{
    set_flag(&space->in_fork, true);
    set_flag(&space->is_frozen, !space->always_copies && freeze(space) == 0);
    set_outcome(space, space->is_frozen ? 0 : copy(space));
}

void space_snapshot_begin(struct space *space)
{
    if (!space->in_fork)
        return;
    lock_regions(space);
    space_snapshot_begin_alone(space);
}

bool space_snapshot_is_made(const struct space *space)
{
    return space->in_fork && atomic_load(&space->snapshot) == SPACE_SNAPSHOT_COPY;
}

static int map_segment(struct space *space, const struct segment *segment)
{
    int err = space->store->map(space, segment->base, segment->size, segment->offset);

    return err == 0 ? segment_reopen(segment) : err;
}

static int map_copy(struct space *space)
{
    freeze_forget(space);
    int err = space->store->adopt_copy(space);
    for (const struct segment *segment = atomic_load(&space->segments); segment != NULL && err == 0;
         segment = segment->next)
        if (segment->size != 0)
            err = map_segment(space, segment);
    return err;
}

static bool bar_segment(const struct segment *segment)
{
    /* The second call unmaps the file, and may succeed where the first fails. */
    return vm_protect(segment->base, segment->size, VM_NONE) == 0 ||
           vm_reserve_over(segment->base, segment->size) == 0;
}

/*
 * The parent goes on writing to these blocks, so the child must not take them for a copy. Where
 * access cannot be prevented, the child is ended.
 */
static void bar_access(const struct space *space)
{
    for (const struct segment *segment = atomic_load(&space->segments); segment != NULL;
         segment = segment->next)
        if (segment->size != 0 && !bar_segment(segment)) {
            log_error("a child that could read its parent's blocks is ended (%s)",
                      errno_text(errno));
            abort();
        }
}

static void end_in_child(struct space *space)
{
    if (space->is_frozen)
        space->store->leave_file(space);
    else if (atomic_load(&space->snapshot) == SPACE_SNAPSHOT_COPY)
        set_outcome(space, map_copy(space));
    space->copied = atomic_load(&space->snapshot) == SPACE_SNAPSHOT_COPY;
    if (!space->copied)
        bar_access(space);
}

static void end(struct space *space, bool child)
{
    if (child)
        end_in_child(space);
    else if (space->store->drop_copy != NULL && !space->is_frozen)
        space->store->drop_copy(space);
    if (!child || space->copied)
        keep_spare(space);
}

void space_snapshot_end_alone(struct space *space, bool child)
{
    if (!space->in_fork)
        return;
    if (child)
        space->in_fork = false;
    end(space, child);
}

void space_snapshot_end(struct space *space, bool child)
{
    if (!space->in_fork)
        return;
    space->in_fork = false;
    end(space, child);
    unlock_all(space);
}
