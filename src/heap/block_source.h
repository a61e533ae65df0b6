/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where caches get blocks from and return them to: for a heap, its arenas.
 *
 * The caches are given a source when they are created, and know nothing else of the heap. All
 * operations are thread-safe.
 */
#pragma once

#include <stddef.h>

struct block_source {
    /*
     * Stores blocks of the class at blocks and returns how many; 0 only where there is no space.
     * There may be fewer than `wanted`, or, where these come cheaply together, more, but at most
     * `room`. The rest of the array is undefined. The caller holds no lock of a cache: the source
     * may empty all caches.
     */
    size_t (*refill)(struct block_source *source, unsigned size_class, void **blocks, size_t wanted,
                     size_t room);

    /*
     * Up to `wanted` blocks, without a search for room, and without a lock of the heap; may be 0
     * though there is space.
     */
    size_t (*refill_easily)(struct block_source *source, unsigned size_class, void **blocks,
                            size_t wanted);

    /* Takes `count` blocks of one class back. */
    void (*flush)(struct block_source *source, void *const *blocks, size_t count);

    /* The caller has flushed `bytes` in all and holds no lock of the library. */
    void (*released)(struct block_source *source, size_t bytes);

    /* Time has passed, while the caches served all requests: unused pages may be due. */
    void (*age)(struct block_source *source);
};
