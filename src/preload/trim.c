/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * malloc_trim(3), which programs call when they have freed much: both heaps give back what is
 * unused.
 */
#include <errno.h>
#include <malloc.h>

#include "memkind.h"
#include "memkind/internal/memkind_pmem.h"
#include "preload/preload.h"

static size_t held(memkind_t kind)
{
    const struct memkind_pmem *pmem = kind->priv;

    return __atomic_load_n(&pmem->current_size, __ATOMIC_RELAXED);
}

/* Whether that gave anything back. */
static bool trim_kind(memkind_t kind)
{
    unsigned char before = preload_thread;
    size_t held_before = held(kind);

    preload_set_thread(PRELOAD_BUSY);
    (void)memkind_purge(kind);
    preload_set_thread(before);
    return held(kind) < held_before;
}

static bool trim_libc(size_t pad)
{
    int (*trim)(size_t);

    *(void **)&trim = preload_find_in_libc("malloc_trim");
    return trim != NULL && trim(pad) != 0;
}

__attribute__((visibility("default"))) int malloc_trim(size_t pad)
{
    int saved_errno = errno;
    memkind_t kind = preload_thread != PRELOAD_BUSY ? preload_kind() : NULL;
    bool trimmed = kind != NULL && trim_kind(kind);

    trimmed = trim_libc(pad) || trimmed;
    errno = saved_errno;
    return trimmed;
}
