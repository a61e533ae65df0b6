/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Anonymous memory of one size that is needed again and again: a few pieces are kept, since to map
 * one, to fault its pages in and to unmap it costs more than all that is done with most of them.
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

/* A piece that is kept, as it was when it was given back; NULL. Thread-safe. */
void *mapping_cache_find(struct mapping_cache *cache);

/* The same, or else a new one of `size` bytes, all zero. NULL with errno. Thread-safe. */
void *mapping_cache_take(struct mapping_cache *cache, size_t size);

/* In the child of a fork: what another thread was about to change is forgotten. */
void mapping_cache_after_fork(struct mapping_cache *cache);

/* Takes a piece back: all pieces are of one size. errno is kept. Thread-safe. */
void mapping_cache_put(struct mapping_cache *cache, void *piece, size_t size);
