/* SPDX-License-Identifier: BSD-2-Clause */
/* The values of mallctl(3)'s controls, and the table of their names. */
#include "preload/mallctl_controls.h"

#include <stdatomic.h>

#include "preload/preload.h"
#include "preload/utilization.h"
#include "preload/whole_heap.h"
#include "util/decay.h"

#define VERSION "5.3.0-0-memkind" /* the jemalloc behind the heap */

/* -- What is read ------------------------------------------------------------------------------ */

static void get_version(union mallctl_value *value)
{
    value->text = VERSION;
}

static void get_epoch(union mallctl_value *value)
{
    value->number64 = whole_heap_epoch();
}

static int set_epoch(const union mallctl_value *value)
{
    (void)value;
    whole_heap_refresh();
    return 0;
}

static void get_allocated(union mallctl_value *value)
{
    value->size = whole_heap_numbers().allocated;
}

static void get_active(union mallctl_value *value)
{
    value->size = whole_heap_numbers().active;
}

static void get_resident(union mallctl_value *value)
{
    value->size = whole_heap_numbers().resident;
}

static void get_mapped(union mallctl_value *value)
{
    value->size = whole_heap_numbers().mapped;
}

static void get_nothing(union mallctl_value *value)
{
    value->size = 0;
}

static void get_true(union mallctl_value *value)
{
    value->flag = true;
}

static void get_false(union mallctl_value *value)
{
    value->flag = false;
}

static void get_arenas(union mallctl_value *value)
{
    value->number = MALLCTL_ARENAS;
}

static void get_arena(union mallctl_value *value)
{
    value->number = 0;
}

static void get_quantum(union mallctl_value *value)
{
    value->size = PRELOAD_LEAST_BLOCK;
}

static void get_decay(union mallctl_value *value)
{
    value->signed_size = DECAY_MS;
}

/* -- What is done ------------------------------------------------------------------------------ */

static int purge(const union mallctl_value *value)
{
    (void)value;
    whole_heap_purge();
    return 0;
}

/* For actions that the heap takes by itself, at a time that it chooses. */
static int leave_to_heap(const union mallctl_value *value)
{
    (void)value;
    return 0;
}

static atomic_bool background;

static void get_background(union mallctl_value *value)
{
    value->flag = atomic_load(&background);
}

/*
 * libmemkind's idle thread already does what jemalloc's background threads would do. With these,
 * each fork would wait for all of their locks.
 */
static int set_background(const union mallctl_value *value)
{
    atomic_store(&background, value->flag);
    return 0;
}

/* -- The controls ------------------------------------------------------------------------------ */

#define SIZE_OF(member) sizeof(((union mallctl_value *)NULL)->member)

#define CONTROL(text, member, getter, setter)                                     \
    {                                                                             \
        .name = (text), .size = SIZE_OF(member), .get = (getter), .set = (setter) \
    }
#define ACTION(text, setter)            \
    {                                   \
        .name = (text), .set = (setter) \
    }
#define QUERY(text, function)               \
    {                                       \
        .name = (text), .query = (function) \
    }
#define NUMBER(text)                        \
    {                                       \
        .name = (text), .is_of_kinds = true \
    }

const struct mallctl_control mallctl_controls[] = {
    CONTROL("version", text, get_version, NULL),
    CONTROL("epoch", number64, get_epoch, set_epoch),
    CONTROL("background_thread", flag, get_background, set_background),
    CONTROL("config.stats", flag, get_true, NULL),
    CONTROL("config.prof", flag, get_false, NULL),
    CONTROL("opt.background_thread", flag, get_false, NULL),
    CONTROL("opt.prof", flag, get_false, NULL),
    CONTROL("opt.narenas", number, get_arenas, NULL),
    CONTROL("thread.arena", number, get_arena, NULL),
    CONTROL("thread.tcache.enabled", flag, get_true, NULL),
    ACTION("thread.tcache.flush", leave_to_heap),
    ACTION("thread.idle", leave_to_heap),
    CONTROL("arenas.narenas", number, get_arenas, NULL),
    NUMBER("arenas.page"),
    CONTROL("arenas.quantum", size, get_quantum, NULL),
    CONTROL("arenas.dirty_decay_ms", signed_size, get_decay, NULL),
    CONTROL("arenas.muzzy_decay_ms", signed_size, get_nothing, NULL),
    ACTION("arena.#.purge", purge),
    ACTION("arena.#.decay", leave_to_heap),
    CONTROL("arena.#.dirty_decay_ms", signed_size, get_decay, NULL),
    CONTROL("arena.#.muzzy_decay_ms", signed_size, get_nothing, NULL),
    CONTROL("stats.allocated", size, get_allocated, NULL),
    CONTROL("stats.active", size, get_active, NULL),
    CONTROL("stats.resident", size, get_resident, NULL),
    CONTROL("stats.mapped", size, get_mapped, NULL),
    CONTROL("stats.retained", size, get_nothing, NULL),
    CONTROL("stats.arenas.#.resident", size, get_resident, NULL),
    CONTROL("stats.arenas.#.mapped", size, get_mapped, NULL),
    QUERY("experimental.utilization.query", utilization_query),
    QUERY("experimental.utilization.batch_query", utilization_batch_query),
    NUMBER("arenas.nbins"),
    NUMBER("arenas.nlextents"),
    NUMBER("arenas.bin.%.size"),
    NUMBER("arenas.bin.%.nregs"),
    NUMBER("arenas.bin.%.slab_size"),
    NUMBER("arenas.bin.%.nshards"),
    NUMBER("arenas.lextent.%.size"),
    NUMBER("stats.metadata"),
    NUMBER("stats.arenas.#.pactive"),
    NUMBER("stats.arenas.#.pdirty"),
    NUMBER("stats.arenas.#.pmuzzy"),
    NUMBER("stats.arenas.#.small.allocated"),
    NUMBER("stats.arenas.#.small.nmalloc"),
    NUMBER("stats.arenas.#.small.ndalloc"),
    NUMBER("stats.arenas.#.large.allocated"),
    NUMBER("stats.arenas.#.large.nmalloc"),
    NUMBER("stats.arenas.#.large.ndalloc"),
    NUMBER("stats.arenas.#.bins.%.nmalloc"),
    NUMBER("stats.arenas.#.bins.%.ndalloc"),
    NUMBER("stats.arenas.#.bins.%.curregs"),
    NUMBER("stats.arenas.#.bins.%.nslabs"),
    NUMBER("stats.arenas.#.bins.%.curslabs"),
    NUMBER("stats.arenas.#.bins.%.nonfull_slabs"),
    NUMBER("stats.arenas.#.lextents.%.nmalloc"),
    NUMBER("stats.arenas.#.lextents.%.ndalloc"),
    NUMBER("stats.arenas.#.lextents.%.curlextents"),
};

const size_t mallctl_control_count = sizeof(mallctl_controls) / sizeof(mallctl_controls[0]);
