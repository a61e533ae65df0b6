/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The library's mutexes, and the order in which a thread may acquire them.
 *
 * A thread that holds a lock may wait only for locks of a higher rank. jemalloc's own locks share
 * one rank, LOCK_JEMALLOC. A thread acquires that rank when it enters jemalloc by the fork gate.
 * jemalloc calls the extent hooks while it holds its locks, so the hooks may wait for higher ranks
 * only.
 *
 * Builds with MEMKIND_INVARIANTS check the order at each acquisition, and abort at the first
 * violation, even if no other thread contends.
 */
#pragma once

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>

/*
 * All ranks, lowest (acquired first) to highest. MANY: a thread may hold several locks of this
 * rank, but only while it holds the lock that the comment names, so that two threads cannot
 * deadlock.
 *
 *         rank            several   guards
 */
#define LOCK_RANKS(RANK)                                                                      \
    RANK(FORK_INSTALL, ONE)   /* the single registration of fork handlers */                  \
    RANK(ATFORK, ONE)         /* preload: fork handlers of libraries that started earlier */  \
    RANK(WHOLE_HEAP, ONE)     /* preload: the numbers that mallctl returns */                 \
    RANK(HBW_POLICY, ONE)     /* hbw_set_policy() */                                          \
    RANK(NODE_HEAPS, ONE)     /* heaps of node kinds, by node set */                          \
    RANK(KIND_HEAP, ONE)      /* creation of a kind's heap, in a child too */                 \
    RANK(PAGE_SLAB, ONE)      /* a heap: taking a slab from jemalloc whole */                 \
    RANK(RECLAIM, ONE)        /* a heap: emptying caches and arenas before a NULL */          \
    RANK(REGISTRY, ONE)       /* the table of kinds; keeps their heaps alive */               \
    RANK(CACHE_LIST, ONE)     /* the list of thread caches */                                 \
    RANK(HEAP_LIST, ONE)      /* the list of heaps */                                         \
    RANK(ARENA_SET, ONE)      /* the arenas of a heap */                                      \
    RANK(ARENA_BUDGET, ONE)   /* the number of arenas that heaps may still create */          \
    RANK(DIRECTORY, ONE)      /* directories and their reference counts */                    \
    RANK(JEMALLOC_START, ONE) /* the single start of jemalloc */                              \
    RANK(REPORT, ONE)         /* jemalloc's report, and the destruction of an arena */        \
    RANK(THREAD_CACHE, MANY)  /* a thread's cache; many under CACHE_LIST */                   \
    RANK(TRANSFER_CACHE, ONE) /* blocks of one class on their way between threads */          \
    RANK(PAGE_BLOCKS, ONE)    /* free blocks of whole pages of a heap */                      \
    RANK(FORK_GATE, ONE)      /* the list of threads that enter jemalloc; held by a fork */   \
    RANK(JEMALLOC, ONE)       /* stands for all of jemalloc's own locks */                    \
    RANK(REGION_ROWS, ONE)    /* slots in the rows of regions of a heap */                    \
    RANK(THAW, ONE)           /* the one moment at which chunks are thawed */                 \
    RANK(SPACE, MANY)         /* the regions of a space; many under REGISTRY, in a fork */    \
    RANK(REGION, MANY)        /* a region's bitmaps; many under SPACE, for a snapshot */      \
    RANK(RANGE_MAP, ONE)      /* changes of the map of ranges; a child initialises it anew */ \
    RANK(FORK_CHILD, ONE)     /* what a child of a fork does late */                          \
    RANK(EXTEND, ONE)         /* the length of a file */                                      \
    RANK(HOLDERS, ONE)        /* the sets of processes that share frozen files */             \
    RANK(LATE_UNMAP, ONE)     /* page tables that forks have moved away */                    \
    RANK(MAPPING_CACHE, ONE)  /* spare mappings */                                            \
    RANK(LATE_KEY, ONE)       /* keys whose destructors run last */

#define LOCK_RANK_NUMBER(rank, several) LOCK_##rank,
enum lock_rank { LOCK_RANKS(LOCK_RANK_NUMBER) LOCK_RANK_COUNT };
#undef LOCK_RANK_NUMBER

/*
 * The number of locks that the calling thread holds, waits for or is about to release. Not 0 in a
 * signal handler: the handler must not wait for any lock.
 */
extern _Thread_local unsigned lock_depth;

#ifdef MEMKIND_INVARIANTS
/* Checks that the calling thread may wait for a lock of the rank. */
void lock_check_order(enum lock_rank rank);
/* Record that the calling thread holds the lock, or has released it. `lock` is not dereferenced. */
void lock_record_held(const void *lock, enum lock_rank rank);
void lock_record_released(const void *lock);
/* Checks that the calling thread holds a lock. */
void lock_check_held(void);
#else
static inline void lock_check_order(enum lock_rank rank)
{
    (void)rank;
}
static inline void lock_record_held(const void *lock, enum lock_rank rank)
{
    (void)lock;
    (void)rank;
}
static inline void lock_record_released(const void *lock)
{
    (void)lock;
}
static inline void lock_check_held(void)
{
}
#endif

/*
 * Initialises a lock, or reinitialises it in the child of a fork, where this thread may hold it. 0
 * or -errno.
 */
static inline int lock_init(pthread_mutex_t *lock)
{
    lock_record_released(lock);
    return -pthread_mutex_init(lock, NULL);
}

static inline void lock_destroy(pthread_mutex_t *lock)
{
    pthread_mutex_destroy(lock);
}

static inline void lock_acquire(pthread_mutex_t *lock, enum lock_rank rank)
{
    lock_check_order(rank);
    lock_depth++;
    pthread_mutex_lock(lock);
    lock_record_held(lock, rank);
}

/* Returns false if another thread holds the lock. Never waits, so the rank is not checked. */
static inline bool lock_try_acquire(pthread_mutex_t *lock, enum lock_rank rank)
{
    lock_depth++;
    if (pthread_mutex_trylock(lock) != 0) {
        lock_depth--;
        return false;
    }
    lock_record_held(lock, rank);
    return true;
}

static inline void lock_release(pthread_mutex_t *lock)
{
    lock_record_released(lock);
    pthread_mutex_unlock(lock);
    lock_check_held();
    lock_depth--;
}
