/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The heaps of the library's kinds in the memory of certain NUMA nodes: one for each set of nodes
 * that the kind takes, so that a block lies where its kind says for the thread that asked, whatever
 * other threads map. For a kind whose choice is local, the processor that the thread runs on says
 * which heap it is; a thread that moves goes to another heap, and what it frees goes back to where
 * it came from.
 *
 *    kind           what the program names; has no heap
 *      part         a kind of its own inside the library, with a heap, bound to a set of nodes;
 *                   made when a thread first needs it, and never ended
 *
 * A kind without nodes says so in a few instructions, and looks for nodes again once a second.
 * Where there are no numbers left for parts (256, of all kinds together), the kind gets a heap that
 * takes its nodes when it maps memory.
 */
#pragma once

#include "kinds/node_choice.h"
#include "memkind/internal/memkind_private.h"

/*
 * The part of the kind for the calling thread, or the kind itself, where it is one that the program
 * has made. NULL where there are no nodes, or no memory for a heap; errno is kept. Thread-safe.
 */
struct memkind *node_heaps_here(struct memkind *kind);

/*
 * Calls visit() for each part that the kind has, until one call returns a status that is no
 * success.
 */
int node_heaps_each(struct memkind *kind, int (*visit)(struct memkind *part, void *arg), void *arg);

/* Notes the policy for parts to come. */
void node_heaps_set_policy(struct memkind *kind, memkind_mem_usage_policy policy);

/* Around fork(2), in this thread: no part is made meanwhile. */
void node_heaps_before_fork(void);
void node_heaps_after_fork(void);
