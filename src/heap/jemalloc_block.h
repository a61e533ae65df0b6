/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks of jemalloc's arenas.
 *
 * All calls bypass jemalloc's caches for threads, which do not distinguish kinds. Thread-safe.
 * Sizes are in bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Allocates a block from the arena. size is not 0; alignment is a power of two, or 0 for the usual
 * one; `zero`: the block reads as zero. NULL: the arena has no room, and errno is undefined.
 */
void *jemalloc_block_alloc(unsigned arena, size_t size, size_t alignment, bool zero);

/*
 * Stores up to `count` blocks of the size at blocks, and returns how many: fewer where the arena
 * has no room, and errno is undefined then.
 */
size_t jemalloc_block_alloc_many(unsigned arena, size_t size, void **blocks, size_t count);

/*
 * The same by new slabs, also where the arena has slabs with free blocks. `count` is a multiple of
 * the blocks in a slab. 0 where jemalloc cannot, or has no room.
 */
size_t jemalloc_block_alloc_slabs(unsigned arena, size_t size, void **blocks, size_t count);

/*
 * Resizes the block at ptr, or moves it to the arena. NULL: the block is unchanged; errno as above.
 */
void *jemalloc_block_realloc(unsigned arena, void *ptr, size_t size);

/* Frees the block, into the arena that it came from. */
void jemalloc_block_free(void *ptr);

/* Frees the blocks, whose usable size is `size`. */
void jemalloc_block_free_many(void *const *blocks, size_t count, size_t size);

/* Returns the usable size of the block. */
size_t jemalloc_block_size(const void *ptr);

/* Returns the usable size of the block for a request of `size` bytes; 0: no block is so large. */
size_t jemalloc_block_class_size(size_t size);
