/* SPDX-License-Identifier: BSD-2-Clause */
/* The NUMA nodes and their memory. */
#include "os/memory_nodes.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef __x86_64__
#    include <cpuid.h>
#endif

#include "os/dax_device.h"
#include "os/memory_policy.h"
#include "os/node_list.h"
#include "util/env.h"

#define CPUS_REMEMBERED 4096

/* -- Scan -------------------------------------------------------------------------------------- */

/* Returns the nodes that the process may have memory of. */
static struct node_set allowed_nodes(void)
{
    struct node_set allowed;

    (void)memory_policy_allowed(allowed.bits, NUMA_NUM_NODES);
    return allowed;
}

static int parse(const struct memory_nodes *nodes, const char *list, struct node_set *set)
{
    struct node_set allowed = allowed_nodes();

    return node_list_parse(list, &nodes->memory, &allowed, set);
}

static int find_dax(const struct memory_nodes *nodes, const char *list, struct node_set *set)
{
    if (list != NULL)
        return parse(nodes, list, set);
    if (dax_device_memory_nodes(set->bits, NUMA_NUM_NODES) != 0)
        return -ENODEV;
    /* A node of a device may have no memory online. */
    for (size_t i = 0; i < sizeof(set->bits) / sizeof(set->bits[0]); i++)
        set->bits[i] &= nodes->memory.bits[i];
    return node_set_is_empty(set) ? -ENODEV : 0;
}

/*
 * Whether the processor is a Xeon Phi of the second or third generation, for which the firmware has
 * no table of bandwidths.
 */
static bool is_xeon_phi(void)
{
#ifdef __x86_64__
    enum { FAMILY = 6, KNIGHTS_LANDING = 0x57, KNIGHTS_MILL = 0x85 };
    unsigned signature;
    unsigned unused[3];
    unsigned vendor[3];

    /* "GenuineIntel" in the order of the registers. */
    if (__get_cpuid(0, &unused[0], &vendor[0], &vendor[2], &vendor[1]) == 0 ||
        memcmp(vendor, "GenuineIntel", sizeof(vendor)) != 0 ||
        __get_cpuid(1, &signature, &unused[0], &unused[1], &unused[2]) == 0)
        return false;
    unsigned family = signature >> 8 & 0xf;
    unsigned model = (signature >> 4 & 0xf) | (signature >> 12 & 0xf0);
    return family == FAMILY && (model == KNIGHTS_LANDING || model == KNIGHTS_MILL);
#else
    return false;
#endif
}

static struct node_set without_cpus(const struct memory_nodes *nodes)
{
    struct node_set set = nodes->memory;

    for (size_t i = 0; i < sizeof(set.bits) / sizeof(set.bits[0]); i++)
        set.bits[i] &= ~nodes->cpus.bits[i];
    return set;
}

static int find_hbw(const struct memory_nodes *nodes, const struct memory_nodes_wishes *wishes,
                    struct node_set *set)
{
    unsigned threshold = MEMORY_NODES_HBW_THRESHOLD;
    bool known = false;

    if (wishes->hbw_list != NULL)
        return parse(nodes, wishes->hbw_list, set);
    if (wishes->hbw_threshold != NULL && env_parse_uint(wishes->hbw_threshold, &threshold) != 0)
        return -EINVAL;
    for (unsigned node = 0; node < NUMA_NUM_NODES; node++) {
        if (!node_set_has(&nodes->memory, node) || nodes->speed[node].bandwidth == 0)
            continue;
        known = true;
        if (nodes->speed[node].bandwidth >= threshold)
            node_set_add(set, node);
    }
    if (!known && is_xeon_phi())
        *set = without_cpus(nodes);
    return node_set_is_empty(set) ? -ENODEV : 0;
}

static void scan_nodes(struct memory_nodes *nodes, const char *root)
{
    struct node_set online = node_files_online(root);

    memset(nodes->distance, UINT8_MAX, sizeof(nodes->distance));
    for (unsigned node = 0; node < NUMA_NUM_NODES; node++) {
        if (!node_set_has(&online, node))
            continue;
        nodes->size[node] = node_files_memory(root, node);
        if (nodes->size[node] != 0)
            node_set_add(&nodes->memory, node);
        if (node_files_has_cpus(root, node))
            node_set_add(&nodes->cpus, node);
        node_files_distances(root, node, &online, nodes->distance[node]);
    }
    for (unsigned node = 0; node < NUMA_NUM_NODES; node++)
        if (node_set_has(&nodes->memory, node))
            nodes->speed[node] = node_files_speed(root, node, &nodes->cpus);
}

void memory_nodes_scan(struct memory_nodes *nodes, const char *root,
                       const struct memory_nodes_wishes *wishes)
{
    if (memory_policy_exists())
        scan_nodes(nodes, root);
    nodes->dax_error = find_dax(nodes, wishes->dax_list, &nodes->dax);
    nodes->hbw_error = find_hbw(nodes, wishes, &nodes->hbw);
}

/* The node of each processor + 1; 0: not known yet. */
static _Atomic uint16_t node_of_cpu[CPUS_REMEMBERED];

/* getcpu(2), which not every musl has. */
static int get_cpu(unsigned *cpu, unsigned *node)
{
#ifdef __GLIBC__
    return getcpu(cpu, node);
#else
    return (int)syscall(SYS_getcpu, cpu, node, NULL);
#endif
}

static unsigned query_kernel(void)
{
    unsigned cpu;
    unsigned node = 0;

    if (get_cpu(&cpu, &node) != 0 || node >= NUMA_NUM_NODES)
        return 0;
    if (cpu < CPUS_REMEMBERED)
        atomic_store_explicit(&node_of_cpu[cpu], (uint16_t)(node + 1), memory_order_relaxed);
    return node;
}

unsigned memory_nodes_here(void)
{
    /* Takes no system call where the kernel has restartable sequences. */
    unsigned cpu = (unsigned)sched_getcpu();
    unsigned node = 0;

    if (cpu < CPUS_REMEMBERED)
        node = atomic_load_explicit(&node_of_cpu[cpu], memory_order_relaxed);
    return node != 0 ? node - 1 : query_kernel();
}

/* -- Subsets ----------------------------------------------------------------------------------- */

/* A number by which members of a set are compared: the higher, the better. */
typedef long long score(const struct memory_nodes *nodes, unsigned node, unsigned from);

static long long closeness(const struct memory_nodes *nodes, unsigned node, unsigned from)
{
    return -(long long)nodes->distance[from][node];
}

static long long distance(const struct memory_nodes *nodes, unsigned node, unsigned from)
{
    return nodes->distance[from][node];
}

static long long size(const struct memory_nodes *nodes, unsigned node, unsigned from)
{
    (void)from;
    return (long long)nodes->size[node];
}

static long long smallness(const struct memory_nodes *nodes, unsigned node, unsigned from)
{
    (void)from;
    return -(long long)nodes->size[node];
}

static long long bandwidth(const struct memory_nodes *nodes, unsigned node, unsigned from)
{
    (void)from;
    return nodes->speed[node].bandwidth;
}

static long long quickness(const struct memory_nodes *nodes, unsigned node, unsigned from)
{
    (void)from;
    return -(long long)nodes->speed[node].latency;
}

/* Returns the members of the set with the highest score. */
static struct node_set best(const struct memory_nodes *nodes, const struct node_set *among,
                            score *score_of, unsigned from)
{
    struct node_set most = {{0}};
    long long highest = LLONG_MIN;

    for (unsigned node = 0; node < NUMA_NUM_NODES; node++) {
        if (!node_set_has(among, node))
            continue;
        long long own = score_of(nodes, node, from);

        if (own < highest)
            continue;
        if (own > highest)
            most = (struct node_set){{0}};
        highest = own;
        node_set_add(&most, node);
    }
    return most;
}

struct node_set memory_nodes_closest(const struct memory_nodes *nodes, const struct node_set *among,
                                     unsigned from)
{
    return best(nodes, among, closeness, from);
}

struct node_set memory_nodes_farthest(const struct memory_nodes *nodes,
                                      const struct node_set *among, unsigned from)
{
    return best(nodes, among, distance, from);
}

struct node_set memory_nodes_largest(const struct memory_nodes *nodes, const struct node_set *among)
{
    return best(nodes, among, size, 0);
}

struct node_set memory_nodes_smallest(const struct memory_nodes *nodes,
                                      const struct node_set *among)
{
    return best(nodes, among, smallness, 0);
}

/* Returns the members whose speed for processors of the node `from` is known. */
static struct node_set of_known_speed(const struct memory_nodes *nodes,
                                      const struct node_set *among, unsigned from)
{
    struct node_set known = {{0}};

    for (unsigned node = 0; node < NUMA_NUM_NODES; node++)
        if (node_set_has(among, node) && nodes->speed[node].bandwidth != 0 &&
            nodes->speed[node].latency != 0 && node_set_has(&nodes->speed[node].initiators, from))
            node_set_add(&known, node);
    return known;
}

struct node_set memory_nodes_of_most_bandwidth(const struct memory_nodes *nodes,
                                               const struct node_set *among, unsigned from)
{
    struct node_set known = of_known_speed(nodes, among, from);

    return best(nodes, &known, bandwidth, from);
}

struct node_set memory_nodes_of_least_latency(const struct memory_nodes *nodes,
                                              const struct node_set *among, unsigned from)
{
    struct node_set known = of_known_speed(nodes, among, from);

    return best(nodes, &known, quickness, from);
}

/* Whether processors of another node are closer to the memory of `node` than those of `from`. */
static bool is_closer_to_others(const struct memory_nodes *nodes, unsigned node, unsigned from)
{
    for (unsigned other = 0; other < NUMA_NUM_NODES; other++)
        if (node_set_has(&nodes->cpus, other) &&
            nodes->distance[other][node] < nodes->distance[from][node])
            return true;
    return false;
}

struct node_set memory_nodes_local(const struct memory_nodes *nodes, unsigned from)
{
    struct node_set local = {{0}};

    for (unsigned node = 0; node < NUMA_NUM_NODES; node++)
        if (node_set_has(&nodes->memory, node) && !is_closer_to_others(nodes, node, from))
            node_set_add(&local, node);
    return local;
}
