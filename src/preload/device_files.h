/* SPDX-License-Identifier: BSD-2-Clause */
/* Properties of a device, from sysfs: for the preload library, and for memkind-pmem(1). */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#define DEVICE_FILES_NO_NODE (-1)

/* Reads a number from a file in /sys/dev/<kind>/<device>/. False: there is none. */
bool device_files_number(const char *kind, dev_t device, const char *name, long long *number);

/*
 * Returns the NUMA node of a device's memory, "block" or "char"; for a partition, that of the whole
 * device. On a kernel with one node, all memory is on it. DEVICE_FILES_NO_NODE: unknown.
 */
int device_files_node(const char *kind, dev_t device);
