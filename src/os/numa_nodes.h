/* SPDX-License-Identifier: BSD-2-Clause */
/* The NUMA nodes of the system. */
#pragma once

#include <stdbool.h>

/*
 * Fills a node mask, of the form that mbind(2) takes, with the nodes that have CPUs. maxnode is the
 * number of bits in mask, which is an array of whole longs; bits from maxnode on are cleared too.
 *
 * 0, or: -ENOSYS (the kernel has no NUMA), -EINVAL (mask is NULL, maxnode is 0, or a node with CPUs
 * does not fit), -ENODEV (no such node was found). On error the mask is all zero. Thread-safe.
 */
int numa_nodes_with_cpus(unsigned long *mask, unsigned long maxnode);

/*
 * Whether the process may bind no memory at all: mbind(2) is not in the kernel, or a container's
 * filter of system calls forbids it. errno is kept.
 */
bool numa_nodes_forbid_binding(void);
