/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kinds of the parent in the child of a fork.
 *
 * A kind in private memory: the kernel has copied the memory, and the child goes on using the heap.
 *
 * A kind whose store parent and child share: the blocks stay the ancestor's. The child can read and
 * write the blocks, but a free of one has no effect. When the child first allocates from the kind,
 * the kind gets a new heap over a store of the child's own. The new heap keeps the inherited heap,
 * by which the library recognizes the ancestor's blocks. A grandchild may have two inherited heaps,
 * and so on.
 */
#pragma once

#include "kinds/arena_kind.h"
#include "util/fork_generation.h"

/*
 * Returns the heap that the kind is to have instead of its inherited heap: the same, adopted, or a
 * new heap, which the caller publishes. NULL on failure; then nothing has changed. The caller holds
 * the lock of arena_kind.c.
 */
struct heap *inherit_take_over(struct memkind *kind);

/* Whether the block at ptr, of the kind, belongs to an ancestor, which shares the memory. */
bool inherit_finds(struct memkind *kind, const void *ptr);

/* The same, with one comparison in a process that is no child. */
static inline bool inherit_has(struct memkind *kind, const void *ptr)
{
    return __builtin_expect(fork_generation != 0, 0) && inherit_finds(kind, ptr);
}

/* Destroys an inherited heap and all older ones; NULL is allowed. Their files stay unchanged. */
void inherit_end(struct arena_kind *arena_kind);
