/* SPDX-License-Identifier: BSD-2-Clause */
/* Pieces of memkind_default.c for other kinds that memkind_default(3) does not name. */
#pragma once

#include <errno.h>

#include "memkind/internal/memkind_default.h"

/* Whether a request of this size from the kind is answered with NULL without being an error. */
static inline bool memkind_default_refuses(const struct memkind *kind, size_t size)
{
    return size == 0 && !(kind != NULL && kind->allow_zero_allocs);
}

/* A block of at least a byte; alignment is a power of two. NULL where there is none. */
typedef void *memkind_default_aligned_alloc(struct memkind *kind, size_t size, size_t alignment);

/* posix_memalign(3) of a kind: checks the arguments, calls `alloc`, keeps errno. */
static inline int memkind_default_align(struct memkind *kind, void **memptr, size_t alignment,
                                        size_t size, memkind_default_aligned_alloc *alloc)
{
    int saved_errno = errno;
    int err = memkind_posix_check_alignment(kind, alignment);
    void *block = NULL;

    if (err != 0)
        return err;
    if (!memkind_default_refuses(kind, size)) {
        block = alloc(kind, size, alignment);
        errno = saved_errno;
        if (block == NULL)
            return ENOMEM;
    }
    *memptr = block;
    return 0;
}
