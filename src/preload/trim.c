/* SPDX-License-Identifier: BSD-2-Clause */
/* malloc_trim(3), which programs call after freeing much: all heaps release unused memory. */
#include <errno.h>
#include <malloc.h>

#include "memkind.h"
#include "preload/preload.h"
#include "preload/withdraw.h"

/* Returns the bytes of memory that the kind holds. */
static size_t held(memkind_t kind)
{
    const struct memkind_pmem *pmem = preload_file_of(kind);
    size_t resident = 0;

    if (pmem != NULL)
        return __atomic_load_n(&pmem->current_size, __ATOMIC_RELAXED);
    (void)memkind_update_cached_stats();
    (void)memkind_get_stat(kind, MEMKIND_STAT_TYPE_RESIDENT, &resident);
    return resident;
}

/* Returns whether that released anything. */
static bool trim_kind(memkind_t kind)
{
    size_t held_before = held(kind);

    (void)memkind_purge(kind);
    return held(kind) < held_before;
}

static bool trim_kinds(void)
{
    unsigned char before = preload_self.state;
    bool trimmed = false;

    preload_set_thread(PRELOAD_BUSY);
    for (unsigned i = 0; i < preload.serving.count; i++)
        trimmed = trim_kind(preload.serving.kinds[i]) || trimmed;
    preload_set_thread(before);
    return trimmed;
}

static bool trim_libc(size_t pad)
{
    int (*trim)(size_t);

    *(void **)&trim = preload_find_in_libc("malloc_trim");
    return trim != NULL && trim(pad) != 0;
}

EXPORT int malloc_trim(size_t pad)
{
    int saved_errno = errno;
    bool trimmed = preload_self.state != PRELOAD_BUSY && preload_kind() != NULL &&
                   !preload_is_withdrawn() && trim_kinds();

    trimmed = trim_libc(pad) || trimmed;
    errno = saved_errno;
    return trimmed;
}
