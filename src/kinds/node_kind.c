/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions that the kinds in the memory of certain NUMA nodes share. */
#include "kinds/node_kind.h"

#include <errno.h>
#include <string.h>

#include "kinds/arena_kind.h"
#include "kinds/kind_registry.h"
#include "kinds/memkind_default_internal.h"
#include "kinds/node_heaps.h"
#include "kinds/placement.h"
#include "memkind.h"
#include "memkind/internal/memkind_hugetlb.h"
#include "os/numa_nodes.h"

/* -- Nodes ------------------------------------------------------------------------------------- */

int node_kind_store(const struct node_set *set, unsigned long *nodemask, unsigned long maxnode)
{
    if (nodemask == NULL || maxnode == 0)
        return MEMKIND_ERROR_INVALID;
    bits_clear(nodemask, maxnode);
    for (unsigned node = 0; node < NUMA_NUM_NODES; node++) {
        if (!node_set_has(set, node))
            continue;
        if (node >= maxnode)
            return MEMKIND_ERROR_INVALID;
        bits_add(nodemask, node);
    }
    return MEMKIND_SUCCESS;
}

int node_kind_store_choice(const struct node_choice *choice, unsigned long *nodemask,
                           unsigned long maxnode)
{
    struct node_set set;
    int status = choice->choose(node_choice_nodes(), memory_nodes_here(), &set);

    return status == MEMKIND_SUCCESS ? node_kind_store(&set, nodemask, maxnode) : status;
}

int node_kind_mbind(struct memkind *kind, void *ptr, size_t size)
{
    int status = memkind_default_mbind(kind, ptr, size);

    /* Other kinds go on without nodes. */
    return status == MEMKIND_ERROR_UNAVAILABLE ? MEMKIND_ERROR_MBIND : status;
}

int node_kind_get_mmap_flags(struct memkind *kind, int *flags)
{
    (void)node_choice_nodes();
    return memkind_default_get_mmap_flags(kind, flags);
}

int node_kind_get_hugetlb_mmap_flags(struct memkind *kind, int *flags)
{
    (void)node_choice_nodes();
    return memkind_hugetlb_get_mmap_flags(kind, flags);
}

int node_kind_check_available(struct memkind *kind)
{
    struct node_set set;
    int status = kind->ops->get_mbind_nodemask(kind, set.bits, NUMA_NUM_NODES);

    if (status != MEMKIND_SUCCESS) {
        node_choice_refresh();
        status = kind->ops->get_mbind_nodemask(kind, set.bits, NUMA_NUM_NODES);
    }
    if (status == MEMKIND_SUCCESS && numa_nodes_forbid_binding() && placement_needs_binding(kind))
        status = MEMKIND_ERROR_MBIND;
    return status;
}

int node_kind_check_hugetlb_available(struct memkind *kind)
{
    int status = node_kind_check_available(kind);

    return status == MEMKIND_SUCCESS ? memkind_hugetlb_check_available_2mb(kind) : status;
}

/* -- Heap -------------------------------------------------------------------------------------- */

static struct memkind *part_or_enomem(struct memkind *kind)
{
    struct memkind *part = node_heaps_here(kind);

    if (__builtin_expect(part == NULL, 0))
        errno = ENOMEM;
    return part;
}

void *node_kind_malloc(struct memkind *kind, size_t size)
{
    if (__builtin_expect(memkind_default_refuses(kind, size), 0))
        return NULL;
    struct memkind *part = part_or_enomem(kind);
    return __builtin_expect(part != NULL, 1) ? memkind_arena_malloc(part, size) : NULL;
}

void *node_kind_calloc(struct memkind *kind, size_t num, size_t size)
{
    if (memkind_default_refuses(kind, num) || memkind_default_refuses(kind, size))
        return NULL;
    struct memkind *part = part_or_enomem(kind);
    return part != NULL ? memkind_arena_calloc(part, num, size) : NULL;
}

static void *aligned_alloc_of_part(struct memkind *kind, size_t size, size_t alignment)
{
    struct memkind *part = node_heaps_here(kind);

    return part != NULL ? memkind_arena_aligned_alloc(part, size, alignment) : NULL;
}

int node_kind_posix_memalign(struct memkind *kind, void **memptr, size_t alignment, size_t size)
{
    return memkind_default_align_or_null(kind, memptr, alignment, size, aligned_alloc_of_part);
}

void *node_kind_realloc(struct memkind *kind, void *ptr, size_t size)
{
    return ptr == NULL ? node_kind_malloc(kind, size) : memkind_arena_realloc(kind, ptr, size);
}

int node_kind_get_arena(struct memkind *kind, unsigned int *arena, size_t size)
{
    struct memkind *part = node_heaps_here(kind);

    return part != NULL ? memkind_thread_get_arena(part, arena, size) : MEMKIND_ERROR_RUNTIME;
}

/* -- Policy, counters, purging ----------------------------------------------------------------- */

static int set_policy(struct memkind *part, void *policy)
{
    return memkind_arena_update_memory_usage_policy(part, *(memkind_mem_usage_policy *)policy);
}

int node_kind_update_memory_usage_policy(struct memkind *kind, memkind_mem_usage_policy policy)
{
    struct memkind *part = node_heaps_here(kind);

    if (part == NULL)
        return kind->ops->check_available(kind);
    int status = memkind_arena_update_memory_usage_policy(part, policy);
    if (status != MEMKIND_SUCCESS)
        return status;
    node_heaps_set_policy(kind, policy);
    return node_heaps_each(kind, set_policy, &policy);
}

struct sum {
    memkind_stat_type stat;
    size_t value;
};

static int add_stat(struct memkind *part, void *arg)
{
    struct sum *sum = arg;
    size_t value = 0;
    int status = memkind_arena_get_stat(part, sum->stat, &value);

    sum->value += value;
    return status;
}

int node_kind_get_stat(memkind_t kind, memkind_stat_type stat, size_t *value)
{
    struct sum sum = {.stat = stat};
    /* A kind that the program has created has a heap itself. */
    int status = add_stat(kind, &sum);

    if (status == MEMKIND_SUCCESS)
        status = node_heaps_each(kind, add_stat, &sum);
    if (status == MEMKIND_SUCCESS)
        *value = sum.value;
    return status;
}

static int purge(struct memkind *part, void *unused)
{
    (void)unused;
    arena_kind_purge(part);
    return MEMKIND_SUCCESS;
}

void node_kind_purge(struct memkind *kind)
{
    arena_kind_purge(kind);
    (void)node_heaps_each(kind, purge, NULL);
}

void node_kind_ready(struct memkind *kind)
{
    (void)node_heaps_here(kind);
}
