/* SPDX-License-Identifier: BSD-2-Clause */
/* A cache of anonymous mappings of one size. */
#include "os/mapping_cache.h"

#include <errno.h>
#include <stdbool.h>

#include "os/vm.h"
#include "util/lock.h"

void *mapping_cache_find(struct mapping_cache *cache)
{
    lock_acquire(&cache->lock, LOCK_MAPPING_CACHE);
    void *piece = cache->count != 0 ? cache->pieces[--cache->count] : NULL;
    lock_release(&cache->lock);
    return piece;
}

void *mapping_cache_take(struct mapping_cache *cache, size_t size)
{
    void *piece = mapping_cache_find(cache);

    return piece != NULL ? piece : vm_alloc(size);
}

void mapping_cache_put(struct mapping_cache *cache, void *piece, size_t size)
{
    int saved_errno = errno;

    lock_acquire(&cache->lock, LOCK_MAPPING_CACHE);
    bool kept = cache->count < MAPPING_CACHE_PIECES;
    if (kept)
        cache->pieces[cache->count++] = piece;
    lock_release(&cache->lock);
    if (!kept)
        (void)vm_unmap(piece, size);
    errno = saved_errno;
}

void mapping_cache_after_fork(struct mapping_cache *cache)
{
    if (lock_try_acquire(&cache->lock, LOCK_MAPPING_CACHE)) {
        lock_release(&cache->lock);
        return;
    }
    (void)lock_init(&cache->lock);
    cache->count = 0;
}
