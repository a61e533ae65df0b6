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

/* In the child, when all locks are free again: makes the copies the child's own heaps. */
void fork_snapshot_adopt(void);

/* What became of the kind's copy at the last fork(2). */
memkind_snapshot fork_snapshot_of(const struct memkind *kind);
