/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's memory policies: mbind(2) and get_mempolicy(2). The system calls are made here, not
 * by libnuma, whose constructor reads files of /proc and /sys in each process. Thread-safe; errno
 * may change.
 */
#pragma once

#include <linux/mempolicy.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Sets the policy of a range of whole pages: a mode MPOL_*, and a mask of nodes of maxnode bits. 0
 * or -errno, of mbind(2).
 */
int memory_policy_bind(void *addr, size_t size, int mode, const unsigned long *nodes,
                       unsigned long maxnode);

/* Most nodes of any kernel (CONFIG_NODES_SHIFT). */
#define MEMORY_POLICY_NODES 1024ul

struct memory_policy {
    int mode; /* MPOL_* with flags; MPOL_DEFAULT: the range has no policy of its own */
    unsigned long nodes[MEMORY_POLICY_NODES / (8 * sizeof(unsigned long))];
};

/* Stores the policy of the map at addr. 0 or -errno; on error the policy is MPOL_DEFAULT. */
int memory_policy_of(void *addr, struct memory_policy *policy);

/* Whether the kernel has policies, and the process may read its own. */
bool memory_policy_exists(void);

/*
 * Fills a mask of maxnode bits with the nodes that the process may have memory of. Nodes from
 * maxnode on are left out. 0 or -errno; on error the mask is all zero.
 */
int memory_policy_allowed(unsigned long *nodes, unsigned long maxnode);
