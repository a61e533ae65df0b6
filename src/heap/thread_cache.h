/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fast path of allocation and free: a thread's cache of one heap's freed blocks, with a stack
 * of addresses for each size class. An allocation pops an address and a free pushes one, without a
 * lock, an atomic read-modify-write, a system call, or an access to the block, whose memory may be
 * slow.
 *
 *    thread            a table of caches by heap number, reached through a thread-local pointer
 *      cache           a bin for each size class: a stack, small at first, that grows with use
 *    heap
 *      transfer cache  for each class, batches of blocks on their way between threads; has locks
 *      arenas          the source of blocks where the transfer cache is empty or full
 *
 * A cache belongs to its thread. Another thread empties it when space is short, when its owner has
 * been idle, or when the heap ends. That thread acquires the cache's lock, closes the bins, and has
 * membarrier(2) ensure that the owner has either read the limits of a closed bin or left the fast
 * path. An owner that finds a bin closed takes the slow path, which acquires the lock too:
 *
 *    owner                                  another thread
 *    busy = true                            lock
 *    if (the bin is closed) slow path       close the bins
 *    pop or push                            membarrier
 *    busy = false                           wait until not busy; empty the bins; unlock
 *
 * To the owner, a closed bin is both empty and full, so that the fast path has no further test.
 * The owner's loads and stores are plain instructions; the other thread pays for the barrier.
 * Without membarrier in the kernel, only the owner empties its cache.
 *
 * A table's entry for a heap without a cache, or whose caches are off (the CONSERVATIVE policy),
 * is a cache of zeros, whose bins are always closed.
 *
 * A thread that ends parks its cache with the blocks in it, and the next thread that starts gets
 * the cache. Where enough are parked, the blocks go to the transfer cache.
 *
 * Threads meet in the transfer cache once in a batch. Where another thread holds its lock, they go
 * to their arenas instead of waiting. A bin holds at most 512 blocks and 64 KiB.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heap/cache_bin.h"
#include "heap/size_class.h"
#include "heap/thread_own.h"

/* Heaps are numbered by their owner in the address map. */
#define THREAD_CACHE_HEAPS 800

struct thread_cache {
    atomic_bool busy; /* the owner is on the fast path */
    bool closed;      /* all bins are; guarded by the cache's lock */
    int countdown;    /* pops until the owner takes the slow path once, for maintenance */
    struct cache_bin bins[SIZE_CLASS_LIMIT]; /* that of class 0 never has room for a block */
};

/* The barrier keeps the index in a register: without it, compilers compute it for each member. */
static inline struct cache_bin *thread_cache_bin(struct thread_cache *cache, size_t size_class)
{
    size_t words = size_class * (sizeof(struct cache_bin) / sizeof(void *));

    __asm__("" : "+r"(words));
    return (struct cache_bin *)((void **)cache->bins + words);
}

/*
 * Reads a limit of a bin, for a comparison. A plain load is part of the comparison; after an atomic
 * load, compilers compare a register.
 */
static inline uintptr_t thread_cache_limit(_Atomic(void **) *limit)
{
#ifdef THREAD_OWN_HAS_NEAR
    return *(const uintptr_t *)(const void *)limit;
#else
    return (uintptr_t)atomic_load_explicit(limit, memory_order_relaxed);
#endif
}

/* A block of the class; NULL where the bin is closed or has none, for heap_alloc() to get. */
static inline void *thread_cache_pop_from(struct thread_cache *cache, size_t size_class)
{
    struct cache_bin *bin = thread_cache_bin(cache, size_class);

    atomic_store_explicit(&cache->busy, true, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    void **top = atomic_load_explicit(&bin->top, memory_order_relaxed);
    if (__builtin_expect((uintptr_t)top <= thread_cache_limit(&bin->low) || --cache->countdown < 0,
                         0)) {
        atomic_store_explicit(&cache->busy, false, memory_order_release);
        return NULL;
    }
    top--;
    atomic_store_explicit(&bin->top, top, memory_order_relaxed);
    void *block = *top;
    atomic_store_explicit(&cache->busy, false, memory_order_release);
    /* Makes the caller's test for NULL part of the tests above. */
    if (block == NULL)
        __builtin_unreachable();
    return block;
}

/* The same from the calling thread's cache of the heap. */
static inline void *thread_cache_pop(unsigned heap_number, size_t size_class)
{
    return thread_cache_pop_from(thread_own.caches[heap_number], size_class);
}

/*
 * Pushes a block of the class. False: the bin is closed or full, or the class is 0, and heap_free()
 * must free the block.
 */
static inline bool thread_cache_push_to(struct thread_cache *cache, size_t size_class, void *block)
{
    struct cache_bin *bin = thread_cache_bin(cache, size_class);

    atomic_store_explicit(&cache->busy, true, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    void **top = atomic_load_explicit(&bin->top, memory_order_relaxed);
    if (__builtin_expect((uintptr_t)top >= thread_cache_limit(&bin->high), 0)) {
        atomic_store_explicit(&cache->busy, false, memory_order_release);
        return false;
    }
    *top = block;
    atomic_store_explicit(&bin->top, top + 1, memory_order_relaxed);
    atomic_store_explicit(&cache->busy, false, memory_order_release);
    return true;
}

/* The same with the calling thread's cache of the heap. */
static inline bool thread_cache_push(unsigned heap_number, size_t size_class, void *block)
{
    return thread_cache_push_to(thread_own.caches[heap_number], size_class, block);
}
