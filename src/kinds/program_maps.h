/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that a kind's own mmap operation maps, as the extents of its arenas. */
#pragma once

#include <stdbool.h>

#include "heap/extent_hooks.h"
#include "memkind/internal/memkind_private.h"

struct program_maps {
    extent_hooks_t table; /* for the kind's arenas, which *maps outlives */
    struct memkind *kind;
};

/* Whether the mmap operation of the kind is none of the library's. */
bool program_maps_are_wanted(const struct memkind *kind);

/*
 * The hooks map memory by the kind's mmap operation, apply its madvise and mbind operations, and
 * unmap by munmap(2). The operation may be called by several threads at a time, with a hint of NULL
 * and a size of whole pages. The contents of what it maps do not matter.
 */
void program_maps_init(struct program_maps *maps, struct memkind *kind);
