/* SPDX-License-Identifier: BSD-2-Clause */
/* The allocators that are compared, and the paths of their libraries on this machine. */
#pragma once

#include <limits.h>
#include <stdbool.h>

/* In the order of the columns. */
enum allocator_index {
    ALLOCATOR_OURS,
    ALLOCATOR_PRELOAD, /* this library's kind through malloc(3) */
    ALLOCATOR_MEMKIND,
    ALLOCATOR_GLIBC,
    ALLOCATOR_JEMALLOC,
    ALLOCATOR_MIMALLOC,
    ALLOCATOR_TCMALLOC,
    ALLOCATOR_COUNT
};

struct allocator {
    const char *name;
    const char *package;           /* the distribution's package of the library */
    const char *const *file_names; /* of the library, by preference, terminated by NULL */
    const char *colour;            /* of the bars */
    bool kind;                     /* used through a PMEM kind, not through malloc(3) */
    bool found;
    char path[PATH_MAX]; /* of the library, if found */
};

extern struct allocator allocator_table[ALLOCATOR_COUNT];

/*
 * Searches for all of them. ours, preload, peer: paths given by the user; peer may be NULL. Prints
 * to stderr which ones are missing.
 */
void allocator_find(const char *ours, const char *preload, const char *peer);
