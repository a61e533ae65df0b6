/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations of the default heap that memkind_default(3) does not name. */
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

int memkind_default_get_stat(memkind_t kind, memkind_stat_type stat, size_t *value);
void *memkind_default_defrag_reallocate(struct memkind *kind, void *ptr);
