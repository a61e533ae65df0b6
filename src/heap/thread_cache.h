/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks that a thread has freed and will have again soon: for each thread and heap, a stack of
 * addresses for each size class. In the usual case an allocation pops one and a free pushes one,
 * without a lock, an atomic read-modify-write, a system call, or a touch of the block's own memory,
 * which may be slow.
 *
 *    thread      a table of caches, one for each heap, reached through one thread-local pointer
 *      cache     a bin for each size class: a stack of blocks, small at first, growing with use
 *    heap
 *      exchange  a stack for each class, with a lock: blocks on their way, in batches, from threads
 *                that free to threads that allocate
 *      arenas    where batches come from and go to when the transfer cache is empty or full
 *
 * About once a second, on the slow way, a thread looks after its heap: caches whose threads have
 * done nothing since are emptied, and the arenas told that time has passed.
 *
 * A cache belongs to its thread; others empty it when space is short, when its thread has been
 * idle, when the heap ends. Who does not own a cache takes its lock, sets `closed`, and makes sure
 * by membarrier(2) that the owner has seen it or is done; the owner, who finds `closed` set, goes
 * the slow way, which takes the lock too:
 *
 *    owner                                  another thread
 *    busy = true                            lock
 *    if (closed) slow way                   closed = true
 *    pop or push                            membarrier
 *    busy = false                           wait until not busy; empty the bins; unlock
 *
 * The owner's stores and loads are plain instructions; the barrier's cost is on the other side.
 * Where the kernel has no membarrier, nobody empties another's cache, and what is in it stays with
 * its thread.
 *
 * A thread's entry for a heap that it has no cache of, or that has none for anybody (the
 * CONSERVATIVE policy), is a cache that is always closed, so the usual way needs no further
 * question.
 *
 * With 128 processors, threads meet in the transfer cache once in a batch, and only if it is not
 * busy; else they go to their arenas. A bin holds at most 256 blocks and 64 KiB.
 *
 * Caches are made and ended seldom, so one lock guards the list of all caches of the process. The
 * order of this lock, a cache's and the transfer cache's stands in util/lock.h.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "heap/size_class.h"

/* Heaps are numbered by their owner in the address map. */
#define THREAD_CACHE_HEAPS 800

struct heap;

struct cache_bin {
    _Atomic(void **) top; /* behind the newest block */
    void **base;          /* the oldest block is here */
    void **end;           /* base + how many blocks there may be at present */
};

struct thread_cache {
    atomic_bool busy;   /* the owner is between the two stores of its fast way */
    atomic_bool closed; /* the owner must go the slow way */
    unsigned countdown; /* pops until the owner takes the slow way for once, to look after things */
    struct cache_bin bins[SIZE_CLASS_LIMIT]; /* that of class 0 never has room for a block */
};

struct tier_counts;

/*
 * What the library has for the calling thread. It is together, since finding a thread's variables
 * is a large part of what an allocation costs.
 */
struct thread_own {
    struct thread_cache **caches; /* by number of the heap; never NULL */
    struct tier_counts *counts;   /* of kinds/tier_counts.h; NULL: none */
};

extern _Thread_local struct thread_own thread_own;

/*
 * Its address, for a function that uses it twice: compilers look it up each time, as they see no
 * cost in that.
 */
static inline struct thread_own *thread_own_here(void)
{
    struct thread_own *own = &thread_own;

    __asm__("" : "+r"(own));
    return own;
}

/* The address is computed once, and kept: compilers compute it anew for each member. */
static inline struct cache_bin *thread_cache_bin(struct thread_cache *cache, unsigned size_class)
{
    struct cache_bin *bin = &cache->bins[size_class];

    __asm__("" : "+r"(bin));
    return bin;
}

/*
 * A block of the class, or NULL where the fast way is closed or the cache has none: then
 * heap_alloc() knows more.
 */
static inline void *thread_cache_pop_from(struct thread_cache *cache, unsigned size_class)
{
    struct cache_bin *bin = thread_cache_bin(cache, size_class);
    void *block = NULL;

    atomic_store_explicit(&cache->busy, true, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    void **top = atomic_load_explicit(&bin->top, memory_order_relaxed);
    if (__builtin_expect(!atomic_load_explicit(&cache->closed, memory_order_acquire) &&
                             top != bin->base && cache->countdown != 0,
                         1)) {
        cache->countdown--;
        block = *--top;
        atomic_store_explicit(&bin->top, top, memory_order_relaxed);
    }
    atomic_store_explicit(&cache->busy, false, memory_order_release);
    return block;
}

/* The same from the calling thread's cache of the heap. */
static inline void *thread_cache_pop(unsigned heap_number, unsigned size_class)
{
    return thread_cache_pop_from(thread_own.caches[heap_number], size_class);
}

/* Takes a block of the class; false where the fast way is closed, the bin is full, or the class
 * is 0: then heap_free() takes it. */
static inline bool thread_cache_push_to(struct thread_cache *cache, unsigned size_class,
                                        void *block)
{
    struct cache_bin *bin = thread_cache_bin(cache, size_class);
    bool pushed = false;

    atomic_store_explicit(&cache->busy, true, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    void **top = atomic_load_explicit(&bin->top, memory_order_relaxed);
    if (__builtin_expect(
            !atomic_load_explicit(&cache->closed, memory_order_acquire) && top != bin->end, 1)) {
        *top = block;
        atomic_store_explicit(&bin->top, top + 1, memory_order_relaxed);
        pushed = true;
    }
    atomic_store_explicit(&cache->busy, false, memory_order_release);
    return pushed;
}

/* The same with the calling thread's cache of the heap. */
static inline bool thread_cache_push(unsigned heap_number, unsigned size_class, void *block)
{
    return thread_cache_push_to(thread_own.caches[heap_number], size_class, block);
}

/* -- For heap.c -------------------------------------------------------------------------------- */

/* Why no thread may keep blocks of a heap; a set of these. */
enum {
    THREAD_CACHES_POLICY = 1u << 0,  /* blocks go back at once */
    THREAD_CACHES_STARVED = 1u << 1, /* there is no space: each free must be seen */
};

/* A heap's part in all this. */
struct thread_caches {
    struct heap *heap;
    unsigned number;                       /* of the heap */
    atomic_uint off;                       /* THREAD_CACHES_* */
    struct owned_cache *list;              /* guarded by the lock of the list of caches */
    atomic_size_t count;                   /* of caches in it */
    struct transfer_cache *transfer_cache; /* NULL where number is 0 */
    atomic_long maintained;                /* when that was last done, in seconds */
    unsigned generation;                   /* fork_generation, when the caches were made */
};

/* What caches are filled from and emptied to: heap.c's ways to the arenas. */

/* Stores up to `wanted` blocks of the class at blocks; returns how many. 0 only where there is no
 * space. */
size_t heap_refill(struct heap *heap, unsigned size_class, void **blocks, size_t wanted);
void heap_flush(struct heap *heap, void *const *blocks, size_t count);

/* Blocks of so many bytes in all went to arenas. No lock of the library is held. */
void heap_released(struct heap *heap, size_t bytes);

/* Time has passed: arenas learn it from calls, and there are none while caches serve. */
void heap_age(struct heap *heap);

/*
 * number is below THREAD_CACHE_HEAPS; 0 is for heaps without caches. 0, -ENOMEM, or another -errno.
 */
int thread_caches_init(struct thread_caches *caches, struct heap *heap, unsigned number);

/* Ends all caches of the heap without emptying them: their blocks end with the arenas. */
void thread_caches_destroy(struct thread_caches *caches);

/* Around fork(2), in this thread. In the child, no thread has a cache of any heap afterwards. */
void thread_caches_before_fork(void);
void thread_caches_after_fork(bool child);

/* In the child of a fork: forgets what the parent's threads keep. */
void thread_caches_adopt(struct thread_caches *caches);

/* The slow ways of the two above. NULL: there is no space for even one block. */
void *thread_caches_alloc(struct thread_caches *caches, unsigned size_class);
void thread_caches_free(struct thread_caches *caches, unsigned size_class, void *block);

/*
 * Adds and takes away reasons for no thread to keep blocks. What caches hold stays until
 * thread_caches_reclaim(), or until their owners take the slow way.
 */
void thread_caches_turn_off(struct thread_caches *caches, unsigned reason);
void thread_caches_turn_on(struct thread_caches *caches, unsigned reason);

static inline bool thread_caches_are_off(const struct thread_caches *caches, unsigned reason)
{
    return (atomic_load_explicit(&caches->off, memory_order_relaxed) & reason) != 0;
}

/*
 * Gives the blocks of all threads' caches and of the transfer cache back to the arenas. The caches
 * stay closed until their owners have taken the slow way once. False where an owner did not leave
 * its fast way: then its cache may hold blocks until it takes the slow way. (Where the kernel has
 * no membarrier, that is so for all caches but the caller's, and the answer is true.)
 */
bool thread_caches_reclaim(struct thread_caches *caches);

/*
 * What threads do about once a second on the slow way: empties caches that have not been used since
 * the last time, and has arenas give back what has been unused for long enough.
 */
void thread_caches_maintain(struct thread_caches *caches);

/* How many threads have a cache. */
static inline size_t thread_caches_count(const struct thread_caches *caches)
{
    return atomic_load_explicit(&caches->count, memory_order_relaxed);
}

/* Bytes in the caches and the transfer cache at about this time. */
size_t thread_caches_bytes(struct thread_caches *caches);
