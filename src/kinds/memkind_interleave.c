/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations of the kind whose pages are spread over all nodes: memkind_interleave(3). */
#include "memkind/internal/memkind_interleave.h"

#include "kinds/memkind_arena_internal.h"
#include "kinds/static_kinds.h"
#include "memkind/internal/memkind_default.h"

struct memkind_ops MEMKIND_INTERLEAVE_OPS = {
    .create = memkind_arena_create,
    .destroy = memkind_arena_destroy,
    .malloc = memkind_arena_malloc,
    .calloc = memkind_arena_calloc,
    .posix_memalign = memkind_arena_posix_memalign,
    .realloc = memkind_arena_realloc,
    .free = memkind_arena_free,
    .mmap = memkind_default_mmap,
    .mbind = memkind_default_mbind,
    .madvise = memkind_nohugepage_madvise,
    .get_mmap_flags = memkind_default_get_mmap_flags,
    .get_mbind_mode = memkind_interleave_get_mbind_mode,
    .get_mbind_nodemask = memkind_default_get_mbind_nodemask,
    .get_arena = memkind_thread_get_arena,
    .init_once = memkind_interleave_init_once,
    .finalize = memkind_arena_destroy,
    .malloc_usable_size = memkind_default_malloc_usable_size,
    .update_memory_usage_policy = memkind_arena_update_memory_usage_policy,
    .get_stat = memkind_arena_get_stat,
    .defrag_reallocate = memkind_arena_defrag_reallocate,
};

void memkind_interleave_init_once(void)
{
    memkind_arena_ready(&static_kind_interleave);
}
