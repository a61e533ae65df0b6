/* SPDX-License-Identifier: BSD-2-Clause */
/* The hooks of the one arena over a range. */
#include "heap/range_hooks.h"

#include <stddef.h>
#include <string.h>

#include "heap/extent_hooks.h"
#include "space/range.h"

static struct range *range_of(extent_hooks_t *table)
{
    return ((struct range_hooks *)((char *)table - offsetof(struct range_hooks, table)))->range;
}

/*
 * jemalloc calls with *commit false to grow ahead of need, and with *commit true for exactly the
 * size that is needed. With *zero true, the hook sets the memory to zero.
 */
static void *alloc_hook(extent_hooks_t *table, void *new_addr, size_t size, size_t alignment,
                        bool *zero, bool *commit, unsigned arena)
{
    (void)arena;
    if (new_addr != NULL || !*commit)
        return NULL;
    void *addr = range_alloc(range_of(table), size, alignment);
    if (addr != NULL && *zero)
        memset(addr, 0, size);
    return addr;
}

static bool dalloc_hook(extent_hooks_t *table, void *addr, size_t size, bool committed,
                        unsigned arena)
{
    (void)committed;
    (void)arena;
    range_free(range_of(table), addr, size);
    return false;
}

void range_hooks_init(struct range_hooks *hooks, struct range *range)
{
    hooks->table = (extent_hooks_t){
        .alloc = alloc_hook,
        .dalloc = dalloc_hook,
        .split = extent_hooks_split,
        .merge = extent_hooks_merge,
    };
    hooks->range = range;
}
