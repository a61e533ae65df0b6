/* SPDX-License-Identifier: BSD-2-Clause */
/* Pieces of memkind_default.c for other kinds that memkind_default(3) does not name. */
#pragma once

#include "memkind/internal/memkind_private.h"

/* Whether a request of this size from the kind is answered with NULL without being an error. */
static inline bool memkind_default_refuses(const struct memkind *kind, size_t size)
{
    return size == 0 && !(kind != NULL && kind->allow_zero_allocs);
}

/*
 * Whether the kind is not itself where its memory cannot be bound: it is bound to nodes, and there
 * are others that memory could come from. Kinds that prefer nodes or spread over them are not in
 * need; nor are those of the nodes that have processors, since the kernel takes these first by
 * itself.
 */
bool memkind_default_needs_binding(struct memkind *kind);
