/* SPDX-License-Identifier: BSD-2-Clause */
/* What jemalloc calls for memory. */
#include "heap/extent_hooks.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include "space/space.h"

static struct extent_hooks *hooks_of(extent_hooks_t *table)
{
    return (struct extent_hooks *)((char *)table - offsetof(struct extent_hooks, table));
}

/*
 * jemalloc first asks for a region that it will commit in parts (*commit is false), larger than it
 * needs. When that fails, for whatever reason, it asks for exactly what it needs, committed. The
 * second is worth trying only where the first failed for want of addresses.
 */
static void *alloc_hook(extent_hooks_t *table, void *new_addr, size_t size, size_t alignment,
                        bool *zero, bool *commit, unsigned arena)
{
    struct extent_hooks *hooks = hooks_of(table);
    int saved_errno = errno;
    void *addr = NULL;

    (void)arena;
    if (new_addr != NULL)
        return NULL;
    if (*commit && !atomic_load_explicit(&hooks->address_space_short, memory_order_relaxed))
        return NULL;
    if (space_reserve(hooks->space, size, alignment, &addr) != 0)
        atomic_store_explicit(&hooks->address_space_short, true, memory_order_relaxed);
    else if (*commit && space_commit(hooks->space, addr, size) != 0) {
        space_return(hooks->space, addr);
        addr = NULL;
    }
    if (addr != NULL)
        *zero = true;
    errno = saved_errno;
    return addr;
}

static bool commit_hook(extent_hooks_t *table, void *addr, size_t size, size_t offset,
                        size_t length, unsigned arena)
{
    int saved_errno = errno;
    int err = space_commit(hooks_of(table)->space, (char *)addr + offset, length);

    (void)size;
    (void)arena;
    errno = saved_errno;
    return err != 0;
}

static bool decommit_hook(extent_hooks_t *table, void *addr, size_t size, size_t offset,
                          size_t length, unsigned arena)
{
    struct extent_hooks *hooks = hooks_of(table);
    int saved_errno = errno;

    (void)size;
    (void)arena;
    if (hooks->hold)
        return true;
    int err = space_decommit(hooks->space, (char *)addr + offset, length);
    errno = saved_errno;
    return err != 0;
}

static bool split_hook(extent_hooks_t *table, void *addr, size_t size, size_t size_a, size_t size_b,
                       bool committed, unsigned arena)
{
    (void)table;
    (void)addr;
    (void)size;
    (void)size_a;
    (void)size_b;
    (void)committed;
    (void)arena;
    return false;
}

static bool merge_hook(extent_hooks_t *table, void *addr_a, size_t size_a, void *addr_b,
                       size_t size_b, bool committed, unsigned arena)
{
    (void)addr_a;
    (void)size_a;
    (void)size_b;
    (void)committed;
    (void)arena;
    return space_is_region_start(hooks_of(table)->space, addr_b);
}

void extent_hooks_init(struct extent_hooks *hooks, struct space *space, bool hold)
{
    /* Without a dalloc hook, jemalloc does not even try, which spares it two passes over its map.
     */
    hooks->table = (extent_hooks_t){
        .alloc = alloc_hook,
        .commit = commit_hook,
        .decommit = decommit_hook,
        .split = split_hook,
        .merge = merge_hook,
    };
    hooks->space = space;
    hooks->hold = hold;
    atomic_init(&hooks->address_space_short, false);
}

/* -- Metadata ---------------------------------------------------------------------------------- */

static void *metadata_alloc_hook(extent_hooks_t *table, void *new_addr, size_t size,
                                 size_t alignment, bool *zero, bool *commit, unsigned arena)
{
    int saved_errno = errno;
    size_t length = size + alignment;

    (void)table;
    (void)arena;
    if (new_addr != NULL || length < size)
        return NULL;
    char *mapped = mmap(NULL, length, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) {
        errno = saved_errno;
        return NULL;
    }
    size_t head = -(uintptr_t)mapped & (alignment - 1);
    if (head != 0)
        munmap(mapped, head);
    munmap(mapped + head + size, alignment - head);
    *zero = true;
    *commit = true;
    return mapped + head;
}

static bool metadata_dalloc_hook(extent_hooks_t *table, void *addr, size_t size, bool committed,
                                 unsigned arena)
{
    (void)table;
    (void)committed;
    (void)arena;
    return munmap(addr, size) != 0;
}

extent_hooks_t extent_hooks_metadata = {
    .alloc = metadata_alloc_hook,
    .dalloc = metadata_dalloc_hook,
};
