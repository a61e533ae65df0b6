/* SPDX-License-Identifier: BSD-2-Clause */
/* Parts of memkind_default.c for other kinds, beside those of memkind_default(3). */
#pragma once

#include <errno.h>

#include "memkind/internal/memkind_default.h"

/* Whether the kind returns NULL for a request of this size, without an error. */
static inline bool memkind_default_refuses(const struct memkind *kind, size_t size)
{
    return size == 0 && !(kind != NULL && kind->allow_zero_allocs);
}

/*
 * Starts or stops jemalloc's background threads, as many as the environment allows. 0 or -errno.
 * Thread-safe.
 */
int memkind_default_set_background_threads(bool on);

/*
 * Returns a block of the kind, for size 0 the smallest; alignment is a power of two. NULL where
 * there is no memory.
 */
typedef void *memkind_default_aligned_alloc(struct memkind *kind, size_t size, size_t alignment);

/*
 * The operation posix_memalign: checks the arguments and calls `alloc`. errno is kept. On failure
 * *memptr is unchanged.
 */
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

/* The same, but on failure *memptr is NULL, as in memkind 1.14 for kinds other than the default. */
static inline int memkind_default_align_or_null(struct memkind *kind, void **memptr,
                                                size_t alignment, size_t size,
                                                memkind_default_aligned_alloc *alloc)
{
    *memptr = NULL;
    return memkind_default_align(kind, memptr, alignment, size, alloc);
}
