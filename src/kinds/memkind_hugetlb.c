/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations of kinds whose memory is huge pages: memkind_hugetlb(3). */
#include "memkind/internal/memkind_hugetlb.h"

#include <linux/mman.h>
#include <sys/mman.h>

#include "kinds/arena_kind.h"
#include "kinds/kind_ops.h"
#include "kinds/static_kinds.h"
#include "os/huge_pages_pool.h"
#include "os/node_set.h"
#include "store/huge_page_store.h"
#include "util/bits.h"

struct memkind_ops MEMKIND_HUGETLB_OPS = ANONYMOUS_KIND_OPS(
    memkind_arena, .destroy = memkind_arena_destroy,
    .get_mmap_flags = memkind_hugetlb_get_mmap_flags, .get_arena = memkind_thread_get_arena,
    .check_available = memkind_hugetlb_check_available_2mb, .init_once = memkind_hugetlb_init_once);

int memkind_hugetlb_check_available_2mb(struct memkind *kind)
{
    unsigned long nodes[BITS_LONGS(NUMA_NUM_NODES)] = {0};
    const unsigned long *mask = NULL;

    if (kind != NULL && kind->ops->get_mbind_nodemask != NULL) {
        int status = kind->ops->get_mbind_nodemask(kind, nodes, NUMA_NUM_NODES);

        if (status != MEMKIND_SUCCESS)
            return status;
        mask = nodes;
    }
    huge_page_store_recheck();
    return huge_pages_pool_size(mask, NUMA_NUM_NODES) != 0 ? MEMKIND_SUCCESS
                                                           : MEMKIND_ERROR_HUGETLB;
}

int memkind_hugetlb_get_mmap_flags(struct memkind *kind, int *flags)
{
    (void)kind;
    if (flags == NULL)
        return MEMKIND_ERROR_INVALID;
    /* The kernel's default size may be another one. */
    *flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB;
    return MEMKIND_SUCCESS;
}

void memkind_hugetlb_init_once(void)
{
    arena_kind_ready(&static_kind_hugetlb);
}
