/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A thread's cache as its heap and its thread know it: creation, the heap's list of caches, the
 * thread's table, the end of the thread.
 *
 * Caches are created and destroyed seldom, so one lock guards the lists of all heaps.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "heap/thread_caches.h"

struct thread_view;

struct owned_cache {
    struct thread_cache cache; /* first: the thread's table points here */
    pthread_mutex_t lock;      /* held to change the bins, except by the owner's fast path */
    struct thread_caches *caches;
    struct thread_cache **entry; /* of the owner's table; NULL: parked */
    struct owned_cache *next;    /* of the heap's list, as is `link` */
    struct owned_cache **link;
    struct owned_cache
        *sibling; /* of the owner's list, as is `sibling_link`, or of parked caches */
    struct owned_cache **sibling_link;
    size_t seen;   /* bytes in the cache at the last maintenance */
    bool claimed;  /* is being emptied by another thread */
    void *slots[]; /* of all bins */
};

/* Guards the list of caches of each heap, and the entries of the threads' tables. */
extern pthread_mutex_t owned_cache_list_lock;

/* Prepares the process; the first call does. 0 or -errno. Thread-safe. */
int owned_cache_start(void);

/*
 * The calling thread's cache of the heap, created if need be. NULL where there is no memory for
 * a cache, or where the caches of the heap are off; errno is kept. Acquires the list's lock.
 */
struct owned_cache *owned_cache_of_thread(struct thread_caches *caches);

/*
 * Fills in the calling thread's view, with `number` as its heap, and keeps its pointers right until
 * the thread is gone. After owned_cache_start().
 */
void owned_cache_open_view(struct thread_view *view, unsigned number);

/*
 * Flushes all blocks to the source, and closes the cache. The cache's lock is held, and its owner
 * is not on the fast path.
 */
void owned_cache_empty(struct owned_cache *owned);

/* Closes the cache to its owner. The cache's lock is held. */
void owned_cache_close(struct owned_cache *owned);

/* Opens the calling thread's cache. The cache's lock is held. */
void owned_cache_open(struct owned_cache *owned);

/* Destroys all caches of the heap with the blocks in them. The list's lock is held. */
void owned_cache_destroy_all_locked(struct thread_caches *caches);

/* In the child of a fork: this thread has no cache of any heap, and the spares are not used. */
void owned_cache_after_fork(void);

/*
 * The same after the fork of a process with one thread, which keeps the caches of the heaps for
 * which is_kept() returns true.
 */
void owned_cache_keep(bool (*is_kept)(const struct thread_caches *caches));

/* Calls visit() with the caches of each heap of which the calling thread has a cache. */
void owned_cache_visit_own(void (*visit)(struct thread_caches *caches));

/*
 * The most caches of a heap that are parked: their threads have ended, and threads that start get
 * them with their blocks. Until then they are emptied as those of idle threads are.
 */
#define OWNED_CACHE_PARKED 4u

/* Whether the cache has no owner. The list's lock is held. */
static inline bool owned_cache_is_parked(const struct owned_cache *owned)
{
    return owned->entry == NULL;
}

/* Whether the cache is the calling thread's. */
static inline bool owned_cache_is_own(const struct owned_cache *owned)
{
    return &owned->cache == thread_own.caches[owned->caches->number];
}
