/* SPDX-License-Identifier: BSD-2-Clause */
/* The allocators that are compared, and where they lie on this machine. */
#pragma once

#include <limits.h>
#include <stdbool.h>

/* Their order is that of the columns. */
enum allocator_index {
    ALLOCATOR_OURS,
    ALLOCATOR_PRELOAD, /* the same by malloc(3) */
    ALLOCATOR_MEMKIND,
    ALLOCATOR_GLIBC,
    ALLOCATOR_JEMALLOC,
    ALLOCATOR_MIMALLOC,
    ALLOCATOR_TCMALLOC,
    ALLOCATOR_COUNT
};

struct allocator {
    const char *name;
    const char *package;           /* the distribution's package that has it */
    const char *const *file_names; /* of its library, the wanted one first, NULL behind the last */
    const char *colour;            /* of its bars */
    bool kind;                     /* used through a PMEM kind, not through malloc(3) */
    bool found;
    char path[PATH_MAX]; /* of its library, if found */
};

extern struct allocator allocator_table[ALLOCATOR_COUNT];

/* Looks for all of them. ours, preload, peer: paths given by the user; peer may be NULL. Says on
 * stderr which ones are missing. */
void allocator_find(const char *ours, const char *preload, const char *peer);
