/* SPDX-License-Identifier: BSD-2-Clause */
/* The numbers about the kind and libc's heap. */
#include "preload/numbers.h"

#include <malloc.h>
#include <sys/stat.h>

#include "memkind/internal/memkind_pmem.h"
#include "preload/preload.h"

static size_t stat_of(memkind_stat_type type)
{
    size_t value = 0;

    (void)memkind_get_stat(preload.kind, type, &value);
    return value;
}

void numbers_take(struct numbers *numbers)
{
    const struct memkind_pmem *pmem = preload.kind->priv;
    struct mallinfo2 info = mallinfo2();
    struct stat file = {0};

    (void)memkind_update_cached_stats();
    uint64_t held = __atomic_load_n(&pmem->current_size, __ATOMIC_RELAXED);
    /* The file is as long as its pages lie apart, so no more than that was ever held. */
    uint64_t peak = fstat(pmem->fd, &file) == 0 ? (uint64_t)file.st_size : 0;
    if (pmem->max_size != 0 && peak > pmem->max_size)
        peak = pmem->max_size;
    *numbers = (struct numbers){
        .max_size = pmem->max_size,
        .file_space = held,
        .file_space_peak = peak > held ? peak : held,
        .resident = stat_of(MEMKIND_STAT_TYPE_RESIDENT),
        .active = stat_of(MEMKIND_STAT_TYPE_ACTIVE),
        .allocated = stat_of(MEMKIND_STAT_TYPE_ALLOCATED),
        .libc_resident = info.arena + info.hblkhd,
        .libc_allocated = info.uordblks + info.hblkhd,
        .fallbacks = atomic_load(&preload.fallen),
        .refused = atomic_load(&preload.refused),
    };
}
