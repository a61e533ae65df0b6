/* SPDX-License-Identifier: BSD-2-Clause */
/* A request for a block, and the attempt to satisfy it from one arena. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "heap/extent_hooks.h"
#include "heap/jemalloc_block.h"

struct block_request {
    void *ptr; /* NULL: a new block; else this block in another size */
    size_t size;
    size_t alignment;
    bool zero;
};

/* A block of the arena, or NULL. This thread has attempted the request in another arena before. */
static inline void *block_request_repeat(const struct block_request *request, unsigned arena)
{
    if (request->ptr != NULL)
        return jemalloc_block_realloc(arena, request->ptr, request->size);
    return jemalloc_block_alloc(arena, request->size, request->alignment, request->zero);
}

/* The same, for the first attempt. */
static inline void *block_request_attempt(const struct block_request *request, unsigned arena)
{
    extent_hooks_begin(request->size, request->alignment);
    return block_request_repeat(request, arena);
}
