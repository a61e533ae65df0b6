/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Refills of the caches from a heap's arenas.
 *
 * jemalloc hands out all blocks of a new slab at less than a tenth of the cost of single blocks. A
 * call for whole slabs does not use the free blocks of slabs that are partly used. So a refill
 * takes whole slabs only where the last refill of the class in the same slot of the heap's arena
 * set has found, or left, no free block in a partly used slab. What other threads free between two
 * refills is found by the second one.
 */
#pragma once

#include <stddef.h>

struct heap;

/*
 * Stores about `wanted` blocks of the class at blocks, at least 1 and at most `room`, and returns
 * how many; 0 where there is no space. The rest of the array is undefined. Thread-safe.
 */
size_t slab_refill(struct heap *heap, unsigned size_class, void **blocks, size_t wanted,
                   size_t room);

/* The same without a search for room; may be 0 though there is space. */
size_t slab_refill_easily(struct heap *heap, unsigned size_class, void **blocks, size_t wanted);
