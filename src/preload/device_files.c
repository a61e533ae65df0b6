/* SPDX-License-Identifier: BSD-2-Clause */
/* Properties of a device, from sysfs. */
#include "preload/device_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

#define SYSFS_PATH_SIZE 128
#define DECIMAL         10

bool device_files_number(const char *kind, dev_t device, const char *name, long long *number)
{
    char path[SYSFS_PATH_SIZE];
    char text[SYSFS_PATH_SIZE];
    char *end = text;

    snprintf(path, sizeof(path), "/sys/dev/%s/%u:%u/%s", kind, major(device), minor(device), name);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    if (fgets(text, sizeof(text), file) != NULL)
        *number = strtoll(text, &end, 0);
    fclose(file);
    return end != text;
}

/* On a kernel with one node, all memory is on it. */
static int only_node(void)
{
    char text[SYSFS_PATH_SIZE] = "";
    char *end = text;
    long node = 0;
    FILE *file = fopen("/sys/devices/system/node/has_memory", "re");

    if (file == NULL)
        return DEVICE_FILES_NO_NODE;
    if (fgets(text, sizeof(text), file) != NULL)
        node = strtol(text, &end, DECIMAL);
    fclose(file);
    return end != text && (*end == '\n' || *end == '\0') ? (int)node : DEVICE_FILES_NO_NODE;
}

int device_files_node(const char *kind, dev_t device)
{
    static const char *const names[] = {"target_node", "device/target_node", "device/numa_node",
                                        "../device/numa_node", "numa_node"};
    long long node;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (device_files_number(kind, device, names[i], &node) && node >= 0)
            return (int)node;
    return only_node();
}
