/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the memory of kinds in anonymous memory comes from. */
#pragma once

#include "memkind/internal/memkind_private.h"

/*
 * Whether the kind is useless on a system where memory cannot be bound to nodes: the kind is bound
 * to nodes, and memory could come from others. Kinds that prefer nodes or interleave over them are
 * not; nor are kinds of the nodes that have processors, which the kernel takes first by itself.
 */
bool placement_needs_binding(struct memkind *kind);
