/* SPDX-License-Identifier: BSD-2-Clause */
/* Kinds of which the child of a fork gets a copy; see space/snapshot.h. */
#pragma once

#include "memkind/internal/memkind_private.h"

/*
 * Around fork(2), in the thread that forks, while no other thread is inside jemalloc: makes the
 * copies, and in the child puts each in the place of its kind's file.
 */
void fork_snapshot_before(void);
void fork_snapshot_in_parent(void);
void fork_snapshot_in_child(void);

/*
 * The same where the process has one thread. In the child, the function for it may be called later,
 * before anything is allocated from the kinds, unless there are copies; the heaps are then adopted.
 */
void fork_snapshot_before_alone(void);
void fork_snapshot_in_alone_parent(void);
void fork_snapshot_in_alone_child(void);

/* Whether the fork has copied a kind, or failed to: then the child cannot use what is mapped. */
bool fork_snapshot_has_copies(void);

/* In the child, when fork.c holds no lock any longer: lets the kinds allocate from the copies. */
void fork_snapshot_adopt(void);

/* As memkind_get_snapshot(). */
memkind_snapshot fork_snapshot_of(const struct memkind *kind);
