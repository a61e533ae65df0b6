/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations of kinds in anonymous memory that map, bind and advise. */
#pragma once

#include "memkind/internal/memkind_private.h"

/*
 * Whether the kind cannot work where the kernel does not bind memory: the kind is bound to nodes,
 * and memory could come from other nodes. False for kinds that prefer nodes or interleave, and for
 * kinds of the nodes that have processors, which the kernel prefers anyway.
 */
bool placement_needs_binding(struct memkind *kind);
