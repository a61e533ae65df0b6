/* SPDX-License-Identifier: BSD-2-Clause */
/* The NUMA nodes by their memory. */
#include "backing/memory_nodes.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "backing/dax_device.h"
#include "backing/numa_nodes.h"

/* -- Looking ----------------------------------------------------------------------------------- */

/* A number at *text, which then points behind it; -1 where there is none that can be a node. */
static int read_node(const char **text)
{
    char *end;

    if (**text < '0' || **text > '9')
        return -1;
    unsigned long node = strtoul(*text, &end, 10);
    *text = end;
    return node < NUMA_NUM_NODES ? (int)node : -1;
}

/* Adds the nodes of one item of a list, "3" or "3-5", at *text. */
static int read_item(const struct memory_nodes *nodes, const char **text, struct node_set *set)
{
    int first = read_node(text);
    int last = first;

    if (first >= 0 && **text == '-') {
        ++*text;
        last = read_node(text);
    }
    if (first < 0 || last < first)
        return -EINVAL;
    for (int node = first; node <= last; node++) {
        if (!node_set_has(&nodes->memory, (unsigned)node))
            return -EINVAL;
        node_set_add(set, (unsigned)node);
    }
    return 0;
}

static int read_list(const struct memory_nodes *nodes, const char *text, struct node_set *set)
{
    int error = read_item(nodes, &text, set);

    while (error == 0 && *text == ',') {
        text++;
        error = read_item(nodes, &text, set);
    }
    return error == 0 && *text != '\0' ? -EINVAL : error;
}

static int look_for_dax(const struct memory_nodes *nodes, const char *list, struct node_set *set)
{
    static const struct node_set none;

    if (list != NULL)
        return read_list(nodes, list, set);
    if (dax_device_memory_nodes(set->bits, NUMA_NUM_NODES) != 0)
        return -ENODEV;
    /* Memory of a device need not be online. */
    for (size_t i = 0; i < sizeof(set->bits) / sizeof(set->bits[0]); i++)
        set->bits[i] &= nodes->memory.bits[i];
    return memcmp(set, &none, sizeof(none)) == 0 ? -ENODEV : 0;
}

static void look_at_node(struct memory_nodes *nodes, int node, int last)
{
    long long size = numa_node_size64(node, NULL);

    /* A node without memory says so with an error. */
    if (size > 0) {
        node_set_add(&nodes->memory, (unsigned)node);
        nodes->size[node] = (size_t)size;
    }
    for (int other = 0; other <= last; other++) {
        int distance = numa_distance(node, other);

        nodes->distance[node][other] =
            distance > 0 && distance < UINT8_MAX ? (uint8_t)distance : UINT8_MAX;
    }
}

void memory_nodes_look(struct memory_nodes *nodes, const char *dax_list)
{
    if (numa_available() >= 0) {
        int last = numa_max_node();

        if (last >= NUMA_NUM_NODES)
            last = NUMA_NUM_NODES - 1;
        for (int node = 0; node <= last; node++)
            look_at_node(nodes, node, last);
        (void)numa_nodes_with_cpus(nodes->cpus.bits, NUMA_NUM_NODES);
    }
    nodes->dax_error = look_for_dax(nodes, dax_list, &nodes->dax);
}

unsigned memory_nodes_here(void)
{
    unsigned cpu;
    unsigned node = 0;

    return getcpu(&cpu, &node) == 0 && node < NUMA_NUM_NODES ? node : 0;
}

/* -- Deriving ---------------------------------------------------------------------------------- */

/* The members for which the number, that of `numbers` or its negative, is largest. */
static struct node_set with_most(const struct node_set *among, const long long *numbers)
{
    struct node_set most = {{0}};
    bool found = false;
    long long best = 0;

    for (unsigned node = 0; node < NUMA_NUM_NODES; node++) {
        if (!node_set_has(among, node) || (found && numbers[node] < best))
            continue;
        if (!found || numbers[node] > best)
            most = (struct node_set){{0}};
        found = true;
        best = numbers[node];
        node_set_add(&most, node);
    }
    return most;
}

static struct node_set by_distance(const struct memory_nodes *nodes, const struct node_set *among,
                                   unsigned from, long long sign)
{
    long long numbers[NUMA_NUM_NODES];

    for (unsigned node = 0; node < NUMA_NUM_NODES; node++)
        numbers[node] = sign * nodes->distance[from][node];
    return with_most(among, numbers);
}

struct node_set memory_nodes_closest(const struct memory_nodes *nodes, const struct node_set *among,
                                     unsigned from)
{
    return by_distance(nodes, among, from, -1);
}

struct node_set memory_nodes_farthest(const struct memory_nodes *nodes,
                                      const struct node_set *among, unsigned from)
{
    return by_distance(nodes, among, from, 1);
}

struct node_set memory_nodes_largest(const struct memory_nodes *nodes, const struct node_set *among)
{
    long long numbers[NUMA_NUM_NODES];

    for (unsigned node = 0; node < NUMA_NUM_NODES; node++)
        numbers[node] = (long long)nodes->size[node];
    return with_most(among, numbers);
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
