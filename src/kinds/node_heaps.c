/* SPDX-License-Identifier: BSD-2-Clause */
/* The heaps of the library's kinds in the memory of certain NUMA nodes. */
#include "kinds/node_heaps.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kinds/kind_registry.h"
#include "kinds/node_kind.h"
#include "util/clock.h"
#include "util/invariant.h"
#include "util/lock.h"
#include "util/log.h"

#define RETRY_AFTER_SECONDS 1

struct part {
    struct memkind kind; /* first member, so that nodes_of_part() finds the part */
    struct memkind_ops ops;
    struct node_set nodes;
    struct part *next;
};

/*
 * Entries of `here` that are no parts: the kind has no nodes for a thread there; it has nodes, but
 * no memory or number is left for a part.
 */
static struct part no_nodes;
static struct part no_part;

/* The parts of each kind of the library. Parts stay for ever, so readers take no lock. */
static struct node_heaps {
    _Atomic(struct part *) here[NUMA_NUM_NODES]; /* by node of the thread's processor */
    _Atomic(struct part *) parts;
    _Atomic int64_t failed; /* time when the kind last had no nodes, in seconds */
    memkind_mem_usage_policy policy;
} heaps[MEMKIND_NUM_BASE_KIND];

/* Held while a part is created. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void node_heaps_before_fork(void)
{
    lock_acquire(&lock, LOCK_NODE_HEAPS);
}

void node_heaps_after_fork(void)
{
    lock_release(&lock);
}

/* -- Parts ------------------------------------------------------------------------------------- */

static int nodes_of_part(struct memkind *kind, unsigned long *nodemask, unsigned long maxnode)
{
    return node_kind_store(&((struct part *)kind)->nodes, nodemask, maxnode);
}

static void describe(struct part *part, const struct memkind *kind, const struct node_set *nodes)
{
    part->ops = *kind->ops;
    part->ops.get_mbind_nodemask = nodes_of_part;
    /* The library finds the part by a block, and uses the part like any kind with arenas. */
    part->ops.malloc = memkind_arena_malloc;
    part->ops.calloc = memkind_arena_calloc;
    part->ops.posix_memalign = memkind_arena_posix_memalign;
    part->ops.realloc = memkind_arena_realloc;
    part->ops.get_arena = memkind_thread_get_arena;
    part->kind.ops = &part->ops;
    memcpy(part->kind.name, kind->name, sizeof(part->kind.name));
    /* The kind has checked the size. */
    part->kind.allow_zero_allocs = true;
    part->nodes = *nodes;
}

static struct part *new_part(struct memkind *kind, const struct node_set *nodes)
{
    struct part *part = calloc(1, sizeof(*part));

    if (part == NULL)
        return NULL;
    describe(part, kind, nodes);
    if (kind_registry_add_part(&part->kind, kind) != 0)
        goto free_part;
    if (memkind_arena_create_map(&part->kind, NULL) != MEMKIND_SUCCESS)
        goto leave_registry;
    (void)memkind_arena_update_memory_usage_policy(&part->kind, heaps[kind->partition].policy);
    return part;

leave_registry:
    kind_registry_remove(&part->kind);
free_part:
    free(part);
    return NULL;
}

static struct part *find_or_make(struct memkind *kind, const struct node_set *nodes)
{
    struct node_heaps *own = &heaps[kind->partition];
    struct part *newest = atomic_load(&own->parts);

    INVARIANT(!node_set_is_empty(nodes));
    for (struct part *part = newest; part != NULL; part = part->next)
        if (memcmp(&part->nodes, nodes, sizeof(*nodes)) == 0)
            return part;
    struct part *part = new_part(kind, nodes);
    if (part == NULL) {
        log_error("kind %s gets no heap for the nodes of this thread", kind->name);
        return &no_part;
    }
    part->next = newest;
    atomic_store_explicit(&own->parts, part, memory_order_release);
    return part;
}

static struct part *part_locked(struct memkind *kind, const struct node_choice *choice,
                                unsigned from)
{
    struct node_heaps *own = &heaps[kind->partition];
    struct part *part = atomic_load(&own->here[from]);
    struct node_set nodes;

    if (part != NULL && part != &no_nodes)
        return part;
    if (choice->choose(node_choice_nodes(), from, &nodes) == MEMKIND_SUCCESS) {
        part = find_or_make(kind, &nodes);
    } else {
        if (part == NULL)
            log_error("kind %s has no nodes for processors of node %u", kind->name, from);
        atomic_store(&own->failed, clock_coarse_seconds());
        part = &no_nodes;
    }
    atomic_store_explicit(&own->here[from], part, memory_order_release);
    return part;
}

/* -- For a thread ------------------------------------------------------------------------------ */

static __attribute__((noinline)) struct memkind *part_slowly(struct memkind *kind,
                                                             const struct node_choice *choice,
                                                             unsigned from, const struct part *seen)
{
    int saved_errno = errno;

    if (seen == &no_part)
        return kind;
    if (seen == &no_nodes) {
        if (clock_coarse_seconds() - atomic_load(&heaps[kind->partition].failed) <
            RETRY_AFTER_SECONDS)
            return NULL;
        node_choice_refresh();
    }
    /* The first scan allocates memory, and takes a lock of its own. */
    (void)node_choice_nodes();
    lock_acquire(&lock, LOCK_NODE_HEAPS);
    struct part *part = part_locked(kind, choice, from);
    lock_release(&lock);
    errno = saved_errno;
    if (part == &no_part)
        return kind;
    return part != &no_nodes ? &part->kind : NULL;
}

struct memkind *node_heaps_here(struct memkind *kind)
{
    const struct node_choice *choice = node_choice_of(kind->partition);

    if (__builtin_expect(choice == NULL, 0))
        return kind;
    unsigned from = choice->is_local ? memory_nodes_here() : 0;
    struct part *part =
        atomic_load_explicit(&heaps[kind->partition].here[from], memory_order_acquire);
    if (__builtin_expect(part == NULL || part == &no_nodes || part == &no_part, 0))
        return part_slowly(kind, choice, from, part);
    return &part->kind;
}

int node_heaps_each(struct memkind *kind, int (*visit)(struct memkind *part, void *arg), void *arg)
{
    int status = MEMKIND_SUCCESS;

    if (node_choice_of(kind->partition) == NULL)
        return status;
    struct part *part = atomic_load_explicit(&heaps[kind->partition].parts, memory_order_acquire);
    for (; part != NULL && status == MEMKIND_SUCCESS; part = part->next)
        status = visit(&part->kind, arg);
    return status;
}

void node_heaps_set_policy(struct memkind *kind, memkind_mem_usage_policy policy)
{
    if (node_choice_of(kind->partition) == NULL)
        return;
    lock_acquire(&lock, LOCK_NODE_HEAPS);
    heaps[kind->partition].policy = policy;
    lock_release(&lock);
}
