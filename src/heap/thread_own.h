/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The library's data of the calling thread, and the shortest path to that data.
 *
 * To find a thread-local variable of a library that can be loaded by dlopen(3) takes a call. Where
 * the library was loaded at the start of the process, which is the usual case, its thread-local
 * data lies at the same offset from the thread pointer in all threads. That offset is found once,
 * and the fast ways of malloc and free then take one load in place of the call. They test for that
 * by their own first comparisons, of a size and of an address, against limits that are 0 until the
 * offset is known.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct thread_cache;
struct thread_view;
struct tier_counts;

/*
 * The variables of a thread that the fast path reads. They are one object, because to find a
 * thread's variable is a large part of the cost of an allocation.
 */
struct thread_own {
    struct thread_cache **caches; /* by number of the heap; never NULL */
    struct tier_counts *counts;   /* of kinds/tier_counts.h; NULL: none */
    struct thread_view *view;     /* of heap/thread_view.h; NULL: none */
};

/* Variables of the fast path are addressed directly, not through the table of exported symbols. */
#define THREAD_OWN_HIDDEN __attribute__((visibility("hidden")))

extern _Thread_local struct thread_own thread_own THREAD_OWN_HIDDEN;

/*
 * The address of thread_own, for a function that uses it twice: without the barrier, compilers
 * compute the address for each use.
 */
static inline struct thread_own *thread_own_here(void)
{
    struct thread_own *own = &thread_own;

    __asm__("" : "+r"(own));
    return own;
}

/* The limits of the fast paths; all 0 until thread_own_find(). */
struct thread_own_near {
    size_t sizes;     /* the largest request, in bytes */
    uintptr_t blocks; /* addresses below are in the tables of space/address_map.h */
    ptrdiff_t offset; /* of thread_own, from the thread pointer */
};

extern struct thread_own_near thread_own_near THREAD_OWN_HIDDEN;

/*
 * A thread sanitizer does not see accesses by the thread pointer, and an address sanitizer takes
 * the offset for an address.
 */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#    define THREAD_OWN_SANITIZED 1
#elif defined(__has_feature)
#    if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#        define THREAD_OWN_SANITIZED 1
#    endif
#endif

#if defined(__x86_64__) && defined(__SEG_FS) && !defined(THREAD_OWN_SANITIZED)
#    define THREAD_OWN_HAS_NEAR 1

/* The calling thread's. thread_own_near.sizes or .blocks, which is not 0, was read before. */
static inline struct thread_cache **thread_own_near_caches(void)
{
    return ((const struct thread_own __seg_fs *)thread_own_near.offset)->caches;
}

static inline struct tier_counts *thread_own_near_counts(void)
{
    return ((const struct thread_own __seg_fs *)thread_own_near.offset)->counts;
}
#else
static inline struct thread_cache **thread_own_near_caches(void)
{
    return thread_own.caches;
}

static inline struct tier_counts *thread_own_near_counts(void)
{
    return thread_own.counts;
}
#endif

/*
 * Finds the offset and opens the fast path of malloc for requests of up to `sizes` bytes. False
 * where there is no such offset. One thread at a time.
 */
bool thread_own_find(size_t sizes);

/* thread_own_open_free() without its check. */
void thread_own_open_free_at(uintptr_t end);

/* Opens the fast path of free for addresses below `end`, if that of malloc is open. Thread-safe. */
static inline void thread_own_open_free(uintptr_t end)
{
    if (__builtin_expect(__atomic_load_n(&thread_own_near.blocks, __ATOMIC_RELAXED) == 0, 0))
        thread_own_open_free_at(end);
}
