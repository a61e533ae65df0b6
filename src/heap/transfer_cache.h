/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks of one heap on their way between threads: a stack for each size class, each with a lock
 * that nobody waits for. A thread that finds it taken goes to its arena instead.
 */
#pragma once

#include <stddef.h>

struct transfer_cache;
struct block_source;

/* NULL where there is no memory. */
struct transfer_cache *transfer_cache_create(void);

/* The blocks in it are left alone. */
void transfer_cache_destroy(struct transfer_cache *transfer_cache);

/* In the child of a fork: forgets all blocks. */
void transfer_cache_after_fork(struct transfer_cache *transfer_cache);

/* Takes up to `wanted` blocks of the class; returns how many. */
size_t transfer_cache_remove(struct transfer_cache *transfer_cache, unsigned size_class,
                             void **blocks, size_t wanted);

/* Puts in up to `count` of the blocks, the first ones; returns how many. */
size_t transfer_cache_insert(struct transfer_cache *transfer_cache, unsigned size_class,
                             void *const *blocks, size_t count);

/* Gives all blocks to the heap's arenas. */
void transfer_cache_flush(struct transfer_cache *transfer_cache, struct block_source *source);

/* The same with those of classes that nobody has given or taken since the last time. */
void transfer_cache_flush_unused(struct transfer_cache *transfer_cache,
                                 struct block_source *source);

/* Bytes in it at about this time. */
size_t transfer_cache_bytes(struct transfer_cache *transfer_cache);
