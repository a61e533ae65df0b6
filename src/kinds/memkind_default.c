/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations of the default heap, and pieces for other kinds: memkind_default(3). */
#include "memkind/internal/memkind_default.h"

#include <errno.h>
#include <numa.h>
#include <numaif.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "heap/heap.h"
#include "heap/jemalloc_ctl.h"
#include "kinds/memkind_default_internal.h"
#include "kinds/static_kinds.h"
#include "memkind/internal/memkind_arena.h"
#include "os/cpus.h"
#include "os/numa_nodes.h"
#include "util/env.h"
#include "util/log.h"

/* -- Life -------------------------------------------------------------------------------------- */

int memkind_default_create(struct memkind *kind, struct memkind_ops *ops, const char *name)
{
    if (kind == NULL || ops == NULL || name == NULL)
        return MEMKIND_ERROR_INVALID;
    kind->ops = ops;
    kind->name[0] = '\0';
    strncat(kind->name, name, sizeof(kind->name) - 1);
    kind->allow_zero_allocs = false;
    return MEMKIND_SUCCESS;
}

int memkind_default_destroy(struct memkind *kind)
{
    (void)kind;
    return MEMKIND_SUCCESS;
}

static void start_background_threads(void)
{
    unsigned limit = 0;
    int err = env_uint("MEMKIND_BACKGROUND_THREAD_LIMIT", 0, INT_MAX, &limit);
    unsigned cpus = cpus_usable();

    if (err == -EINVAL || limit > cpus) {
        log_error("MEMKIND_BACKGROUND_THREAD_LIMIT is not a number from 0 to %u and is ignored",
                  cpus);
        err = -EINVAL;
    }
    /* Without a limit, one for each processor. */
    if (limit == 0 || err != 0)
        limit = cpus;
    if (jemalloc_ctl_limit_background_threads(limit) != 0)
        log_error("the number of background threads could not be limited to %u", limit);
    if (err == 0 && jemalloc_ctl_set_background_threads(true) != 0)
        log_error("background threads could not be started");
}

void memkind_default_init_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, start_background_threads);
}

/* -- The default heap -------------------------------------------------------------------------- */

/* The operations are for kinds of the program's too: whichever it is, the blocks are the default
 * kind's. A block of no size, where the kind allows it, is one of the smallest size. */
static size_t size_of_request(size_t size)
{
    return size != 0 ? size : 1;
}

void *memkind_default_malloc(struct memkind *kind, size_t size)
{
    return memkind_default_refuses(kind, size)
               ? NULL
               : memkind_arena_malloc(&static_kind_default, size_of_request(size));
}

void *memkind_default_calloc(struct memkind *kind, size_t num, size_t size)
{
    if (memkind_default_refuses(kind, num) || memkind_default_refuses(kind, size))
        return NULL;
    if (num == 0 || size == 0)
        return memkind_arena_calloc(&static_kind_default, 1, 1);
    return memkind_arena_calloc(&static_kind_default, num, size);
}

int memkind_default_posix_memalign(struct memkind *kind, void **memptr, size_t alignment,
                                   size_t size)
{
    int err = memkind_posix_check_alignment(kind, alignment);

    if (err != 0)
        return err;
    if (memkind_default_refuses(kind, size)) {
        *memptr = NULL;
        return 0;
    }
    return memkind_arena_posix_memalign(&static_kind_default, memptr, alignment,
                                        size_of_request(size));
}

void *memkind_default_realloc(struct memkind *kind, void *ptr, size_t size)
{
    return ptr == NULL ? memkind_default_malloc(kind, size)
                       : memkind_arena_realloc(&static_kind_default, ptr, size);
}

void memkind_default_free(struct memkind *kind, void *ptr)
{
    memkind_arena_free(kind, ptr);
}

size_t memkind_default_malloc_usable_size(struct memkind *kind, void *ptr)
{
    (void)kind;
    return ptr == NULL ? 0 : heap_usable_size(ptr);
}

int memkind_posix_check_alignment(struct memkind *kind, size_t alignment)
{
    (void)kind;
    return alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0 ? EINVAL : 0;
}

/* -- Mapping and binding ----------------------------------------------------------------------- */

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

static void copy_nodes(const struct bitmask *nodes, unsigned long *nodemask, unsigned long maxnode)
{
    enum { BITS = 8 * sizeof(unsigned long) };

    memset(nodemask, 0, (maxnode + BITS - 1) / BITS * sizeof(unsigned long));
    for (unsigned node = 0; node < maxnode && node < nodes->size; node++)
        if (numa_bitmask_isbitset(nodes, node))
            nodemask[node / BITS] |= 1ul << node % BITS;
}

int memkind_default_get_mbind_nodemask(struct memkind *kind, unsigned long *nodemask,
                                       unsigned long maxnode)
{
    (void)kind;
    if (nodemask == NULL || maxnode == 0)
        return MEMKIND_ERROR_INVALID;
    if (numa_available() < 0)
        return MEMKIND_ERROR_UNAVAILABLE;
    copy_nodes(numa_all_nodes_ptr, nodemask, maxnode);
    return MEMKIND_SUCCESS;
}

int memkind_regular_all_get_mbind_nodemask(struct memkind *kind, unsigned long *nodemask,
                                           unsigned long maxnode)
{
    (void)kind;
    switch (numa_nodes_with_cpus(nodemask, maxnode)) {
    case 0:
        return MEMKIND_SUCCESS;
    case -EINVAL:
        return MEMKIND_ERROR_INVALID;
    default:
        return MEMKIND_ERROR_UNAVAILABLE;
    }
}

struct policy {
    unsigned long nodes[NUMA_NUM_NODES / (8 * sizeof(unsigned long))];
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

bool memkind_default_needs_binding(struct memkind *kind)
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
    /* The kernel reads one bit less than it is told. */
    if (mbind(ptr, size, policy.mode, policy.nodes, NUMA_NUM_NODES + 1, 0) == 0)
        return MEMKIND_SUCCESS;
    if (!numa_nodes_forbid_binding() || memkind_default_needs_binding(kind))
        return MEMKIND_ERROR_MBIND;
    errno = saved_errno;
    return MEMKIND_SUCCESS;
}

/*
 * Whether a range is without large pages, whatever the answer to the advice was: a kernel that was
 * built without them does not know the advice, and a container's filter forbids some advice or all.
 */
static bool needs_no_advice(const void *addr)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    return errno == EPERM || errno == ENOSYS || (errno == EINVAL && (uintptr_t)addr % page == 0);
}

int memkind_nohugepage_madvise(struct memkind *kind, void *addr, size_t size)
{
    int saved_errno = errno;

    (void)kind;
    if (madvise(addr, size, MADV_NOHUGEPAGE) == 0)
        return MEMKIND_SUCCESS;
    if (!needs_no_advice(addr))
        return MEMKIND_ERROR_OPERATION_FAILED;
    errno = saved_errno;
    return MEMKIND_SUCCESS;
}
