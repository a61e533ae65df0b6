/* SPDX-License-Identifier: BSD-2-Clause */
/* How much memory the heaps of the kinds hold and use. */
#include "kinds/usage.h"

#include <stdatomic.h>
#include <string.h>

#include "heap/heap_stats.h"
#include "kinds/arena_kind.h"
#include "kinds/kind_registry.h"
#include "os/directory.h"
#include "space/space.h"

static void settle(struct memkind *kind, struct heap *heap, void *unused)
{
    (void)kind;
    (void)unused;
    if (arena_kind_is_usable(heap))
        thread_caches_settle(&heap->caches);
}

void usage_settle(void)
{
    kind_registry_each_heap(settle, NULL);
}

static void update(struct memkind *kind, struct heap *heap, void *unused)
{
    (void)kind;
    (void)unused;
    if (arena_kind_is_usable(heap))
        heap_stats_update(heap);
}

void usage_update(void)
{
    kind_registry_each_heap(update, NULL);
}

static void add_cached(struct memkind *kind, struct heap *heap, void *sum)
{
    size_t *bytes = sum;

    (void)kind;
    if (arena_kind_is_usable(heap))
        *bytes += atomic_load(&heap->cached_bytes);
}

size_t usage_cached_bytes(void)
{
    size_t bytes = 0;

    kind_registry_each_heap(add_cached, &bytes);
    return bytes;
}

static void read_space(const struct space *space, struct usage *usage)
{
    struct directory *directory = space_directory(space);

    usage->directory = directory != NULL ? directory_ref(directory) : NULL;
    usage->max_size = space->max_size;
    usage->held = space_held(space);
    usage->peak = atomic_load(&space->peak);
    usage->chunks = space_chunks(space);
    usage->frozen = atomic_load(&space->frozen);
    usage->purges = atomic_load(&space->purges);
}

struct query {
    struct usage *usage;
    bool is_answered;
};

static void answer(struct memkind *kind, struct heap *heap, void *arg)
{
    struct query *query = arg;

    query->is_answered = arena_kind_is_usable(heap) && heap->space != NULL &&
                         (__atomic_load_n(&heap->space->fd, __ATOMIC_ACQUIRE) >= 0 ||
                          atomic_load(&heap->space->lacks_file));
    if (!query->is_answered)
        return;
    memcpy(query->usage->name, kind->name, sizeof(query->usage->name));
    query->usage->cached = atomic_load(&heap->cached_bytes);
    query->usage->retries = atomic_load(&heap->shortage.retries);
    read_space(heap->space, query->usage);
}

bool usage_get(unsigned partition, struct usage *usage)
{
    struct query query = {.usage = usage};

    kind_registry_visit_heap(partition, answer, &query);
    return query.is_answered;
}
