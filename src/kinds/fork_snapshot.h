/* SPDX-License-Identifier: BSD-2-Clause */
/* Kinds of which the child of a fork gets a copy; see space/snapshot.h. */
#pragma once

#include <stdbool.h>

#include "memkind/internal/memkind_private.h"

/*
 * Whether copies are made: not where there was no memory for the handlers when the library was
 * loaded, since later ones would run while others use jemalloc.
 */
bool fork_snapshot_is_possible(void);

/* In the child, when all locks are free again: makes the copies the child's own heaps. */
void fork_snapshot_adopt(void);

/* What became of the kind's copy at the last fork(2). */
memkind_snapshot fork_snapshot_of(const struct memkind *kind);
