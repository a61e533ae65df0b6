/* SPDX-License-Identifier: BSD-2-Clause */
/* The hooks for jemalloc's metadata. */
#include "heap/metadata_hooks.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "os/mapping_cache.h"
#include "os/vm.h"
#include "util/align.h"

/*
 * How much of its first block an arena writes to when it is created, in whole pages of each kernel
 * that jemalloc works on.
 */
#if MEMKIND_JEMALLOC_LG_PAGE > 12
#    define ARENA_SIZE ((size_t)128 << 10)
#else
#    define ARENA_SIZE ((size_t)84 << 10)
#endif

/* First blocks of destroyed arenas; all bytes are zero. */
static struct mapping_cache spare_blocks = MAPPING_CACHE_INITIALIZER;

/*
 * Without transparent huge pages, of which the first write to a block would take 2 MiB where the
 * arena uses 84 KiB. A kernel without huge pages rejects the advice, and does not need it.
 */
static char *map_for_metadata(size_t size, size_t alignment)
{
    char *mapped = vm_alloc_aligned(size, alignment);

    if (mapped != NULL && size >= METADATA_HOOKS_BLOCK)
        (void)vm_use_small_pages(mapped, size);
    return mapped;
}

static char *new_block(void)
{
    char *block = mapping_cache_find(&spare_blocks);

    if (block == NULL) {
        block = map_for_metadata(METADATA_HOOKS_BLOCK, METADATA_HOOKS_BLOCK);
        /* One call is cheaper than a page fault for each page. */
        if (block != NULL)
            (void)vm_populate(block, ARENA_SIZE);
    }
    return block;
}

static void *alloc_hook(extent_hooks_t *table, void *new_addr, size_t size, size_t alignment,
                        bool *zero, bool *commit, unsigned arena)
{
    int saved_errno = errno;
    char *mapped = NULL;

    (void)table;
    (void)arena;
    if (new_addr == NULL)
        mapped = size == METADATA_HOOKS_BLOCK && alignment == METADATA_HOOKS_BLOCK
                     ? new_block()
                     : map_for_metadata(size, alignment);
    if (mapped != NULL) {
        *zero = true;
        *commit = true;
    }
    errno = saved_errno;
    return mapped;
}

static bool dalloc_hook(extent_hooks_t *table, void *addr, size_t size, bool committed,
                        unsigned arena)
{
    (void)table;
    (void)committed;
    (void)arena;
    if (size != METADATA_HOOKS_BLOCK || !is_aligned_ptr(addr, METADATA_HOOKS_BLOCK) ||
        vm_discard((char *)addr + ARENA_SIZE, METADATA_HOOKS_BLOCK - ARENA_SIZE) != 0)
        return vm_unmap(addr, size) != 0;
    memset(addr, 0, ARENA_SIZE);
    mapping_cache_put(&spare_blocks, addr, size);
    return false;
}

extent_hooks_t metadata_hooks = {
    .alloc = alloc_hook,
    .dalloc = dalloc_hook,
};

void metadata_hooks_after_fork(void)
{
    mapping_cache_after_fork(&spare_blocks);
}
