/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's memory policies. */
#include "os/memory_policy.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/bits.h"

/* The kernel refuses a mask with fewer bits than it has nodes. */
#define KERNEL_NODES MEMORY_POLICY_NODES

int memory_policy_bind(void *addr, size_t size, int mode, const unsigned long *nodes,
                       unsigned long maxnode)
{
    /* mbind(2) uses one bit less than its argument. */
    unsigned long bits = nodes != NULL ? maxnode + 1 : 0;

    return syscall(SYS_mbind, addr, size, mode, nodes, bits, 0) == 0 ? 0 : -errno;
}

int memory_policy_of(void *addr, struct memory_policy *policy)
{
    *policy = (struct memory_policy){.mode = MPOL_DEFAULT};
    if (syscall(SYS_get_mempolicy, &policy->mode, policy->nodes, KERNEL_NODES + 1, addr,
                MPOL_F_ADDR) == 0)
        return 0;
    policy->mode = MPOL_DEFAULT;
    return -errno;
}

bool memory_policy_exists(void)
{
    return syscall(SYS_get_mempolicy, NULL, NULL, 0, NULL, 0) == 0 ||
           (errno != ENOSYS && errno != EPERM);
}

int memory_policy_allowed(unsigned long *nodes, unsigned long maxnode)
{
    unsigned long allowed[BITS_LONGS(KERNEL_NODES)] = {0};

    bits_clear(nodes, maxnode);
    if (syscall(SYS_get_mempolicy, NULL, allowed, KERNEL_NODES + 1, NULL, MPOL_F_MEMS_ALLOWED) != 0)
        return -errno;
    for (unsigned long node = 0; node < maxnode && node < KERNEL_NODES; node++)
        if (bits_has(allowed, node))
            bits_add(nodes, node);
    return 0;
}
