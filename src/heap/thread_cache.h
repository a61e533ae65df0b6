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
 * been idle, or when the heap ends. That thread acquires the cache's lock, sets `closed`, and has
 * membarrier(2) ensure that the owner has either read `closed` or left the fast path. An owner that
 * reads `closed` takes the slow path, which acquires the lock too:
 *
 *    owner                                  another thread
 *    busy = true                            lock
 *    if (closed) slow path                  closed = true
 *    pop or push                            membarrier
 *    busy = false                           wait until not busy; empty the bins; unlock
 *
 * The owner's loads and stores are plain instructions; the other thread pays for the barrier.
 * Without membarrier in the kernel, only the owner empties its cache.
 *
 * A table's entry for a heap without a cache, or whose caches are off (the CONSERVATIVE policy),
 * is a cache that is always closed, so that the fast path has no further test.
 *
 * Threads meet in the transfer cache once in a batch. Where another thread holds its lock, they go
 * to their arenas instead of waiting. A bin holds at most 256 blocks and 64 KiB.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "heap/cache_bin.h"
#include "heap/size_class.h"
#include "heap/thread_own.h"

/* Heaps are numbered by their owner in the address map. */
#define THREAD_CACHE_HEAPS 800

struct thread_cache {
    atomic_bool busy;   /* the owner is on the fast path */
    atomic_bool closed; /* the owner must take the slow path */
    int countdown;      /* pops until the owner takes the slow path once, for maintenance */
    struct cache_bin bins[SIZE_CLASS_LIMIT]; /* that of class 0 never has room for a block */
};

/* The barrier keeps the index in a register: without it, compilers compute it for each member. */
static inline struct cache_bin *thread_cache_bin(struct thread_cache *cache, unsigned size_class)
{
    size_t words = (size_t)size_class * (sizeof(struct cache_bin) / sizeof(void *));

    __asm__("" : "+r"(words));
    return (struct cache_bin *)((void **)cache->bins + words);
}

/* On x86-64, loads are not reordered, and a plain load is part of the comparison. */
static inline bool thread_cache_is_closed(struct thread_cache *cache)
{
#ifdef THREAD_OWN_HAS_NEAR
    atomic_signal_fence(memory_order_acquire);
    return *(const bool *)&cache->closed;
#else
    return atomic_load_explicit(&cache->closed, memory_order_acquire);
#endif
}

/* A block of the class; NULL where the cache is closed or has none, for heap_alloc() to get. */
static inline void *thread_cache_pop_from(struct thread_cache *cache, unsigned size_class)
{
    struct cache_bin *bin = thread_cache_bin(cache, size_class);

    atomic_store_explicit(&cache->busy, true, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    void **top = atomic_load_explicit(&bin->top, memory_order_relaxed);
    if (__builtin_expect(
            thread_cache_is_closed(cache) || top == bin->base || --cache->countdown < 0, 0)) {
        atomic_store_explicit(&cache->busy, false, memory_order_release);
        return NULL;
    }
    void *block = *--top;
    atomic_store_explicit(&bin->top, top, memory_order_relaxed);
    atomic_store_explicit(&cache->busy, false, memory_order_release);
    /* Makes the caller's test for NULL part of the tests above. */
    if (block == NULL)
        __builtin_unreachable();
    return block;
}

/* The same from the calling thread's cache of the heap. */
static inline void *thread_cache_pop(unsigned heap_number, unsigned size_class)
{
    return thread_cache_pop_from(thread_own.caches[heap_number], size_class);
}

/* Takes a block of the class; false where the cache is closed, the bin is full, or the class is 0:
 * then heap_free() takes the block. */
static inline bool thread_cache_push_to(struct thread_cache *cache, unsigned size_class,
                                        void *block)
{
    struct cache_bin *bin = thread_cache_bin(cache, size_class);

    atomic_store_explicit(&cache->busy, true, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    void **top = atomic_load_explicit(&bin->top, memory_order_relaxed);
    if (__builtin_expect(thread_cache_is_closed(cache) || top == bin->end, 0)) {
        atomic_store_explicit(&cache->busy, false, memory_order_release);
        return false;
    }
    *top = block;
    atomic_store_explicit(&bin->top, top + 1, memory_order_relaxed);
    atomic_store_explicit(&cache->busy, false, memory_order_release);
    return true;
}

/* The same with the calling thread's cache of the heap. */
static inline bool thread_cache_push(unsigned heap_number, unsigned size_class, void *block)
{
    return thread_cache_push_to(thread_own.caches[heap_number], size_class, block);
}
