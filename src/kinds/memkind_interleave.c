/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations of the kind whose pages interleave over all nodes: memkind_interleave(3). */
#include "memkind/internal/memkind_interleave.h"

#include "kinds/arena_kind.h"
#include "kinds/kind_ops.h"
#include "kinds/static_kinds.h"

struct memkind_ops MEMKIND_INTERLEAVE_OPS = ANONYMOUS_KIND_OPS(
    memkind_arena, .destroy = memkind_arena_destroy, .mbind = memkind_default_mbind,
    .madvise = memkind_nohugepage_madvise, .get_mmap_flags = memkind_default_get_mmap_flags,
    .get_mbind_mode = memkind_interleave_get_mbind_mode,
    .get_mbind_nodemask = memkind_default_get_mbind_nodemask, .get_arena = memkind_thread_get_arena,
    .init_once = memkind_interleave_init_once);

void memkind_interleave_init_once(void)
{
    arena_kind_ready(&static_kind_interleave);
}
