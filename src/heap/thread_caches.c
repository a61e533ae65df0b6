/* SPDX-License-Identifier: BSD-2-Clause */
/* The caches that threads have of one heap: their life, and the slow path. */
#include "heap/thread_caches.h"

#include <errno.h>
#include <string.h>

#include "heap/block_source.h"
#include "heap/child_needs.h"
#include "heap/owned_cache.h"
#include "heap/transfer_cache.h"
#include "space/address_map.h"
#include "util/fork_generation.h"
#include "util/lock.h"

#define BATCH_LARGEST  ((size_t)128)
#define REFILL_LARGEST ((size_t)256) /* the source may have more than a batch */

int thread_caches_init(struct thread_caches *caches, struct block_source *source, unsigned number)
{
    int err = owned_cache_start();

    if (err != 0)
        return err;
    memset(caches, 0, sizeof(*caches));
    caches->source = source;
    caches->number = number;
    caches->generation = fork_generation;
    if (number == 0)
        return 0;
    caches->transfer_cache = transfer_cache_create();
    return caches->transfer_cache == NULL ? -ENOMEM : 0;
}

void thread_caches_destroy(struct thread_caches *caches)
{
    lock_acquire(&owned_cache_list_lock, LOCK_CACHE_LIST);
    owned_cache_destroy_all_locked(caches);
    lock_release(&owned_cache_list_lock);
    if (caches->transfer_cache != NULL)
        transfer_cache_destroy(caches->transfer_cache);
}

/* -- Fork -------------------------------------------------------------------------------------- */

void thread_caches_before_fork(void)
{
    lock_acquire(&owned_cache_list_lock, LOCK_CACHE_LIST);
}

void thread_caches_after_fork(bool child)
{
    lock_release(&owned_cache_list_lock);
    if (child)
        owned_cache_after_fork();
}

void thread_caches_forget(struct thread_caches *caches)
{
    lock_acquire(&owned_cache_list_lock, LOCK_CACHE_LIST);
    owned_cache_destroy_all_locked(caches);
    lock_release(&owned_cache_list_lock);
    if (caches->transfer_cache != NULL)
        transfer_cache_after_fork(caches->transfer_cache);
}

void thread_caches_adopt(struct thread_caches *caches)
{
    caches->generation = fork_generation;
    atomic_fetch_and(&caches->off, ~(unsigned)THREAD_CACHES_STARVED);
}

/* -- The slow path ----------------------------------------------------------------------------- */

/*
 * Locks the cache and opens it, or returns false where the heap's caches are off. A thread that
 * turns them off closes and empties this cache afterwards, under this lock; if the owner stayed on
 * its fast path meanwhile, the owner empties the cache here.
 */
static bool lock_and_open(struct owned_cache *owned)
{
    lock_acquire(&owned->lock, LOCK_THREAD_CACHE);
    if (atomic_load(&owned->caches->off) == 0) {
        owned_cache_open(owned);
        return true;
    }
    owned_cache_empty(owned);
    lock_release(&owned->lock);
    return false;
}

static void *alloc_one(struct block_source *source, unsigned size_class)
{
    void *block;

    return source->refill(source, size_class, &block, 1, 1) != 0 ? block : NULL;
}

/* How many blocks enter or leave a bin at once. */
static size_t batch_of(const struct cache_bin *bin)
{
    size_t half = (cache_bin_capacity(bin) + 1) / 2;

    return half < BATCH_LARGEST ? half : BATCH_LARGEST;
}

/* A block of the bin; or NULL, and how many to refill it with. */
static void *pop_or_plan(struct owned_cache *owned, unsigned size_class, size_t *wanted)
{
    struct cache_bin *bin = &owned->cache.bins[size_class];
    void **top = atomic_load_explicit(&bin->top, memory_order_relaxed);

    owned->cache.countdown = THREAD_CACHES_MAINTAIN_POPS;
    if (top != cache_bin_base(bin)) {
        atomic_store_explicit(&bin->top, top - 1, memory_order_relaxed);
        return top[-1];
    }
    child_needs_record(size_class);
    *wanted = batch_of(bin);
    cache_bin_grow(bin, size_class, owned->slots);
    return NULL;
}

/* Leaves the blocks to other threads, and to the source what the transfer cache has no room for. */
static void pass_on(struct thread_caches *caches, unsigned size_class, void *const *blocks,
                    size_t count)
{
    struct block_source *source = caches->source;
    size_t taken = transfer_cache_insert(caches->transfer_cache, size_class, blocks, count);

    source->flush(source, blocks + taken, count - taken);
    /* If a thread turned the caches off and flushed the transfer cache before the insertion. */
    if (taken != 0 && atomic_load(&caches->off) != 0)
        transfer_cache_flush(caches->transfer_cache, source);
}

/*
 * Gets about `wanted` blocks, at most REFILL_LARGEST. blocks[0] is for the caller, NULL where there
 * is no space; the others go into the bin, to be popped in the order of their addresses. No lock is
 * held: the source may empty the caches of other threads, and those threads this one.
 */
static void refill(struct owned_cache *owned, unsigned size_class, void **blocks, size_t wanted)
{
    struct thread_caches *caches = owned->caches;
    struct block_source *source = caches->source;
    size_t count = transfer_cache_remove(caches->transfer_cache, size_class, blocks, wanted);

    if (count == 0)
        count = source->refill(source, size_class, blocks, wanted, REFILL_LARGEST);
    if (count == 0)
        blocks[0] = NULL;
    if (count <= 1)
        return;
    if (!lock_and_open(owned)) {
        source->flush(source, blocks + 1, count - 1);
        return;
    }
    /* Another thread may have emptied the bin, which is small again then. */
    struct cache_bin *bin = &owned->cache.bins[size_class];
    size_t room = cache_bin_capacity(bin) - cache_bin_count(bin);
    size_t kept = count - 1 < room ? count - 1 : room;
    cache_bin_push_reversed(bin, blocks + 1, kept);
    lock_release(&owned->lock);
    pass_on(caches, size_class, blocks + 1 + kept, count - 1 - kept);
}

void *thread_caches_alloc(struct thread_caches *caches, unsigned size_class)
{
    struct owned_cache *owned = owned_cache_of_thread(caches);
    void *blocks[REFILL_LARGEST];
    size_t wanted = 0;

    if (owned == NULL || !lock_and_open(owned))
        return alloc_one(caches->source, size_class);
    blocks[0] = pop_or_plan(owned, size_class, &wanted);
    lock_release(&owned->lock);
    if (blocks[0] == NULL) {
        refill(owned, size_class, blocks, wanted);
        /* By now the address map has its tables. */
        thread_own_open_free(address_map_end);
    }
    thread_caches_maintain(caches);
    return blocks[0];
}

/* Whether the bin is empty, and neither the owner nor another thread is changing the cache. */
static bool can_fill(struct owned_cache *owned, unsigned size_class)
{
    struct thread_cache *cache = &owned->cache;

    if (!lock_try_acquire(&owned->lock, LOCK_THREAD_CACHE))
        return false;
    bool can = !atomic_load(&cache->busy) && !cache->closed &&
               cache_bin_count(&cache->bins[size_class]) == 0;
    lock_release(&owned->lock);
    return can;
}

static void keep_blocks(struct owned_cache *owned, unsigned size_class, void *const *blocks,
                        size_t count)
{
    lock_acquire(&owned->lock, LOCK_THREAD_CACHE);
    cache_bin_push_reversed(&owned->cache.bins[size_class], blocks, count);
    lock_release(&owned->lock);
}

bool thread_caches_fill(struct thread_caches *caches, unsigned size_class)
{
    struct owned_cache *owned = (struct owned_cache *)thread_own.caches[caches->number];
    struct cache_bin *bin = &owned->cache.bins[size_class];
    void *blocks[BATCH_LARGEST];
    size_t room = cache_bin_capacity(bin);
    size_t wanted = room < BATCH_LARGEST ? room : BATCH_LARGEST;

    if (!can_fill(owned, size_class))
        return true;
    size_t count = caches->source->refill_easily(caches->source, size_class, blocks, wanted);
    if (count != 0)
        keep_blocks(owned, size_class, blocks, count);
    return count != 0;
}

/* Puts the block into the bin. Stores the blocks that had to make room, and returns how many. */
static size_t push_or_overflow(struct owned_cache *owned, unsigned size_class, void *block,
                               void **blocks)
{
    struct cache_bin *bin = &owned->cache.bins[size_class];
    size_t count = cache_bin_count(bin);
    size_t overflow = 0;

    if (count == cache_bin_capacity(bin))
        cache_bin_grow(bin, size_class, owned->slots);
    if (count == cache_bin_capacity(bin)) {
        overflow = batch_of(bin);
        cache_bin_take_oldest(bin, blocks, overflow);
    }
    cache_bin_push(bin, &block, 1);
    return overflow;
}

void thread_caches_free(struct thread_caches *caches, unsigned size_class, void *block)
{
    struct owned_cache *owned = owned_cache_of_thread(caches);
    struct block_source *source = caches->source;
    void *blocks[BATCH_LARGEST];

    if (owned == NULL || !lock_and_open(owned)) {
        source->flush(source, &block, 1);
        source->released(source, size_class_size(size_class));
        return;
    }
    size_t overflow = push_or_overflow(owned, size_class, block, blocks);
    lock_release(&owned->lock);
    pass_on(caches, size_class, blocks, overflow);
    source->released(source, overflow * size_class_size(size_class));
    thread_caches_maintain(caches);
}

/* -- On and off -------------------------------------------------------------------------------- */

void thread_caches_turn_off(struct thread_caches *caches, unsigned reason)
{
    atomic_fetch_or(&caches->off, reason);
}

void thread_caches_turn_on(struct thread_caches *caches, unsigned reason)
{
    atomic_fetch_and(&caches->off, ~reason);
}
