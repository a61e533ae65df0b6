/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DAX devices (/dev/daxX.Y): persistent or CXL memory as a character device, without a file system.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define DAX_DEVICE_NAME_SIZE 32
#define DAX_DEVICE_NO_NODE   (-1)

struct dax_device {
    char name[DAX_DEVICE_NAME_SIZE]; /* of the kernel, such as "dax0.0"; terminated */
    size_t size;                     /* bytes that can be mapped */
    size_t alignment;                /* bytes; of mappings of it, never 0 */
    int target_node;                 /* the NUMA node of its memory, or DAX_DEVICE_NO_NODE */
    bool system_ram;                 /* the kernel uses it as memory: it cannot be opened */
};

/*
 * Describes the DAX device that the path leads to. 0, or, with *device untouched: -ENODEV
 * (something else: a file, a directory, another device), -ENXIO (a DAX device that neither
 * libdaxctl nor sysfs knows, or that has no size), -ENOSYS (sysfs does not know it, and there is no
 * libdaxctl), -ENAMETOOLONG, -ENOMEM, or what stat(2) and daxctl_new() say. The device is not
 * opened and nothing is printed. Safe from any thread, no cancellation point.
 */
int dax_device_query(const char *path, struct dax_device *device);

/*
 * Sets, in a node mask of maxnode bits of the form that mbind(2) takes, the bits of the nodes that
 * have memory of DAX devices in system-ram mode. 0, -ENOSYS (there is no libdaxctl), -ENOMEM, or
 * what daxctl_new() says. No cancellation point.
 */
int dax_device_memory_nodes(unsigned long *mask, unsigned long maxnode);
