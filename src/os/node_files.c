/* SPDX-License-Identifier: BSD-2-Clause */
/* The files of sysfs on NUMA nodes. */
#include "os/node_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/node_list.h"
#include "os/text_file.h"

/* Small, for the stacks of threads: cuts the end of a list of more than 200 nodes. */
#define PATH_SIZE 256
#define TEXT_SIZE 1024
#define NAME_SIZE 64

static void read_node_file(const char *root, unsigned node, const char *name, char text[TEXT_SIZE])
{
    char path[PATH_SIZE];

    snprintf(path, sizeof(path), "%s/node%u/%s", root, node, name);
    (void)text_file_read(path, text, TEXT_SIZE);
}

struct node_set node_files_online(const char *root)
{
    char path[PATH_SIZE];
    char text[TEXT_SIZE];
    struct node_set any;
    struct node_set online;

    memset(&any, -1, sizeof(any));
    snprintf(path, sizeof(path), "%s/online", root);
    (void)text_file_read(path, text, TEXT_SIZE);
    (void)node_list_parse(text, &any, NULL, &online);
    return online;
}

size_t node_files_memory(const char *root, unsigned node)
{
    static const char key[] = "MemTotal:";
    char text[TEXT_SIZE];

    read_node_file(root, node, "meminfo", text);
    const char *found = strstr(text, key);
    return found != NULL ? strtoul(found + sizeof(key) - 1, NULL, 10) << 10 : 0;
}

bool node_files_has_cpus(const char *root, unsigned node)
{
    char text[TEXT_SIZE];

    read_node_file(root, node, "cpulist", text);
    return text[0] != '\0';
}

void node_files_distances(const char *root, unsigned node, const struct node_set *online,
                          uint8_t *distances)
{
    char text[TEXT_SIZE];
    char *at = text;

    read_node_file(root, node, "distance", text);
    for (unsigned other = 0; other < NUMA_NUM_NODES; other++) {
        char *end;

        if (!node_set_has(online, other))
            continue;
        unsigned long distance = strtoul(at, &end, 10);
        if (end == at)
            return;
        at = end;
        if (distance > 0 && distance < UINT8_MAX)
            distances[other] = (uint8_t)distance;
    }
}

/* -- Speed ------------------------------------------------------------------------------------- */

/* Returns the mean of the numbers in two files; 0 where one of them is missing or 0. */
static unsigned mean(const char *root, unsigned node, const char *class, const char *what)
{
    static const char *const directions[] = {"read", "write"};
    char name[NAME_SIZE];
    char text[TEXT_SIZE];
    unsigned long sum = 0;

    for (size_t i = 0; i < 2; i++) {
        snprintf(name, sizeof(name), "%s/initiators/%s_%s", class, directions[i], what);
        read_node_file(root, node, name, text);
        unsigned long number = strtoul(text, NULL, 10);
        if (number == 0 || number > UINT32_MAX)
            return 0;
        sum += number;
    }
    return (unsigned)(sum / 2);
}

static struct node_speed speed_by(const char *root, unsigned node, const char *class,
                                  const struct node_set *among)
{
    struct node_speed speed = {
        .bandwidth = mean(root, node, class, "bandwidth"),
        .latency = mean(root, node, class, "latency"),
    };
    char path[PATH_SIZE];

    for (unsigned other = 0; other < NUMA_NUM_NODES; other++) {
        if (!node_set_has(among, other))
            continue;
        snprintf(path, sizeof(path), "%s/node%u/%s/initiators/node%u", root, node, class, other);
        if (access(path, F_OK) == 0)
            node_set_add(&speed.initiators, other);
    }
    return speed;
}

struct node_speed node_files_speed(const char *root, unsigned node, const struct node_set *among)
{
    /* Class 1 is that of processors; old kernels have class 0 alone. */
    struct node_speed speed = speed_by(root, node, "access1", among);

    return !node_set_is_empty(&speed.initiators) ? speed : speed_by(root, node, "access0", among);
}
