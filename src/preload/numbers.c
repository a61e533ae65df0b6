/* SPDX-License-Identifier: BSD-2-Clause */
/* Statistics of the kinds and libc's heap. */
#include "preload/numbers.h"

#include <malloc.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "preload/preload.h"

static size_t stat_of(memkind_t kind, memkind_stat_type type)
{
    size_t value = 0;

    (void)memkind_get_stat(kind, type, &value);
    return value;
}

/* Reads the figures of the file. */
static void take_file(struct numbers *numbers, const struct memkind_pmem *pmem)
{
    struct stat file = {0};
    uint64_t held = __atomic_load_n(&pmem->current_size, __ATOMIC_RELAXED);
    /* The file's length is an upper bound of the space that was ever held. */
    uint64_t peak = fstat(pmem->fd, &file) == 0 ? (uint64_t)file.st_size : 0;

    if (pmem->max_size != 0 && peak > pmem->max_size)
        peak = pmem->max_size;
    numbers->max_size = pmem->max_size;
    numbers->file_space = held;
    numbers->file_space_peak = peak > held ? peak : held;
}

void numbers_take_kind(struct numbers *numbers, memkind_t kind)
{
    *numbers = (struct numbers){
        .resident = stat_of(kind, MEMKIND_STAT_TYPE_RESIDENT),
        .active = stat_of(kind, MEMKIND_STAT_TYPE_ACTIVE),
        .allocated = stat_of(kind, MEMKIND_STAT_TYPE_ALLOCATED),
    };
    if (preload_file_of(kind) != NULL)
        take_file(numbers, preload_file_of(kind));
}

static void add(struct numbers *sum, const struct numbers *numbers)
{
    sum->max_size += numbers->max_size;
    sum->file_space += numbers->file_space;
    sum->file_space_peak += numbers->file_space_peak;
    sum->resident += numbers->resident;
    sum->active += numbers->active;
    sum->allocated += numbers->allocated;
}

void numbers_take(struct numbers *numbers)
{
    struct mallinfo2 info = mallinfo2();
    bool limited = true;

    (void)memkind_update_cached_stats();
    *numbers = (struct numbers){
        .libc_resident = info.arena + info.hblkhd,
        .libc_allocated = info.uordblks + info.hblkhd,
        .fallbacks = atomic_load(&preload.fallen),
        .refused = atomic_load(&preload.refused),
    };
    for (unsigned i = 0; i < preload.serving.count; i++) {
        struct numbers own;

        numbers_take_kind(&own, preload.serving.kinds[i]);
        add(numbers, &own);
        limited = limited && own.max_size != 0;
    }
    if (!limited)
        numbers->max_size = 0;
}
