/* SPDX-License-Identifier: BSD-2-Clause */
/* Emptying the caches of other threads: when space is short, and when their owners are idle. */
#include "heap/thread_caches.h"

#include <errno.h>
#include <sched.h>

#include "heap/block_source.h"
#include "heap/owned_cache.h"
#include "heap/transfer_cache.h"
#include "os/membarrier.h"
#include "util/clock.h"
#include "util/lock.h"

#define MAINTAIN_AFTER_SECONDS 1
#define CLAIMED_AT_ONCE        ((size_t)32)
#define OWNER_PATIENCE         256 /* yields, until an owner has left its fast path */

/* Closes the cache to its owner; the lock stays held until release_cache(). */
static void claim_cache(struct owned_cache *owned)
{
    lock_acquire(&owned->lock, LOCK_THREAD_CACHE);
    owned->claimed = true;
    owned_cache_close(owned);
}

static bool owner_is_away(const struct owned_cache *owned)
{
    for (int i = 0; i < OWNER_PATIENCE; i++) {
        if (!atomic_load_explicit(&owned->cache.busy, memory_order_acquire))
            return true;
        sched_yield();
    }
    return false;
}

/*
 * Empties and unlocks the cache. After the barrier, an owner on its fast path has set `busy`, and
 * any other will find its bins closed. False where the owner stays on its fast path.
 */
static bool release_cache(struct owned_cache *owned, bool barrier)
{
    bool idle = owned_cache_is_own(owned) || owned_cache_is_parked(owned);
    bool away = idle || (barrier && owner_is_away(owned));

    if (away)
        owned_cache_empty(owned);
    owned->claimed = false;
    lock_release(&owned->lock);
    return away || !barrier;
}

/* Whether any claimed cache from `owned` up to `end` is another thread's. */
static bool is_barrier_needed(const struct owned_cache *owned, const struct owned_cache *end)
{
    while (owned != end &&
           (!owned->claimed || owned_cache_is_own(owned) || owned_cache_is_parked(owned)))
        owned = owned->next;
    return owned != end;
}

/* Empties the claimed caches from `owned` up to `end`; false where an owner stayed. */
static bool release_caches(struct owned_cache *owned, const struct owned_cache *end)
{
    bool barrier = is_barrier_needed(owned, end) && membarrier();
    bool all = true;

    for (; owned != end; owned = owned->next)
        if (owned->claimed && !release_cache(owned, barrier))
            all = false;
    return all;
}

/*
 * Empties the caches of the heap that the filter accepts, or all where it is NULL; false where an
 * owner stayed. The list's lock is held. One barrier serves CLAIMED_AT_ONCE caches: the owners of
 * claimed caches may be waiting.
 */
static bool empty_caches_locked(struct thread_caches *caches, bool (*filter)(struct owned_cache *))
{
    struct owned_cache *first = caches->list;
    struct owned_cache *owned;
    size_t claimed = 0;
    int saved_errno = errno;
    bool all = true;

    for (owned = first; owned != NULL; owned = owned->next) {
        if (claimed == CLAIMED_AT_ONCE) {
            all = release_caches(first, owned) && all;
            first = owned;
            claimed = 0;
        }
        if (filter == NULL || filter(owned)) {
            claim_cache(owned);
            claimed++;
        }
    }
    if (claimed != 0)
        all = release_caches(first, NULL) && all;
    errno = saved_errno;
    return all;
}

bool thread_caches_reclaim(struct thread_caches *caches)
{
    if (caches->number == 0)
        return true;
    lock_acquire(&owned_cache_list_lock, LOCK_CACHE_LIST);
    bool all = empty_caches_locked(caches, NULL);
    lock_release(&owned_cache_list_lock);
    transfer_cache_flush(caches->transfer_cache, caches->source);
    return all;
}

static bool is_settled(struct owned_cache *owned)
{
    return owned_cache_is_own(owned) || owned_cache_is_parked(owned);
}

void thread_caches_settle(struct thread_caches *caches)
{
    if (caches->number == 0)
        return;
    lock_acquire(&owned_cache_list_lock, LOCK_CACHE_LIST);
    (void)empty_caches_locked(caches, is_settled);
    lock_release(&owned_cache_list_lock);
    transfer_cache_flush(caches->transfer_cache, caches->source);
}

/* Under the lock, since a bin that grows moves. */
static size_t bytes_in(struct owned_cache *owned)
{
    size_t bytes = 0;

    lock_acquire(&owned->lock, LOCK_THREAD_CACHE);
    for (unsigned c = 1; c <= size_class_count; c++)
        bytes += cache_bin_count(&owned->cache.bins[c]) * size_class_size(c);
    lock_release(&owned->lock);
    return bytes;
}

/* Whether the cache holds blocks, and as many bytes as at the last maintenance. */
static bool is_idle(struct owned_cache *owned)
{
    size_t bytes = bytes_in(owned);
    bool idle = bytes != 0 && bytes == owned->seen;

    owned->seen = bytes;
    return idle;
}

void thread_caches_maintain(struct thread_caches *caches)
{
    long now = clock_coarse_seconds();
    long last = atomic_load_explicit(&caches->maintained, memory_order_relaxed);

    if (now - last < MAINTAIN_AFTER_SECONDS ||
        !atomic_compare_exchange_strong(&caches->maintained, &last, now))
        return;
    if (lock_try_acquire(&owned_cache_list_lock, LOCK_CACHE_LIST)) {
        (void)empty_caches_locked(caches, is_idle);
        lock_release(&owned_cache_list_lock);
    }
    transfer_cache_flush_unused(caches->transfer_cache, caches->source);
    caches->source->age(caches->source);
}

size_t thread_caches_bytes(struct thread_caches *caches)
{
    size_t bytes = 0;

    if (caches->number == 0)
        return 0;
    lock_acquire(&owned_cache_list_lock, LOCK_CACHE_LIST);
    for (struct owned_cache *owned = caches->list; owned != NULL; owned = owned->next)
        bytes += bytes_in(owned);
    lock_release(&owned_cache_list_lock);
    return bytes + transfer_cache_bytes(caches->transfer_cache);
}
