/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The heaps of the library's kinds in the memory of certain NUMA nodes.
 *
 *    kind      the program names it; it has no heap
 *    part      an internal kind with a heap, bound to a set of nodes; created when a thread first
 *              needs it, and never destroyed
 *
 * A kind has a part for each set of nodes that it chooses. So a block lies on the nodes for the
 * thread that requested the block, whatever other threads do. For a local choice, the processor of
 * the thread selects the part: a thread that moves to another node allocates from another part. A
 * freed block goes back to its own part.
 *
 * Without nodes, an allocation fails after a few instructions, and the library scans for nodes once
 * a second. All kinds together can have KIND_REGISTRY_PARTS parts. Where none is left, the kind
 * gets a heap itself, which binds memory when it maps it.
 */
#pragma once

#include "kinds/node_choice.h"
#include "memkind/internal/memkind_private.h"

/*
 * The part for the calling thread, or the kind itself where the program has created the kind or no
 * part is left. NULL where the kind has no nodes, or there is no memory for a heap. errno is kept.
 * Thread-safe.
 */
struct memkind *node_heaps_here(struct memkind *kind);

/* Calls visit() for each part of the kind, up to the first error. Returns the last status. */
int node_heaps_each(struct memkind *kind, int (*visit)(struct memkind *part, void *arg), void *arg);

/* Sets the policy of parts that are created later. */
void node_heaps_set_policy(struct memkind *kind, memkind_mem_usage_policy policy);

/* Around fork(2), in the thread that forks: no part is created meanwhile. */
void node_heaps_before_fork(void);
void node_heaps_after_fork(void);
