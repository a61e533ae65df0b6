/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks of file space and statistics, and of refusals for lack of space. */
#include "fuzz/model.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define STAT_BLOCK      512 /* the unit of st_blocks */
#define SLAB_LARGEST    ((size_t)8 * MODEL_PAGE)
#define SLAB_OF_4_LEAST ((size_t)64)
#define SLAB_OF_4_MOST  (2 * KIB)
#define SETTLE_TRIES    100
#define SETTLE_US       2000
#define LARGE_LEAST     (16 * KIB)
#define LEFT_TO_OTHERS  (512 * MIB) /* of the file system */

static size_t held_by(const struct model_kind *kind)
{
    return __atomic_load_n(&model_pmem(kind)->current_size, __ATOMIC_RELAXED);
}

void model_check_kind(const struct model_world *world, const struct model_kind *kind)
{
    struct stat status;

    if (kind->sort != MODEL_PMEM || world->in_hardship)
        return;
    size_t held = held_by(kind);
    MODEL_CHECK(kind->max_size == 0 || held <= kind->max_size, "%zu bytes held, max_size %zu", held,
                kind->max_size);
    if (!world->exact || world->background || kind->shared)
        return;
    MODEL_CHECK(fstat(model_pmem(kind)->fd, &status) == 0, "the file is closed");
    MODEL_CHECK(!world->tmpfs || held == (size_t)status.st_blocks * STAT_BLOCK,
                "current_size is %zu, the file has %zu", held,
                (size_t)status.st_blocks * STAT_BLOCK);
}

/* -- Sizes ------------------------------------------------------------------------------------- */

/* Returns the usable size of a large request: four classes in each doubling. */
static size_t class_size(size_t size)
{
    size_t step = (size_t)1 << (61 - __builtin_clzll(size - 1));

    return (size + step - 1) & ~(step - 1);
}

/* Returns the size of the slab of a block of one, two or three whole pages. */
static size_t slab_of_pages(size_t usable)
{
    return (usable == 3 * MODEL_PAGE ? 6 : 8) * MODEL_PAGE;
}

/* Returns how many of the smallest slabs, of whole pages, a slab of this class has. */
static size_t smallest_slabs(size_t usable)
{
    bool fits_one_page = usable >= SLAB_OF_4_LEAST && MODEL_PAGE % usable == 0;

    return fits_one_page && usable <= SLAB_OF_4_MOST ? 4 : 1;
}

/* Returns the bytes that a block of this class holds if it is alone: a slab. */
static size_t alone(const struct model_kind *kind, size_t usable)
{
    size_t size = usable;

    if (kind->whole_slabs && usable % MODEL_PAGE == 0 && usable <= 3 * MODEL_PAGE)
        return slab_of_pages(usable);
    while (size % MODEL_PAGE != 0)
        size += usable;
    return size * smallest_slabs(usable);
}

/*
 * Returns the most file space that the kind can need for its blocks, whatever they share pages
 * with.
 */
static size_t most_needed(const struct model_world *world, const struct model_kind *kind)
{
    size_t bytes = kind->mapped;

    for (size_t i = 0; i < world->count; i++)
        if (&world->kinds[world->blocks[i]->slot] == kind && !world->blocks[i]->mapped)
            bytes += alone(kind, world->blocks[i]->size);
    return bytes;
}

/* -- Statistics -------------------------------------------------------------------------------- */

static size_t statistic(memkind_t kind, memkind_stat_type stat)
{
    size_t value = 0;

    MODEL_CHECK(memkind_get_stat(kind, stat, &value) == MEMKIND_SUCCESS, "no statistic %d",
                (int)stat);
    return value;
}

/*
 * Returns the bytes allocated. The library's idle thread may be moving blocks from caches to arenas
 * just now, so another number is read again.
 */
static size_t allocated_in(const struct model_kind *kind)
{
    size_t allocated = statistic(kind->handle, MEMKIND_STAT_TYPE_ALLOCATED);

    for (unsigned i = 0; i < SETTLE_TRIES && allocated != kind->allocated; i++) {
        usleep(SETTLE_US);
        MODEL_CHECK(memkind_update_cached_stats() == MEMKIND_SUCCESS, "no statistics");
        allocated = statistic(kind->handle, MEMKIND_STAT_TYPE_ALLOCATED);
    }
    return allocated;
}

static void check_statistics_of(const struct model_world *world, const struct model_kind *kind)
{
    size_t allocated = allocated_in(kind);
    size_t active = statistic(kind->handle, MEMKIND_STAT_TYPE_ACTIVE);
    size_t resident = statistic(kind->handle, MEMKIND_STAT_TYPE_RESIDENT);
    int slot = (int)(kind - world->kinds);

    /* The default heap has jemalloc's thread caches, whose blocks count as allocated. */
    MODEL_CHECK(allocated == kind->allocated || (slot == 0 && allocated > kind->allocated),
                "kind %d: ALLOCATED is %zu, blocks have %zu", slot, allocated, kind->allocated);
    MODEL_CHECK(active % MODEL_PAGE == 0 && active >= allocated, "kind %d: ACTIVE %zu of %zu", slot,
                active, allocated);
    MODEL_CHECK(resident >= active, "kind %d: RESIDENT %zu, ACTIVE %zu", slot, resident, active);
    if (kind->sort != MODEL_PMEM || world->background)
        return;
    MODEL_CHECK(held_by(kind) >= active + kind->mapped,
                "kind %d: holds %zu, needs %zu and %zu mapped", slot, held_by(kind), active,
                kind->mapped);
    /* No more than needed, and nothing in threads' caches. */
    MODEL_CHECK(!kind->conservative || (held_by(kind) == active + kind->mapped &&
                                        held_by(kind) <= most_needed(world, kind)),
                "kind %d: conservative, holds %zu, needs %zu or at most %zu, and %zu mapped", slot,
                held_by(kind), active, most_needed(world, kind), kind->mapped);
}

void model_check_statistics(struct model_world *world)
{
    size_t sum = 0;

    MODEL_CHECK(memkind_update_cached_stats() == MEMKIND_SUCCESS, "no statistics");
    if (!world->exact)
        return;
    for (unsigned slot = 0; slot < MODEL_SLOTS; slot++)
        if (world->kinds[slot].handle != NULL) {
            check_statistics_of(world, &world->kinds[slot]);
            sum += statistic(world->kinds[slot].handle, MEMKIND_STAT_TYPE_ALLOCATED);
        }
    MODEL_CHECK(statistic(NULL, MEMKIND_STAT_TYPE_ALLOCATED) == sum,
                "ALLOCATED of the library is %zu, of its kinds %zu",
                statistic(NULL, MEMKIND_STAT_TYPE_ALLOCATED), sum);
}

void model_check_all(struct model_world *world)
{
    for (size_t i = 0; i < world->count; i++)
        model_check_block(world, world->blocks[i]);
    for (unsigned slot = MODEL_OWN; slot < MODEL_SLOTS; slot++)
        if (world->kinds[slot].handle != NULL)
            model_check_kind(world, &world->kinds[slot]);
    model_check_statistics(world);
}

/* -- Refusals ---------------------------------------------------------------------------------- */

/* Returns the most file space that a request can need. */
static size_t space_for(size_t size, size_t alignment)
{
    if (alignment > MODEL_PAGE && size < LARGE_LEAST)
        size = LARGE_LEAST;
    /*
     * A small request with an alignment may get another class. No class has larger slabs than this.
     */
    return size < LARGE_LEAST ? SLAB_LARGEST : class_size(size);
}

static bool file_system_is_full(const struct model_world *world, size_t needed)
{
    struct statvfs fs;

    return statvfs(world->dir, &fs) != 0 || fs.f_bavail * fs.f_frsize < needed + LEFT_TO_OTHERS;
}

/*
 * NULL means that there is no space: a request that fits beside what blocks need must succeed,
 * whatever threads keep. ACTIVE is a closer bound of what is needed, and includes what threads
 * keep.
 */
void model_check_refusal(struct model_world *world, const struct model_kind *kind, size_t size,
                         size_t alignment)
{
    int slot = (int)(kind - world->kinds);

    if (size >= MODEL_NEVER_FIT || alignment > GIB || kind->sort == MODEL_FILELESS ||
        world->in_hardship)
        return;
    MODEL_CHECK(kind->sort == MODEL_PMEM, "kind %d of anonymous memory refuses %zu bytes", slot,
                size);
    if (world->file_limit || !world->exact)
        return;
    size_t needed = space_for(size, alignment);
    if (kind->max_size == 0) {
        MODEL_CHECK(file_system_is_full(world, needed), "kind %d without a limit refuses %zu bytes",
                    slot, size);
        return;
    }
    if (needed > kind->max_size)
        return;
    MODEL_CHECK(memkind_update_cached_stats() == MEMKIND_SUCCESS, "no statistics");
    size_t used = statistic(kind->handle, MEMKIND_STAT_TYPE_ACTIVE) + kind->mapped;
    size_t most = most_needed(world, kind);
    if (most < used)
        used = most;
    MODEL_CHECK(used + needed > kind->max_size || file_system_is_full(world, needed),
                "kind %d: %zu of %zu needed, %zu of them mapped, but %zu (%zu) refused", slot, used,
                kind->max_size, kind->mapped, size, needed);
}
