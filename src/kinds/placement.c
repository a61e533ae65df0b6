/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operations of kinds in anonymous memory that map memory, bind it to NUMA nodes and advise the
 * kernel: memkind_default(3).
 */
#include "kinds/placement.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memkind/internal/memkind_default.h"
#include "os/memory_policy.h"
#include "os/node_set.h"
#include "os/numa_nodes.h"
#include "os/vm.h"

int memkind_default_get_mmap_flags(struct memkind *kind, int *flags)
{
    (void)kind;
    *flags = MAP_PRIVATE | MAP_ANONYMOUS;
    return MEMKIND_SUCCESS;
}

void *memkind_default_mmap(struct memkind *kind, void *addr, size_t size)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;

    if (kind != NULL && kind->ops->get_mmap_flags != NULL &&
        kind->ops->get_mmap_flags(kind, &flags) != MEMKIND_SUCCESS) {
        errno = EINVAL;
        return MAP_FAILED;
    }
    return mmap(addr, size, PROT_READ | PROT_WRITE, flags, -1, 0);
}

int memkind_default_get_mbind_mode(struct memkind *kind, int *mode)
{
    (void)kind;
    *mode = MPOL_BIND;
    return MEMKIND_SUCCESS;
}

int memkind_preferred_get_mbind_mode(struct memkind *kind, int *mode)
{
    (void)kind;
    *mode = MPOL_PREFERRED;
    return MEMKIND_SUCCESS;
}

int memkind_interleave_get_mbind_mode(struct memkind *kind, int *mode)
{
    (void)kind;
    *mode = MPOL_INTERLEAVE;
    return MEMKIND_SUCCESS;
}

int memkind_default_get_mbind_nodemask(struct memkind *kind, unsigned long *nodemask,
                                       unsigned long maxnode)
{
    (void)kind;
    if (nodemask == NULL || maxnode == 0)
        return MEMKIND_ERROR_INVALID;
    return memory_policy_allowed(nodemask, maxnode) == 0 ? MEMKIND_SUCCESS
                                                         : MEMKIND_ERROR_UNAVAILABLE;
}

struct policy {
    unsigned long nodes[BITS_LONGS(NUMA_NUM_NODES)];
    int mode;
};

static int policy_of(struct memkind *kind, struct policy *policy)
{
    struct memkind_ops *ops = kind->ops;

    *policy = (struct policy){.mode = MPOL_BIND};
    int err = ops->get_mbind_nodemask != NULL
                  ? ops->get_mbind_nodemask(kind, policy->nodes, NUMA_NUM_NODES)
                  : memkind_default_get_mbind_nodemask(kind, policy->nodes, NUMA_NUM_NODES);

    if (err == MEMKIND_SUCCESS && ops->get_mbind_mode != NULL)
        err = ops->get_mbind_mode(kind, &policy->mode);
    return err;
}

bool placement_needs_binding(struct memkind *kind)
{
    struct policy own, all;

    if (kind->ops->get_mbind_nodemask == memkind_regular_all_get_mbind_nodemask ||
        policy_of(kind, &own) != MEMKIND_SUCCESS || own.mode != MPOL_BIND ||
        memkind_default_get_mbind_nodemask(kind, all.nodes, NUMA_NUM_NODES) != MEMKIND_SUCCESS)
        return false;
    for (size_t i = 0; i < sizeof(all.nodes) / sizeof(all.nodes[0]); i++)
        if ((all.nodes[i] & ~own.nodes[i]) != 0)
            return true;
    return false;
}

int memkind_default_mbind(struct memkind *kind, void *ptr, size_t size)
{
    int saved_errno = errno;
    struct policy policy;
    int err = policy_of(kind, &policy);

    if (err != MEMKIND_SUCCESS)
        return err;
    int failure = memory_policy_bind(ptr, size, policy.mode, policy.nodes, NUMA_NUM_NODES);
    if (failure != 0 && (!numa_nodes_forbid_binding() || placement_needs_binding(kind))) {
        errno = -failure;
        return MEMKIND_ERROR_MBIND;
    }
    errno = saved_errno;
    return MEMKIND_SUCCESS;
}

/*
 * Whether the failure of MADV_NOHUGEPAGE is no error: EINVAL comes from a kernel without huge
 * pages, unless the address is invalid; EPERM and ENOSYS come from the system call filter of a
 * container.
 */
static bool needs_no_advice(const void *addr, int err)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    return err == -EPERM || err == -ENOSYS || (err == -EINVAL && (uintptr_t)addr % page == 0);
}

int memkind_nohugepage_madvise(struct memkind *kind, void *addr, size_t size)
{
    int saved_errno = errno;
    int err = vm_use_small_pages(addr, size);

    (void)kind;
    if (err != 0 && !needs_no_advice(addr, err))
        return MEMKIND_ERROR_OPERATION_FAILED;
    errno = saved_errno;
    return MEMKIND_SUCCESS;
}
