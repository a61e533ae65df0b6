/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The caches that threads have of one heap, and the slow path: refilling and flushing a cache,
 * emptying the caches of other threads.
 *
 * About once a second, a thread on the slow path maintains its heap's caches: it empties those that
 * their threads have not used since, and tells the source that time has passed.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "heap/thread_cache.h"

struct block_source;

/* Pops after which a thread takes the slow path once: for maintenance, if a second has passed. */
#define THREAD_CACHES_MAINTAIN_POPS 2048

/* Reasons why no thread may keep blocks of a heap, as bits. */
enum {
    THREAD_CACHES_POLICY = 1u << 0,  /* CONSERVATIVE: blocks go back at once */
    THREAD_CACHES_STARVED = 1u << 1, /* there is no space: the heap must see each free */
    THREAD_CACHES_PROGRAM = 1u << 2, /* the program's own operations must see each request */
};

struct thread_caches {
    struct block_source *source;
    unsigned number;            /* of the heap */
    atomic_uint off;            /* THREAD_CACHES_* */
    struct owned_cache *list;   /* guarded by the lock of the list of caches */
    atomic_size_t count;        /* of caches in it that threads own */
    struct owned_cache *parked; /* those that no thread owns; guarded by the same lock */
    atomic_uint parked_count;
    struct transfer_cache *transfer_cache; /* NULL where number is 0 */
    atomic_long maintained;                /* time of the last maintenance, in seconds */
    unsigned generation;                   /* fork_generation, when the caches were created */
};

/*
 * The source outlives the caches. number is below THREAD_CACHE_HEAPS; 0 is for heaps without
 * caches. 0, -ENOMEM, or another -errno.
 */
int thread_caches_init(struct thread_caches *caches, struct block_source *source, unsigned number);

/* Ends all caches of the heap without emptying them: their blocks end with the arenas. */
void thread_caches_destroy(struct thread_caches *caches);

/* Around fork(2), in this thread. In the child, no thread has a cache of any heap afterwards. */
void thread_caches_before_fork(void);
void thread_caches_after_fork(bool child);

/*
 * In the child of a fork: the first forgets what the parent's threads keep, if there were several;
 * the second makes the caches this process's.
 */
void thread_caches_forget(struct thread_caches *caches);
void thread_caches_adopt(struct thread_caches *caches);

/* The slow path of thread_cache_pop() and thread_cache_push(). NULL: there is no space. */
void *thread_caches_alloc(struct thread_caches *caches, unsigned size_class);
void thread_caches_free(struct thread_caches *caches, unsigned size_class, void *block);

/*
 * Fills the bin of the class in the calling thread's cache, which exists, if the bin is empty, and
 * the thread has not been interrupted while it changed the cache. False where there is no block.
 */
bool thread_caches_fill(struct thread_caches *caches, unsigned size_class);

/*
 * Adds or removes a reason. What caches hold stays there until thread_caches_reclaim(), or until
 * their owners take the slow path.
 */
void thread_caches_turn_off(struct thread_caches *caches, unsigned reason);
void thread_caches_turn_on(struct thread_caches *caches, unsigned reason);

static inline bool thread_caches_are_off(const struct thread_caches *caches, unsigned reason)
{
    return (atomic_load_explicit(&caches->off, memory_order_relaxed) & reason) != 0;
}

/*
 * Flushes all threads' caches and the transfer cache to the source. The caches stay closed until
 * their owners have taken the slow path once. False where an owner stayed on its fast path: its
 * cache may hold blocks until it takes the slow path. Where the kernel has no membarrier, all
 * caches but the caller's may, and the result is true.
 */
bool thread_caches_reclaim(struct thread_caches *caches);

/*
 * Flushes the calling thread's cache, those that no thread owns, and the transfer cache to the
 * source. The other threads' caches stay as they are.
 */
void thread_caches_settle(struct thread_caches *caches);

/*
 * If a second has passed since the last time: empties the caches that have not been used since, and
 * tells the source that time has passed.
 */
void thread_caches_maintain(struct thread_caches *caches);

/* How many threads have a cache. */
static inline size_t thread_caches_count(const struct thread_caches *caches)
{
    return atomic_load_explicit(&caches->count, memory_order_relaxed);
}

/* Bytes in the caches and the transfer cache. Approximate while other threads use them. */
size_t thread_caches_bytes(struct thread_caches *caches);
