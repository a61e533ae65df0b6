/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The use of slabs. For blocks that are of none of the kinds, all numbers are 0, as jemalloc's for
 * memory that is not its own: programs do not move these.
 */
#include "preload/utilization.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "memkind/internal/memkind_arena.h"
#include "preload/preload.h"

/* From redis's own copy of jemalloc: returns 1 if moving the block reduces memory, otherwise 0. */
EXPORT int je_get_defrag_hint(void *ptr);

static struct memkind_arena_slab slab_of(const void *ptr)
{
    struct memkind_arena_slab slab = {0};
    unsigned char before = preload_self.state;

    preload_set_thread(PRELOAD_BUSY);
    memkind_t kind = memkind_detect_kind((void *)(uintptr_t)ptr);
    if (preload_has(kind))
        (void)memkind_arena_get_slab(kind, ptr, &slab);
    preload_set_thread(before);
    return slab;
}

int utilization_query(void *old, const size_t *old_size, const void *new, size_t new_size)
{
    struct memkind_arena_slab slab;
    const void *ptr;

    if (old == NULL || old_size == NULL || *old_size != sizeof(slab) || new == NULL ||
        new_size != sizeof(ptr))
        return EINVAL;
    memcpy(&ptr, new, sizeof(ptr));
    slab = slab_of(ptr);
    memcpy(old, &slab, sizeof(slab));
    return 0;
}

int utilization_batch_query(void *old, const size_t *old_size, const void *new, size_t new_size)
{
    enum { FREE, BLOCKS, SIZE, NUMBERS };
    const void *const *blocks = new;
    size_t count = new_size / sizeof(*blocks);
    size_t *numbers = old;

    if (old == NULL || old_size == NULL || new == NULL || count == 0 ||
        new_size % sizeof(*blocks) != 0 || *old_size != count * NUMBERS * sizeof(*numbers))
        return EINVAL;
    for (size_t i = 0; i < count; i++) {
        struct memkind_arena_slab slab = slab_of(blocks[i]);

        numbers[i * NUMBERS + FREE] = slab.free;
        numbers[i * NUMBERS + BLOCKS] = slab.blocks;
        numbers[i * NUMBERS + SIZE] = slab.size;
    }
    return 0;
}

int je_get_defrag_hint(void *ptr)
{
    __typeof__(je_get_defrag_hint) *next = PRELOAD_NEXT(je_get_defrag_hint);

    if (next != NULL)
        return next(ptr);
    struct memkind_arena_slab slab = slab_of(ptr);
    if (slab.being_filled == NULL || slab.blocks <= 1 ||
        (size_t)((char *)ptr - (char *)slab.being_filled) < slab.size)
        return 0;
    /* Emptier than the average slab of this size. */
    return slab.free * slab.all_blocks > slab.all_free * slab.blocks;
}
