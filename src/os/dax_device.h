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
    size_t alignment;                /* of mappings, in bytes; never 0 */
    int target_node;                 /* the NUMA node of its memory, or DAX_DEVICE_NO_NODE */
    bool system_ram;                 /* the kernel uses the device as memory: nobody can open it */
};

/*
 * Describes the DAX device that the path leads to. 0, or, with *device untouched: -ENODEV
 * (no DAX device: a file, a directory, another device), -ENXIO (neither libdaxctl nor sysfs knows
 * the device, or it has no size), -ENOSYS (sysfs does not know the device, and there is no
 * libdaxctl), -ENAMETOOLONG, -ENOMEM, or an error of stat(2) or daxctl_new(). The function does not
 * open the device, and prints nothing. Safe from any thread, no cancellation point.
 */
int dax_device_query(const char *path, struct dax_device *device);

/*
 * Sets, in a node mask of maxnode bits of the form that mbind(2) takes, the bits of the nodes that
 * have memory of DAX devices in system-ram mode. 0, -ENOSYS (there is no libdaxctl), -ENOMEM, or
 * an error of daxctl_new(). No cancellation point.
 */
int dax_device_memory_nodes(unsigned long *mask, unsigned long maxnode);
