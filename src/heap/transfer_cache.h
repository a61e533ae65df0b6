/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks of one heap on their way between threads: a stack for each size class, with a lock that
 * is held while addresses are copied. A thread that does not get the lock soon uses its arena.
 *
 * A stack has a limited capacity at first. If threads insert more blocks than that and soon
 * afterwards find too few, the capacity doubles, up to TRANSFER_CACHE_GROWTH times the first one.
 */
#pragma once

#include <stddef.h>

/* The first capacity of a class's stack: so many blocks, or so many bytes in blocks if fewer. */
#define TRANSFER_CACHE_BLOCKS ((size_t)512)
#define TRANSFER_CACHE_BYTES  ((size_t)128 << 10)
#define TRANSFER_CACHE_GROWTH 64

struct transfer_cache;
struct block_source;

/* NULL where there is no memory. */
struct transfer_cache *transfer_cache_create(void);

/* The blocks in the cache stay as they are. */
void transfer_cache_destroy(struct transfer_cache *transfer_cache);

/* In the child of a fork: forgets all blocks. */
void transfer_cache_after_fork(struct transfer_cache *transfer_cache);

/* Takes up to `wanted` blocks of the class; returns how many. */
size_t transfer_cache_remove(struct transfer_cache *transfer_cache, unsigned size_class,
                             void **blocks, size_t wanted);

/* Inserts up to `count` of the blocks, the first ones; returns how many. errno is kept. */
size_t transfer_cache_insert(struct transfer_cache *transfer_cache, unsigned size_class,
                             void *const *blocks, size_t count);

/* Flushes all blocks to the source. Blocks that are inserted meanwhile may stay. */
void transfer_cache_flush(struct transfer_cache *transfer_cache, struct block_source *source);

/* Flushes what no thread has needed since the last call. */
void transfer_cache_flush_unused(struct transfer_cache *transfer_cache,
                                 struct block_source *source);

/* Bytes in the cache. Approximate while threads use the cache. */
size_t transfer_cache_bytes(struct transfer_cache *transfer_cache);
