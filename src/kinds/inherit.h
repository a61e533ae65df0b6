/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the child of a fork has of its parent's kinds.
 *
 * A kind in private memory: the kernel has copied the memory, and the child goes on with the heap.
 *
 * A kind whose store parent and child share: its blocks stay the ancestor's. The child can read and
 * write them, but not free them. When the child first allocates from the kind, the kind gets a heap
 * over a store of the child's own; the heap that it had stays behind, so that its blocks are known.
 * A grandchild has two such heaps, and so on.
 */
#pragma once

#include "kinds/arena_kind.h"
#include "util/fork_generation.h"

/*
 * Makes the kind's heap, which is inherited, this process's own, or makes the kind another one: the
 * heap that the kind is to have. NULL where there is none; then nothing has changed. The caller
 * holds the lock of arena_kind.h.
 */
struct heap *inherit_take_over(struct memkind *kind);

/* Whether the kind has the block at ptr from an ancestor, in memory that is shared with it. */
bool inherit_finds(struct memkind *kind, const void *ptr);

/* The same, cheap in a process that is no child. ptr is a block of the kind. */
static inline bool inherit_has(struct memkind *kind, const void *ptr)
{
    return __builtin_expect(fork_generation != 0, 0) && inherit_finds(kind, ptr);
}

/* Ends a heap that stayed behind, and older ones. Their files are left as they are. */
void inherit_end(struct arena_kind *arena_kind);
