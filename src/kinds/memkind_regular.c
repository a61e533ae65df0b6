/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations of the kind in the memory of the nodes that have processors: memkind_default(3). */
#include <errno.h>

#include "kinds/kind_ops.h"
#include "kinds/static_kinds.h"
#include "os/numa_nodes.h"

struct memkind_ops MEMKIND_REGULAR_OPS = ANONYMOUS_KIND_OPS(
    memkind_arena, .destroy = memkind_default_destroy, .mbind = memkind_default_mbind,
    .get_mmap_flags = memkind_default_get_mmap_flags,
    .get_mbind_mode = memkind_default_get_mbind_mode,
    .get_mbind_nodemask = memkind_regular_all_get_mbind_nodemask,
    .get_arena = memkind_thread_get_arena, .init_once = memkind_default_init_once);

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
