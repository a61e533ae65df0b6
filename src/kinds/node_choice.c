/* SPDX-License-Identifier: BSD-2-Clause */
/* The nodes for each kind in the memory of certain NUMA nodes. */
#include "kinds/node_choice.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "kinds/static_kinds.h"
#include "memkind.h"
#include "os/vm.h"
#include "util/clock.h"
#include "util/env.h"
#include "util/log.h"

/* -- The nodes --------------------------------------------------------------------------------- */

static struct memory_nodes first;
static _Atomic(const struct memory_nodes *) known = &first;
static _Atomic int64_t scanned; /* time of the last scan, in seconds */

static void scan(struct memory_nodes *nodes)
{
    int saved_errno = errno;

    memory_nodes_scan(nodes, NODE_FILES_ROOT,
                      &(struct memory_nodes_wishes){
                          .dax_list = env_get("MEMKIND_DAX_KMEM_NODES"),
                          .hbw_list = env_get("MEMKIND_HBW_NODES"),
                          .hbw_threshold = env_get("MEMKIND_HBW_THRESHOLD"),
                      });
    errno = saved_errno;
}

static void scan_first(void)
{
    atomic_store(&scanned, clock_coarse_seconds());
    scan(&first);
    if (first.dax_error == -EINVAL)
        log_error("MEMKIND_DAX_KMEM_NODES is not a list of nodes that have memory, such as 1-3,5");
    if (first.hbw_error == -EINVAL)
        log_error("MEMKIND_HBW_NODES is not a list of nodes that have memory, such as 1-3,5, or "
                  "MEMKIND_HBW_THRESHOLD is not a number of MB/s");
}

const struct memory_nodes *node_choice_nodes(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, scan_first);
    return atomic_load_explicit(&known, memory_order_acquire);
}

/*
 * The scan may be part of an allocation, so it uses no heap. Threads may still read the former
 * nodes, so they are not freed.
 */
static void scan_and_publish(void)
{
    struct memory_nodes *fresh = vm_alloc(sizeof(*fresh));

    if (fresh == NULL)
        return;
    scan(fresh);
    /* Padding is zero in fresh pages. NOLINTNEXTLINE(bugprone-*,cert-*) */
    if (memcmp(fresh, atomic_load(&known), sizeof(*fresh)) == 0)
        (void)vm_unmap(fresh, sizeof(*fresh));
    else
        atomic_store_explicit(&known, fresh, memory_order_release);
}

void node_choice_refresh(void)
{
    (void)node_choice_nodes();
    int64_t last = atomic_load(&scanned);
    int64_t time = clock_coarse_seconds();

    if (time != last && atomic_compare_exchange_strong(&scanned, &last, time))
        scan_and_publish();
}

/* -- Choices ----------------------------------------------------------------------------------- */

static int result(const struct node_set *set, int status_if_empty)
{
    return node_set_is_empty(set) ? status_if_empty : MEMKIND_SUCCESS;
}

/* The largest nodes. */
static int highest_capacity(const struct memory_nodes *nodes, unsigned from, struct node_set *set)
{
    (void)from;
    *set = memory_nodes_largest(nodes, &nodes->memory);
    return result(set, MEMKIND_ERROR_UNAVAILABLE);
}

/* Of the nodes that are local to `from`, the largest; of several, the farthest. */
static int highest_capacity_local(const struct memory_nodes *nodes, unsigned from,
                                  struct node_set *set)
{
    *set = memory_nodes_local(nodes, from);
    *set = memory_nodes_largest(nodes, set);
    *set = memory_nodes_farthest(nodes, set, from);
    return result(set, MEMKIND_ERROR_UNAVAILABLE);
}

/* Of the nodes that are local to `from`, that with the most bandwidth; of several, the smallest. */
static int highest_bandwidth_local(const struct memory_nodes *nodes, unsigned from,
                                   struct node_set *set)
{
    *set = memory_nodes_local(nodes, from);
    *set = memory_nodes_of_most_bandwidth(nodes, set, from);
    *set = memory_nodes_smallest(nodes, set);
    return result(set, MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE);
}

/* The same with the least latency. */
static int lowest_latency_local(const struct memory_nodes *nodes, unsigned from,
                                struct node_set *set)
{
    *set = memory_nodes_local(nodes, from);
    *set = memory_nodes_of_least_latency(nodes, set, from);
    *set = memory_nodes_smallest(nodes, set);
    return result(set, MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE);
}

static int dax_kmem_all(const struct memory_nodes *nodes, unsigned from, struct node_set *set)
{
    (void)from;
    *set = nodes->dax;
    return nodes->dax_error == -EINVAL ? MEMKIND_ERROR_ENVIRON
                                       : result(set, MEMKIND_ERROR_UNAVAILABLE);
}

static int dax_kmem(const struct memory_nodes *nodes, unsigned from, struct node_set *set)
{
    int status = dax_kmem_all(nodes, from, set);

    *set = memory_nodes_closest(nodes, set, from);
    return status;
}

static int hbw_all(const struct memory_nodes *nodes, unsigned from, struct node_set *set)
{
    (void)from;
    *set = nodes->hbw;
    return nodes->hbw_error == -EINVAL ? MEMKIND_ERROR_ENVIRON
                                       : result(set, MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE);
}

static int hbw(const struct memory_nodes *nodes, unsigned from, struct node_set *set)
{
    int status = hbw_all(nodes, from, set);

    *set = memory_nodes_closest(nodes, set, from);
    return status;
}

#define DEFINE_CHOICE(NAME, IS_LOCAL) \
    const struct node_choice node_choice_##NAME = {.choose = (NAME), .is_local = (IS_LOCAL)};
NODE_CHOICES(DEFINE_CHOICE)

const struct node_choice *node_choice_of(unsigned partition)
{
    static const struct node_choice *const choices[MEMKIND_NUM_BASE_KIND] = {
#define ENTER_CHOICE(NAME, LOWER, NODES, ...) [MEMKIND_PARTITION_##NAME] = &node_choice_##NODES,
        STATIC_NODE_KINDS(ENTER_CHOICE)};

    return partition < MEMKIND_NUM_BASE_KIND ? choices[partition] : NULL;
}
