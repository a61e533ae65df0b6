/* SPDX-License-Identifier: BSD-2-Clause */
/* What kinds with memory of their own share with those of memkind_arena(3). */
#pragma once

#include "memkind/internal/memkind_arena.h"

struct space;

/*
 * Gives the kind a heap over a space of its own, or over the program's hooks where the space is
 * NULL. One over a range is to have one arena: memkind_arena_use_one().
 * Results as memkind_arena_create_map(); on failure nothing is left.
 */
int memkind_arena_attach(struct memkind *kind, struct space *space, extent_hooks_t *hooks);

/* Ends the kind's heap with all blocks; the space stays. */
void memkind_arena_detach(struct memkind *kind);

/* Lets the kind have no more arenas than max_size bytes can feed. Before the kind is used. */
void memkind_arena_limit(struct memkind *kind, size_t max_size);

/* Lets the kind have one arena. Before the kind is used. */
void memkind_arena_use_one(struct memkind *kind);

/*
 * Makes the heap of a kind of the library, or that of any kind in the child of a fork, as its first
 * use does. errno is kept. Thread-safe.
 */
void memkind_arena_ready(struct memkind *kind);

/* Gives back what the kind's heap holds and no block uses. errno is kept. Thread-safe. */
void memkind_arena_purge(struct memkind *kind);

/* Around fork(2), in this thread: kinds get no heaps meanwhile. */
void memkind_arena_before_fork(void);
void memkind_arena_after_fork(void);
