/* SPDX-License-Identifier: BSD-2-Clause */
/* The kinds that are part of the library, and the public names of them and their operations. */
#include "kinds/static_kinds.h"

#include "kinds/fastest_local.h"
#include "kinds/highest_capacity.h"
#include "kinds/memkind_default_internal.h"
#include "memkind/internal/memkind_arena.h"
#include "memkind/internal/memkind_dax_kmem.h"
#include "memkind/internal/memkind_default.h"
#include "memkind/internal/memkind_hbw.h"
#include "memkind/internal/memkind_hugetlb.h"
#include "memkind/internal/memkind_interleave.h"

struct memkind_ops MEMKIND_DEFAULT_OPS = {
    .create = memkind_default_create,
    .destroy = memkind_default_destroy,
    .malloc = memkind_arena_malloc,
    .calloc = memkind_arena_calloc,
    .posix_memalign = memkind_arena_posix_memalign,
    .realloc = memkind_arena_realloc,
    .free = memkind_arena_free,
    .init_once = memkind_default_init_once,
    .malloc_usable_size = memkind_default_malloc_usable_size,
    .get_stat = memkind_arena_get_stat,
    .defrag_reallocate = memkind_arena_defrag_reallocate,
};

struct memkind_ops MEMKIND_REGULAR_OPS = {
    .create = memkind_arena_create,
    .destroy = memkind_default_destroy,
    .malloc = memkind_arena_malloc,
    .calloc = memkind_arena_calloc,
    .posix_memalign = memkind_arena_posix_memalign,
    .realloc = memkind_arena_realloc,
    .free = memkind_arena_free,
    .mmap = memkind_default_mmap,
    .mbind = memkind_default_mbind,
    .get_mmap_flags = memkind_default_get_mmap_flags,
    .get_mbind_mode = memkind_default_get_mbind_mode,
    .get_mbind_nodemask = memkind_regular_all_get_mbind_nodemask,
    .get_arena = memkind_thread_get_arena,
    .init_once = memkind_default_init_once,
    .finalize = memkind_arena_destroy,
    .malloc_usable_size = memkind_default_malloc_usable_size,
    .update_memory_usage_policy = memkind_arena_update_memory_usage_policy,
    .get_stat = memkind_arena_get_stat,
    .defrag_reallocate = memkind_arena_defrag_reallocate,
};

struct memkind static_kind_default = {
    .ops = &MEMKIND_DEFAULT_OPS,
    .partition = MEMKIND_PARTITION_DEFAULT,
    .name = "memkind_default",
    .init_once = PTHREAD_ONCE_INIT,
};

/* These get their heaps when they are first allocated from. */
struct memkind static_kind_regular = {
    .ops = &MEMKIND_REGULAR_OPS,
    .partition = MEMKIND_PARTITION_REGULAR,
    .name = "memkind_regular",
    .init_once = PTHREAD_ONCE_INIT,
};

struct memkind static_kind_hugetlb = {
    .ops = &MEMKIND_HUGETLB_OPS,
    .partition = MEMKIND_PARTITION_HUGETLB,
    .name = "memkind_hugetlb",
    .init_once = PTHREAD_ONCE_INIT,
};

struct memkind static_kind_interleave = {
    .ops = &MEMKIND_INTERLEAVE_OPS,
    .partition = MEMKIND_PARTITION_INTERLEAVE,
    .name = "memkind_interleave",
    .init_once = PTHREAD_ONCE_INIT,
};

#define DEFINE_NODE_KIND(NAME, LOWER)          \
    struct memkind static_kind_##LOWER = {     \
        .ops = &MEMKIND_##NAME##_OPS,          \
        .partition = MEMKIND_PARTITION_##NAME, \
        .name = "memkind_" #LOWER,             \
        .init_once = PTHREAD_ONCE_INIT,        \
    };                                         \
    memkind_t MEMKIND_##NAME = &static_kind_##LOWER;
STATIC_NODE_KINDS(DEFINE_NODE_KIND)

memkind_t MEMKIND_DEFAULT = &static_kind_default;
memkind_t MEMKIND_REGULAR = &static_kind_regular;
memkind_t MEMKIND_HUGETLB = &static_kind_hugetlb;
memkind_t MEMKIND_INTERLEAVE = &static_kind_interleave;
