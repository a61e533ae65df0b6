/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory nodes of the machine, as the kernel and the firmware describe them. */
#include "tool/nodes.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memkind.h"
#include "memkind/internal/memkind_dax_kmem.h"
#include "memkind/internal/memkind_hbw.h"

#define ROOT      "/sys/devices/system/node"
#define PATH_SIZE 128
#define DECIMAL   10
#define MEGA      1e6
#define WORD_BITS (sizeof(unsigned long) * CHAR_BIT)

/* -- Files ------------------------------------------------------------------------------------- */

/* Reads the first line of a file below ROOT, without its end. Empty: there is none. */
static void __attribute__((format(printf, 2, 3)))
read_line(char text[NODES_TEXT_SIZE], const char *format, ...)
{
    char path[PATH_SIZE] = ROOT "/";
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(path + strlen(path), sizeof(path) - strlen(path), format, arguments);
    va_end(arguments);
    FILE *file = fopen(path, "re");
    if (file == NULL || fgets(text, NODES_TEXT_SIZE, file) == NULL)
        text[0] = '\0';
    if (file != NULL)
        fclose(file);
    text[strcspn(text, "\n")] = '\0';
}

static bool is_there(unsigned node, const char *class, unsigned initiator)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof(path), ROOT "/node%u/%s/initiators/node%u", node, class, initiator);
    return access(path, F_OK) == 0;
}

/* Parses a list such as "0-3,8". */
static void read_list(const char *name, bool nodes[NODES_MOST])
{
    char text[NODES_TEXT_SIZE];
    char *end = text;

    read_line(text, "%s", name);
    for (const char *at = text; *at != '\0'; at = *end == ',' ? end + 1 : end) {
        unsigned long first = strtoul(at, &end, DECIMAL);

        if (end == at)
            return;
        unsigned long last = *end == '-' ? strtoul(end + 1, &end, DECIMAL) : first;
        for (unsigned long node = first; node <= last && node < NODES_MOST; node++)
            nodes[node] = true;
    }
}

/* -- One node ---------------------------------------------------------------------------------- */

/* Parses the bytes of a line such as "Node 0 MemFree: 5 kB" if it has this key. */
static void read_size(const char *line, const char *key, size_t *bytes)
{
    const char *found = strstr(line, key);

    if (found != NULL)
        *bytes = strtoul(found + strlen(key), NULL, DECIMAL) << 10;
}

static void read_sizes(unsigned number, struct memory_node *node)
{
    char line[NODES_TEXT_SIZE], path[PATH_SIZE];

    snprintf(path, sizeof(path), ROOT "/node%u/meminfo", number);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        read_size(line, " MemTotal:", &node->size);
        read_size(line, " MemFree:", &node->available);
    }
    if (file != NULL)
        fclose(file);
}

/* The kernel lists the distances to the online nodes, in ascending order. */
static void read_distances(unsigned number, struct memory_node *node)
{
    bool online[NODES_MOST] = {false};
    char text[NODES_TEXT_SIZE];
    char *at = text;

    read_list("online", online);
    read_line(text, "node%u/distance", number);
    for (unsigned other = 0; other < NODES_MOST; other++)
        if (online[other])
            node->distances[other] = (unsigned)strtoul(at, &at, DECIMAL);
}

static struct node_rate read_rate(unsigned number, const char *class, const char *direction)
{
    char text[NODES_TEXT_SIZE];
    struct node_rate rate;

    read_line(text, "node%u/%s/initiators/%s_bandwidth", number, class, direction);
    rate.bandwidth = (double)strtoul(text, NULL, DECIMAL) * MEGA;
    read_line(text, "node%u/%s/initiators/%s_latency", number, class, direction);
    rate.latency = (unsigned)strtoul(text, NULL, DECIMAL);
    return rate;
}

/* Returns false if the class has no initiators that are processors. */
static bool read_speed(const struct nodes *nodes, unsigned number, const char *class,
                       struct memory_node *node)
{
    bool any = false;

    for (unsigned other = 0; other < NODES_MOST; other++)
        if (nodes->processors[other] && is_there(number, class, other))
            any = node->initiators[other] = true;
    node->read = read_rate(number, class, "read");
    node->write = read_rate(number, class, "write");
    return any;
}

static bool has(int error, const unsigned long *mask, unsigned node)
{
    return error == MEMKIND_SUCCESS && (mask[node / WORD_BITS] >> node % WORD_BITS & 1) != 0;
}

static void read_kinds(unsigned number, struct memory_node *node)
{
    unsigned long hbw[NODES_MOST / WORD_BITS] = {0}, dax[NODES_MOST / WORD_BITS] = {0};

    node->high_bandwidth =
        has(memkind_hbw_all_get_mbind_nodemask(NULL, hbw, NODES_MOST), hbw, number);
    node->dax_kmem =
        has(memkind_dax_kmem_all_get_mbind_nodemask(NULL, dax, NODES_MOST), dax, number);
}

/* ---------------------------------------------------------------------------------------------- */

bool nodes_find(struct nodes *nodes)
{
    memset(nodes, 0, sizeof(*nodes));
    read_list("has_memory", nodes->memory);
    read_list("has_cpu", nodes->processors);
    return memchr(nodes->memory, true, sizeof(nodes->memory)) != NULL;
}

void nodes_describe(const struct nodes *nodes, unsigned number, struct memory_node *node)
{
    memset(node, 0, sizeof(*node));
    read_sizes(number, node);
    read_line(node->processors, "node%u/cpulist", number);
    read_distances(number, node);
    /* Class 1 is for processors alone. Old kernels have class 0 only. */
    if (!read_speed(nodes, number, "access1", node))
        (void)read_speed(nodes, number, "access0", node);
    read_kinds(number, node);
}
