/* SPDX-License-Identifier: BSD-2-Clause */
/* What sysfs says of a device: for the preload library, and for memkind-pmem(1). */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#define DEVICE_FILES_NO_NODE (-1)

/* A number in a file of /sys/dev/<kind>/<device>/; false where there is none. */
bool device_files_number(const char *kind, dev_t device, const char *name, long long *number);

/*
 * The NUMA node of the memory of a device, "block" or "char"; of a partition, that of the whole.
 * Where the kernel has one node, all memory is on it. DEVICE_FILES_NO_NODE where nothing tells.
 */
int device_files_node(const char *kind, dev_t device);
