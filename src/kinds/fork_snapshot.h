/* SPDX-License-Identifier: BSD-2-Clause */
/* Kinds of which the child of a fork gets a copy; see space/snapshot.h. */
#pragma once

#include "memkind/internal/memkind_private.h"

/*
 * Around fork(2), in the thread that forks, while no other thread is inside jemalloc: freeze or
 * copy the kinds, and in the child replace each kind's file by its copy.
 */
void fork_snapshot_before(void);
void fork_snapshot_in_parent(void);
void fork_snapshot_in_child(void);

/*
 * The same in a process with one thread. The function for the child may be put off until the first
 * allocation from one of the kinds, unless fork_snapshot_has_copies(). It adopts the heaps.
 */
void fork_snapshot_before_alone(void);
void fork_snapshot_in_alone_parent(void);
void fork_snapshot_in_alone_child(void);

/*
 * Returns whether the fork has copied a kind, or failed to copy one: then the child must map its
 * kinds anew at once.
 */
bool fork_snapshot_has_copies(void);

/* In the child, after fork.c has released its locks: makes the heaps ready to use the copies. */
void fork_snapshot_adopt(void);

/* As memkind_get_snapshot(). */
memkind_snapshot fork_snapshot_of(const struct memkind *kind);
