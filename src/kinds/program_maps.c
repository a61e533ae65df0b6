/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that a kind's own mmap operation maps, as the extents of its arenas. */
#include "kinds/program_maps.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "memkind/internal/memkind_default.h"
#include "memkind/internal/memkind_fixed.h"
#include "memkind/internal/memkind_pmem.h"
#include "os/vm.h"
#include "store/anonymous_store.h"
#include "util/align.h"

bool program_maps_are_wanted(const struct memkind *kind)
{
    void *(*map)(struct memkind *, void *, size_t) = kind->ops->mmap;

    return map != NULL && map != memkind_default_mmap && map != memkind_pmem_mmap &&
           map != memkind_fixed_mmap;
}

static char *map(struct memkind *kind, size_t size)
{
    void *mapped = kind->ops->mmap(kind, NULL, size);

    return mapped != MAP_FAILED ? mapped : NULL;
}

/* Leaves of `mapped` bytes at `start` those of [addr, addr + size). */
static void trim(char *start, size_t mapped, char *addr, size_t size)
{
    size_t before = (size_t)(addr - start);
    size_t after = mapped - before - size;

    if (before != 0)
        (void)vm_unmap(start, before);
    if (after != 0)
        (void)vm_unmap(addr + size, after);
}

static char *map_aligned(struct memkind *kind, size_t size, size_t alignment)
{
    char *mapped = map(kind, size);

    if (mapped == NULL || is_aligned_ptr(mapped, alignment))
        return mapped;
    (void)vm_unmap(mapped, size);
    if (size > SIZE_MAX - alignment)
        return NULL;
    mapped = map(kind, size + alignment);
    if (mapped == NULL)
        return NULL;
    char *addr = align_ptr_up(mapped, alignment);
    trim(mapped, size + alignment, addr, size);
    return addr;
}

/* -- Hooks ------------------------------------------------------------------------------------- */

static void *alloc_hook(extent_hooks_t *table, void *new_addr, size_t size, size_t alignment,
                        bool *zero, bool *commit, unsigned arena)
{
    struct program_maps *maps =
        (struct program_maps *)((char *)table - offsetof(struct program_maps, table));

    (void)arena;
    if (new_addr != NULL)
        return NULL;
    char *addr = map_aligned(maps->kind, size, alignment);
    if (addr == NULL)
        return NULL;
    if (anonymous_store_bind(maps->kind, addr, size) != 0) {
        (void)vm_unmap(addr, size);
        return NULL;
    }
    if (*zero)
        memset(addr, 0, size);
    *commit = true;
    return addr;
}

static bool dalloc_hook(extent_hooks_t *table, void *addr, size_t size, bool committed,
                        unsigned arena)
{
    (void)table;
    (void)committed;
    (void)arena;
    return vm_unmap(addr, size) != 0;
}

static void destroy_hook(extent_hooks_t *table, void *addr, size_t size, bool committed,
                         unsigned arena)
{
    (void)dalloc_hook(table, addr, size, committed, arena);
}

void program_maps_init(struct program_maps *maps, struct memkind *kind)
{
    maps->table = (extent_hooks_t){
        .alloc = alloc_hook,
        .dalloc = dalloc_hook,
        .destroy = destroy_hook,
        .split = extent_hooks_split,
        .merge = extent_hooks_merge,
    };
    maps->kind = kind;
}
