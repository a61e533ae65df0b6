/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Definitions of another allocator's functions, for programs that are linked with it. Each calls
 * the next library's function of that name, or uses the process's malloc(3).
 *
 * A macro gets the parameters and the arguments in parentheses, and this library's expression for
 * the call.
 */
#pragma once

#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "preload/preload.h"

static inline bool forward_is_in_kind(const void *ptr)
{
    return memkind_detect_kind((void *)(uintptr_t)ptr) != NULL;
}

static inline size_t forward_usable_size(const void *ptr)
{
    return malloc_usable_size((void *)(uintptr_t)ptr);
}

#define FORWARD_DEFINE(type, name, parameters, arguments, function, ours) \
    EXPORT type name parameters;                                          \
                                                                          \
    type name parameters                                                  \
    {                                                                     \
        __typeof__(name) *next = function;                                \
                                                                          \
        return next != NULL ? next arguments : (ours);                    \
    }

/* Forwards the call if the program keeps the allocator: for functions that return new blocks. */
#define FORWARD_ALLOCATION(type, name, parameters, arguments, ours) \
    FORWARD_DEFINE(type, name, parameters, arguments, PRELOAD_NEXT(name), ours)

/* The next library's function; NULL: the block `ptr` is in a kind. */
#define FORWARD_BLOCK(name) (forward_is_in_kind(ptr) ? NULL : PRELOAD_BEHIND(name))

/* Forwards the call if the block, a parameter called ptr, is in no kind. */
#define FORWARD_QUERY(type, name, parameters, arguments, ours) \
    FORWARD_DEFINE(type, name, parameters, arguments, FORWARD_BLOCK(name), ours)

/* The same for a function that frees the block. */
#define FORWARD_FREE(name, parameters, arguments)     \
    EXPORT void name parameters;                      \
                                                      \
    void name parameters                              \
    {                                                 \
        __typeof__(name) *next = FORWARD_BLOCK(name); \
                                                      \
        if (next != NULL)                             \
            next arguments;                           \
        else                                          \
            free(ptr);                                \
    }
