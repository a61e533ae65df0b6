/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks of one heap on their way between threads: a stack for each size class, each with a lock.
 * A thread that allocates or frees does not wait for the lock: it goes to its arena instead.
 */
#pragma once

#include <stddef.h>

struct transfer_cache;
struct block_source;

/* NULL where there is no memory. */
struct transfer_cache *transfer_cache_create(void);

/* Does not flush the blocks. */
void transfer_cache_destroy(struct transfer_cache *transfer_cache);

/* In the child of a fork: forgets all blocks. */
void transfer_cache_after_fork(struct transfer_cache *transfer_cache);

/* Removes up to `wanted` blocks of the class; returns how many. */
size_t transfer_cache_remove(struct transfer_cache *transfer_cache, unsigned size_class,
                             void **blocks, size_t wanted);

/* Inserts the first ones of the blocks, up to `count`; returns how many. */
size_t transfer_cache_insert(struct transfer_cache *transfer_cache, unsigned size_class,
                             void *const *blocks, size_t count);

/* Flushes all blocks to the source. */
void transfer_cache_flush(struct transfer_cache *transfer_cache, struct block_source *source);

/* Flushes the classes that no thread has used since the last call. */
void transfer_cache_flush_unused(struct transfer_cache *transfer_cache,
                                 struct block_source *source);

/* Bytes in all stacks. Approximate while other threads use them. */
size_t transfer_cache_bytes(struct transfer_cache *transfer_cache);
