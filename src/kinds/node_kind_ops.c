/* SPDX-License-Identifier: BSD-2-Clause */
/* The operations of the library's kinds in the memory of certain NUMA nodes. */
#include "kinds/kind_ops.h"
#include "kinds/node_kind.h"
#include "kinds/static_kinds.h"
#include "memkind/internal/memkind_hbw.h"

#define NODE_MODE_BIND .get_mbind_mode = memkind_default_get_mbind_mode
/* Of several nodes, the kernel prefers the one with the lowest number. */
#define NODE_MODE_PREFER .get_mbind_mode = memkind_preferred_get_mbind_mode
/* A huge page lies on one node, so it would not interleave. */
#define NODE_MODE_INTERLEAVE \
    .get_mbind_mode = memkind_interleave_get_mbind_mode, .madvise = memkind_nohugepage_madvise

#define NODE_PAGES_SMALL \
    .get_mmap_flags = node_kind_get_mmap_flags, .check_available = node_kind_check_available
#define NODE_PAGES_HUGE                                 \
    .get_mmap_flags = node_kind_get_hugetlb_mmap_flags, \
    .check_available = node_kind_check_hugetlb_available

/* get_mbind_nodemask for each choice of nodes. */
#define DEFINE_NODEMASK(NODES, IS_LOCAL)                                        \
    static int nodes_of_##NODES(struct memkind *kind, unsigned long *nodemask,  \
                                unsigned long maxnode)                          \
    {                                                                           \
        (void)kind;                                                             \
        return node_kind_store_choice(&node_choice_##NODES, nodemask, maxnode); \
    }
NODE_CHOICES(DEFINE_NODEMASK)

#define DEFINE_NODE_KIND_OPS(NAME, LOWER, NODES, MODE, PAGES, INIT)               \
    struct memkind_ops MEMKIND_##NAME##_OPS = ANONYMOUS_KIND_OPS(                 \
        node_kind, .destroy = memkind_default_destroy, .mbind = node_kind_mbind,  \
        .get_mbind_nodemask = nodes_of_##NODES, .get_arena = node_kind_get_arena, \
        .init_once = (INIT), NODE_MODE_##MODE, NODE_PAGES_##PAGES);
STATIC_NODE_KINDS(DEFINE_NODE_KIND_OPS)
