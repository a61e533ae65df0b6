/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations of the default heap that memkind_default(3) does not name. */
#pragma once

#include "memkind/internal/memkind_private.h"

/* Whether a request of this size from the kind is answered with NULL without being an error. */
static inline bool memkind_default_refuses(const struct memkind *kind, size_t size)
{
    return size == 0 && !(kind != NULL && kind->allow_zero_allocs);
}

int memkind_default_get_stat(memkind_t kind, memkind_stat_type stat, size_t *value);
void *memkind_default_defrag_reallocate(struct memkind *kind, void *ptr);
