/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The handlers of fork(2), all of them, in order.
 *
 * Parent and child share the file of a kind, but not jemalloc's metadata. If both went on
 * allocating, both would hand out the same memory. So an inherited kind belongs to the parent. The
 * handlers count the fork (fork_generation) and close the thread's caches of these kinds. All else
 * happens when the child first uses a kind (inherit.h):
 *
 *    allocation   the kind gets a file, address space and arenas of the child's own
 *    free         an inherited block stays as it is
 *    realloc      an inherited block that must grow is copied to a new block
 *    destroy      the child unmaps and closes the file; the file space stays the parent's
 *
 * The kernel copies kinds in private memory, which the child goes on using. The child also goes on
 * using kinds of which it gets a copy (fork_snapshot.h).
 *
 * The child has one thread, and locks that other threads held stay held. So the thread that forks
 * first acquires the locks that the child goes on using, in the order of their ranks. Then it
 * closes the gate to jemalloc (heap/fork_gate.h). Last it freezes or copies the kinds of which
 * children get a copy: behind the gate no other thread changes the state of a page. Locks of a
 * higher rank than jemalloc's are made anew in the child.
 *
 * A signal handler may fork where it has interrupted this library. If its thread holds a lock, the
 * fork goes unprepared: the child leaves all kinds alone.
 *
 * In a process with one thread, none of this is necessary. No lock is acquired, so a signal handler
 * that has interrupted malloc may fork. The child keeps the thread's caches, and puts its work off
 * (util/fork_child.h).
 *
 * All of this is one set of handlers for pthread_atfork(3), registered when the library is loaded,
 * before constructors of a default priority run. Handlers that the program registers later thus run
 * before these on the way into the fork and after these on the way out, and may allocate.
 */
#include "kinds/fork.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "heap/arena_set.h"
#include "heap/child_needs.h"
#include "heap/fork_gate.h"
#include "heap/heap.h"
#include "heap/heap_list.h"
#include "heap/idle_thread.h"
#include "heap/jemalloc_fork.h"
#include "heap/metadata_hooks.h"
#include "heap/owned_cache.h"
#include "heap/thread_caches.h"
#include "kinds/arena_kind.h"
#include "kinds/fork_snapshot.h"
#include "kinds/kind_registry.h"
#include "kinds/node_heaps.h"
#include "kinds/tier_counts.h"
#include "memkind/internal/memkind_arena.h"
#include "os/directory.h"
#include "os/threads.h"
#include "space/metadata.h"
#include "space/range_map.h"
#include "space/thaw.h"
#include "util/alone.h"
#include "util/fork_child.h"
#include "util/fork_generation.h"
#include "util/lock.h"

static atomic_bool installed;

/* In the order of util/lock.h. */
static void acquire_locks(void)
{
    node_heaps_before_fork();
    arena_kind_before_fork();
    kind_registry_before_fork();
    thread_caches_before_fork();
    heap_list_before_fork();
    arena_set_before_fork();
    directory_before_fork();
}

static void release_locks(bool in_child)
{
    directory_after_fork();
    arena_set_after_fork();
    heap_list_after_fork(in_child);
    thread_caches_after_fork(in_child);
    kind_registry_after_fork();
    arena_kind_after_fork();
    node_heaps_after_fork();
}

/* Resets the state that belongs to the parent's threads. */
static void forget_parent(void)
{
    metadata_after_fork();
    range_map_after_fork();
    metadata_hooks_after_fork();
    idle_thread_after_fork();
    threads_after_fork();
    thaw_after_fork();
}

/* -- With several threads ---------------------------------------------------------------------- */

static void before_fork_of_several(void)
{
    acquire_locks();
    jemalloc_fork_before();
    fork_snapshot_before();
}

static void after_fork_in_parent_of_several(void)
{
    fork_snapshot_in_parent();
    jemalloc_fork_in_parent();
    release_locks(false);
    idle_thread_after_fork_in_parent();
}

static void after_fork_in_child_of_several(void)
{
    fork_snapshot_in_child();
    jemalloc_fork_in_child();
    fork_generation++;
    fork_child_intact_since = fork_generation;
    child_needs_begin(false);
    forget_parent();
    release_locks(true);
    lock_depth = 0; /* the child has initialised the others anew */
    tier_counts_after_fork();
    fork_snapshot_adopt();
}

/* -- Of a thread that was interrupted in the library ------------------------------------------- */

/* This thread's last fork was unprepared, */
static _Thread_local bool is_unprepared;

/* and all forks of this process are, since its own was. */
static bool stays_unprepared;

static bool is_interrupted(void)
{
    return lock_depth != 0 || fork_gate_is_inside();
}

/* All kinds are the parent's. Other threads of the parent may have held any lock. */
static void after_unprepared_fork_in_child(void)
{
    stays_unprepared = true;
    fork_generation++;
    fork_child_intact_since = fork_generation;
    owned_cache_after_fork();
}

bool memkind_arena_fork_is_unprepared(void)
{
    return is_unprepared;
}

/* -- With one thread --------------------------------------------------------------------------- */

/* To fill the caches commits pages, so that precedes freezing. */
static void before_fork_of_one(void)
{
    heap_fill_caches_for_child();
    fork_snapshot_before_alone();
}

static void finish_child(void)
{
    fork_snapshot_in_alone_child();
    forget_parent();
}

static void after_fork_in_only_child(void)
{
    fork_generation++;
    heap_keep_own_caches();
    child_needs_begin(true);
    tier_counts_after_fork();
    fork_child_begin(finish_child);
    if (fork_snapshot_has_copies())
        fork_child_finish();
}

/* -- Handlers ---------------------------------------------------------------------------------- */

/* The thread that forks. Several threads that fork at the same time all write false. */
static atomic_bool is_alone FORK_DATA;

static void before_fork(void)
{
    bool alone = process_is_alone();

    is_unprepared = stays_unprepared || (!alone && is_interrupted());
    if (is_unprepared)
        return;
    fork_child_finish();
    atomic_store_explicit(&is_alone, alone, memory_order_relaxed);
    if (alone)
        before_fork_of_one();
    else
        before_fork_of_several();
}

static void after_fork_in_parent(void)
{
    if (is_unprepared)
        return;
    if (atomic_load_explicit(&is_alone, memory_order_relaxed))
        fork_snapshot_in_alone_parent();
    else
        after_fork_in_parent_of_several();
}

static void after_fork_in_child(void)
{
    if (is_unprepared)
        after_unprepared_fork_in_child();
    else if (atomic_load_explicit(&is_alone, memory_order_relaxed))
        after_fork_in_only_child();
    else
        after_fork_in_child_of_several();
}

static int install_locked(void)
{
    if (atomic_load(&installed))
        return 0;
    int err = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
    atomic_store(&installed, err == 0);
    return -err;
}

int fork_install(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

    /* A child may inherit the lock held: with the handlers registered, no thread acquires it. */
    if (atomic_load(&installed))
        return 0;
    lock_acquire(&lock, LOCK_FORK_INSTALL);
    int err = install_locked();
    lock_release(&lock);
    return err;
}

/* Before the library's constructor of the default priority. */
__attribute__((constructor(101))) static void install_at_load(void)
{
    /* If the registration fails, the creation of the first PMEM kind tries again. */
    (void)fork_install();
}
