/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A cache of anonymous mappings of one size. Most mappings live so briefly that mmap, page faults
 * and munmap would cost more than their use.
 */
#pragma once

#include <pthread.h>
#include <stddef.h>

#define MAPPING_CACHE_PIECES 16

struct mapping_cache {
    pthread_mutex_t lock;
    size_t count;
    void *pieces[MAPPING_CACHE_PIECES];
};

#define MAPPING_CACHE_INITIALIZER         \
    {                                     \
        .lock = PTHREAD_MUTEX_INITIALIZER \
    }

/* Returns a cached piece with its old contents, or NULL. Thread-safe. */
void *mapping_cache_find(struct mapping_cache *cache);

/*
 * Returns a cached piece with its old contents, or a new mapping of `size` zero bytes. NULL with
 * errno. Thread-safe.
 */
void *mapping_cache_take(struct mapping_cache *cache, size_t size);

/* Call in the child of a fork. Forgets the pieces if another thread was changing the cache. */
void mapping_cache_after_fork(struct mapping_cache *cache);

/* Returns a piece to the cache. All pieces have the same size. errno is kept. Thread-safe. */
void mapping_cache_put(struct mapping_cache *cache, void *piece, size_t size);
