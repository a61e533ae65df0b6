/* SPDX-License-Identifier: BSD-2-Clause */
/* Kinds in private memory on nodes that the process chooses. */
#include "preload/private_kind.h"

#include <stdlib.h>
#include <string.h>

#include "memkind/internal/memkind_arena.h"
#include "memkind/internal/memkind_default.h"
#include "memkind/internal/memkind_private.h"

struct private_kind {
    struct memkind kind; /* first member: operations find the rest by it */
    struct private_kind_place place;
    struct memkind_ops ops;
};

static int get_mode(struct memkind *kind, int *mode)
{
    *mode = ((const struct private_kind *)kind)->place.mode;
    return MEMKIND_SUCCESS;
}

static int get_nodes(struct memkind *kind, unsigned long *nodes, unsigned long most)
{
    size_t size = most / PRIVATE_KIND_WORD_BITS * sizeof(*nodes);
    const struct private_kind_place *place = &((const struct private_kind *)kind)->place;

    if (size > sizeof(place->nodes))
        return MEMKIND_ERROR_INVALID;
    memcpy(nodes, place->nodes, size);
    return MEMKIND_SUCCESS;
}

static const struct memkind_ops operations = {
    .create = memkind_arena_create,
    .destroy = memkind_arena_destroy,
    .malloc = memkind_arena_malloc,
    .calloc = memkind_arena_calloc,
    .posix_memalign = memkind_arena_posix_memalign,
    .realloc = memkind_arena_realloc,
    .free = memkind_arena_free,
    .get_arena = memkind_thread_get_arena,
    .finalize = memkind_arena_destroy,
    .malloc_usable_size = memkind_default_malloc_usable_size,
    .update_memory_usage_policy = memkind_arena_update_memory_usage_policy,
    .get_stat = memkind_arena_get_stat,
    .defrag_reallocate = memkind_arena_defrag_reallocate,
};

static void bind(struct private_kind *made, const struct private_kind_place *place)
{
    made->place = *place;
    made->ops.mbind = memkind_default_mbind;
    made->ops.get_mbind_mode = get_mode;
    made->ops.get_mbind_nodemask = get_nodes;
    made->ops.madvise = place->small_pages ? memkind_nohugepage_madvise : NULL;
}

int private_kind_make(const char *name, const struct private_kind_place *place, memkind_t *kind)
{
    struct private_kind *made = calloc(1, sizeof(*made));

    if (made == NULL)
        return MEMKIND_ERROR_MALLOC;
    made->ops = operations;
    bind(made, place);
    int status = memkind_arena_create(&made->kind, &made->ops, name);
    if (status != MEMKIND_SUCCESS) {
        free(made);
        return status;
    }
    memkind_set_allow_zero_allocs(&made->kind, true);
    *kind = &made->kind;
    return MEMKIND_SUCCESS;
}
