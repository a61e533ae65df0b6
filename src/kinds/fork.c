/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What happens to the kinds when the process forks.
 *
 * The file of a kind is shared by parent and child, jemalloc's metadata is not: were both to go on
 * allocating, they would hand out the same memory. So an inherited kind belongs to the parent. All
 * that is done at the fork is to count it (fork_generation), and to close the thread's caches; each
 * kind is seen to when the child first needs it:
 *
 *    allocation   the kind gets a file, address space and arenas of the child's own
 *    free         of an inherited block: nothing
 *    realloc      of an inherited block that is to grow: a new block, and the contents copied
 *    destroy      unmaps, closes, and forgets; nothing is given back to the file
 *
 * Kinds in private memory are copied by the fork, and used on; so are those that children get a
 * copy of (fork_snapshot).
 *
 * fork(2) leaves the child with one thread, and locks that others held, held for ever. Those that
 * guard what the child goes on using are taken before the fork, in the order in which they nest,
 * before the gate to jemalloc is closed (fork_gate): handlers run in the reverse order of their
 * registration. Locks that are taken below jemalloc's are not taken here, and are made anew in the
 * child.
 */
#include "kinds/fork.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "heap/arena_set.h"
#include "heap/extent_hooks.h"
#include "heap/heap_list.h"
#include "heap/idle_thread.h"
#include "heap/thread_cache.h"
#include "kinds/fork_snapshot.h"
#include "kinds/kind_registry.h"
#include "kinds/memkind_arena_internal.h"
#include "kinds/node_heaps.h"
#include "kinds/tier_counts.h"
#include "os/directory.h"
#include "space/metadata.h"
#include "space/range_map.h"
#include "util/fork_generation.h"
#include "util/lock.h"

static atomic_bool installed;

static void before_fork(void)
{
    node_heaps_before_fork();
    memkind_arena_before_fork();
    kind_registry_before_fork();
    thread_caches_before_fork();
    heap_list_before_fork();
    arena_set_before_fork();
    directory_before_fork();
}

static void after_fork(bool child)
{
    directory_after_fork();
    arena_set_after_fork();
    heap_list_after_fork(child);
    thread_caches_after_fork(child);
    kind_registry_after_fork();
    memkind_arena_after_fork();
    node_heaps_after_fork();
}

static void in_parent(void)
{
    after_fork(false);
}

static void in_child(void)
{
    fork_generation++;
    metadata_after_fork();
    range_map_after_fork();
    metadata_hooks_after_fork();
    idle_thread_after_fork();
    after_fork(true);
    tier_counts_after_fork();
    fork_snapshot_adopt();
}

static int install_locked(void)
{
    if (atomic_load(&installed))
        return 0;
    int err = pthread_atfork(before_fork, in_parent, in_child);
    atomic_store(&installed, err == 0);
    return -err;
}

int fork_install(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

    /* A fork may leave the lock held: once they are there, nobody takes it. */
    if (atomic_load(&installed))
        return 0;
    lock_acquire(&lock, LOCK_FORK_INSTALL);
    int err = install_locked();
    lock_release(&lock);
    return err;
}
