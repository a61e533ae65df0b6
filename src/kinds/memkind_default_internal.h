/* SPDX-License-Identifier: BSD-2-Clause */
/* Pieces of memkind_default.c for other kinds that memkind_default(3) does not name. */
#pragma once

#include "memkind/internal/memkind_private.h"

/* Whether a request of this size from the kind is answered with NULL without being an error. */
static inline bool memkind_default_refuses(const struct memkind *kind, size_t size)
{
    return size == 0 && !(kind != NULL && kind->allow_zero_allocs);
}
