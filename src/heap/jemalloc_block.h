/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks of jemalloc's arenas.
 *
 * All calls go to the arena itself, past jemalloc's caches for threads, which know nothing of
 * kinds. Thread-safe.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * A block of the arena. size is not 0; alignment is a power of two, or 0. NULL where there is none;
 * errno is undefined then.
 */
void *jemalloc_block_alloc(unsigned arena, size_t size, size_t alignment, bool zero);

/* The block at ptr, in the arena, in another size; NULL, and ptr as it was. errno as above. */
void *jemalloc_block_realloc(unsigned arena, void *ptr, size_t size);

/* Returns the block to the arena that it is of. */
void jemalloc_block_free(void *ptr);

/* The usable size of the block. */
size_t jemalloc_block_size(const void *ptr);

/* The usable size that a request of `size` bytes would get; 0 for one that cannot be served. */
size_t jemalloc_block_class_size(size_t size);
