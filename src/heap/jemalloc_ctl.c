/* SPDX-License-Identifier: BSD-2-Clause */
/* jemalloc as this library uses it. The names of mallctl are those of jemalloc(3), 5.3.0. */
#include "heap/jemalloc_ctl.h"

#include <errno.h>
#include <jemalloc/jemalloc.h>
#include <pthread.h>
#include <stdio.h>

#include "heap/fork_gate.h"
#include "heap/jemalloc_control.h"
#include "heap/jemalloc_start.h"
#include "os/text_buffer.h"
#include "util/lock.h"

#define CTL_NAME_SIZE 64

/*
 * The highest number of an arena, plus one: jemalloc has twelve bits, and reserves the last value.
 */
#define ARENA_NUMBERS 4094

/* The size up to which regions double, without jemalloc_ctl_arena_set_growth(). */
#define REGION_GROWTH_LIMIT ((size_t)1 << 30)

/* mallctl(3), inside the gate; returns -errno. */
static int ctl(const char *name, void *old, size_t *old_size, void *new, size_t new_size)
{
    int err = jemalloc_start();

    if (err != 0)
        return err;
    struct fork_gate_thread *self = fork_gate_enter();
    err = -jemk_mallctl(name, old, old_size, new, new_size);
    fork_gate_leave(self);
    return err;
}

static int read_ctl(const char *name, void *value, size_t size)
{
    return ctl(name, value, &size, NULL, 0);
}

static int write_ctl(const char *name, void *value, size_t size)
{
    return ctl(name, NULL, NULL, value, size);
}

/*
 * Held while jemalloc makes a report, and while an arena is destroyed: jemalloc aborts the process
 * if an arena disappears during the report. A fork acquires the lock before it closes the gate.
 */
static pthread_mutex_t report_lock = PTHREAD_MUTEX_INITIALIZER;

void jemalloc_ctl_hold_report(void)
{
    lock_acquire(&report_lock, LOCK_REPORT);
}

void jemalloc_ctl_release_report(void)
{
    lock_release(&report_lock);
}

/* The name of a per-arena control: `format` with the arena's number. */
struct ctl_name {
    char text[CTL_NAME_SIZE];
};

static struct ctl_name __attribute__((format(printf, 1, 0)))
arena_ctl(const char *format, unsigned arena)
{
    struct ctl_name name;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(name.text, sizeof(name.text), format, arena);
#pragma GCC diagnostic pop
    return name;
}

/* -- Arenas ------------------------------------------------------------------------------------ */

unsigned jemalloc_ctl_arena_limit(void)
{
    return ARENA_NUMBERS - 1;
}

int jemalloc_ctl_arena_create(extent_hooks_t *hooks, extent_hooks_t *metadata_hooks,
                              unsigned *arena)
{
    /* The structure that experimental.arenas_create_ext reads. */
    struct {
        extent_hooks_t *hooks;
        bool metadata_use_hooks;
    } config = {.hooks = metadata_hooks, .metadata_use_hooks = true};
    size_t growth_limit = REGION_GROWTH_LIMIT;
    size_t size = sizeof(*arena);
    int err = ctl("experimental.arenas_create_ext", arena, &size, &config, sizeof(config));

    if (err != 0)
        return err;
    /*
     * Hooks that are set later serve blocks only; metadata stays with the hooks that the arena was
     * created with. So metadata lies in DRAM and is unmapped when the arena is destroyed;
     * jemalloc's default hooks would keep the addresses.
     */
    err = write_ctl(arena_ctl("arena.%u.extent_hooks", *arena).text, &hooks, sizeof(hooks));
    if (err == 0)
        err = write_ctl(arena_ctl("arena.%u.retain_grow_limit", *arena).text, &growth_limit,
                        sizeof(growth_limit));
    if (err != 0)
        jemalloc_ctl_arena_destroy(*arena);
    return err;
}

void jemalloc_ctl_arena_set_growth(unsigned arena, size_t limit)
{
    if (limit < REGION_GROWTH_LIMIT)
        write_ctl(arena_ctl("arena.%u.retain_grow_limit", arena).text, &limit, sizeof(limit));
}

void jemalloc_ctl_arena_destroy(unsigned arena)
{
    lock_acquire(&report_lock, LOCK_REPORT);
    write_ctl(arena_ctl("arena.%u.destroy", arena).text, NULL, 0);
    lock_release(&report_lock);
}

void jemalloc_ctl_arena_purge(unsigned arena)
{
    write_ctl(arena_ctl("arena.%u.purge", arena).text, NULL, 0);
}

void jemalloc_ctl_arena_decay(unsigned arena)
{
    write_ctl(arena_ctl("arena.%u.decay", arena).text, NULL, 0);
}

const size_t *jemalloc_ctl_arena_active_pages(unsigned arena)
{
    /* For a jemalloc built without statistics, which has no counter: all pages seem unused. */
    static const size_t none = 0;
    const size_t *pages = &none;

    read_ctl(arena_ctl("experimental.arenas.%u.pactivep", arena).text, &pages, sizeof(pages));
    return pages;
}

size_t jemalloc_ctl_page(void)
{
    size_t page = 0;

    read_ctl("arenas.page", &page, sizeof(page));
    return page;
}

int jemalloc_ctl_arena_set_decay(unsigned arena, ssize_t ms)
{
    return write_ctl(arena_ctl("arena.%u.dirty_decay_ms", arena).text, &ms, sizeof(ms));
}

/* -- Queries about blocks ---------------------------------------------------------------------- */

int jemalloc_ctl_use_of(const void *ptr, struct jemalloc_use *use)
{
    static struct jemalloc_control query = {.name = "experimental.utilization.query"};
    /* struct jemalloc_use is what the control writes. */
    size_t size = sizeof(*use);

    *use = (struct jemalloc_use){0};
    return jemalloc_control_call(&query, use, &size, &ptr, sizeof(ptr));
}

bool jemalloc_ctl_moving_helps(const void *ptr)
{
    struct jemalloc_use use;

    if (jemalloc_ctl_use_of(ptr, &use) != 0)
        return false;
    if (use.slab_being_filled == NULL || use.slab_blocks <= 1)
        return false;
    if ((const char *)ptr >= (char *)use.slab_being_filled &&
        (const char *)ptr < (char *)use.slab_being_filled + use.slab_size)
        return false;
    /* slab_free / slab_blocks > class_free / class_blocks */
    return use.slab_free * use.class_blocks > use.class_free * use.slab_blocks;
}

int jemalloc_ctl_arena_of(const void *ptr, unsigned *arena)
{
    size_t size = sizeof(*arena);

    return ctl("arenas.lookup", arena, &size, &ptr, sizeof(ptr)) == 0 ? 0 : -ENOENT;
}

/* -- Counters and settings --------------------------------------------------------------------- */

int jemalloc_ctl_number(const char *name, uint64_t *value, size_t *size)
{
    int err;

    /* Where the size does not match, jemalloc fails with EINVAL and stores the right size. */
    *value = 0;
    *size = sizeof(*value);
    err = ctl(name, value, size, NULL, 0);
    if (err == -EINVAL && *size < sizeof(*value)) {
        uint32_t narrow = 0;
        *size = sizeof(narrow);
        err = ctl(name, &narrow, size, NULL, 0);
        *value = narrow;
    }
    return err;
}

int jemalloc_ctl_arena_number(unsigned arena, const char *name, uint64_t *value, size_t *size)
{
    char full[CTL_NAME_SIZE];
    int length = snprintf(full, sizeof(full), "stats.arenas.%u.%s", arena, name);

    return length < (int)sizeof(full) ? jemalloc_ctl_number(full, value, size) : -ENOENT;
}

int jemalloc_ctl_update_stats(void)
{
    size_t epoch = 1;

    return write_ctl("epoch", &epoch, sizeof(epoch));
}

int jemalloc_ctl_add_arena_stats(unsigned arena, struct jemalloc_stats *stats)
{
    size_t resident, active_pages, small, large, page;
    int err = read_ctl("arenas.page", &page, sizeof(page));

    if (err == 0)
        err = read_ctl(arena_ctl("stats.arenas.%u.resident", arena).text, &resident,
                       sizeof(resident));
    if (err == 0)
        err = read_ctl(arena_ctl("stats.arenas.%u.pactive", arena).text, &active_pages,
                       sizeof(active_pages));
    if (err == 0)
        err = read_ctl(arena_ctl("stats.arenas.%u.small.allocated", arena).text, &small,
                       sizeof(small));
    if (err == 0)
        err = read_ctl(arena_ctl("stats.arenas.%u.large.allocated", arena).text, &large,
                       sizeof(large));
    if (err != 0)
        return err;
    stats->resident += resident;
    stats->active += active_pages * page;
    stats->allocated += small + large;
    return 0;
}

int jemalloc_ctl_total_stats(struct jemalloc_stats *stats)
{
    int err = read_ctl("stats.resident", &stats->resident, sizeof(stats->resident));

    if (err == 0)
        err = read_ctl("stats.active", &stats->active, sizeof(stats->active));
    if (err == 0)
        err = read_ctl("stats.allocated", &stats->allocated, sizeof(stats->allocated));
    return err;
}

static void keep_piece(void *buffer, const char *text)
{
    text_buffer_add(buffer, text);
}

static void collect_stats(struct text_buffer *buffer, const char *options)
{
    lock_acquire(&report_lock, LOCK_REPORT);
    int saved_errno = errno; /* jemalloc sets errno to 0 */
    struct fork_gate_thread *self = fork_gate_enter();
    jemk_malloc_stats_print(keep_piece, buffer, options);
    fork_gate_leave(self);
    errno = saved_errno;
    lock_release(&report_lock);
}

int jemalloc_ctl_print_stats(void (*write_cb)(void *, const char *), void *opaque,
                             const char *options)
{
    struct text_buffer buffer = {0};
    int err = jemalloc_start();

    if (err != 0)
        return err;
    collect_stats(&buffer, options);
    bool lost = buffer.lost;
    if (!lost)
        text_buffer_replay(&buffer, write_cb, opaque);
    text_buffer_fini(&buffer);
    return lost ? -ENOMEM : 0;
}

bool jemalloc_ctl_has_background_threads(void)
{
    bool on = false;

    read_ctl("background_thread", &on, sizeof(on));
    return on;
}

int jemalloc_ctl_set_background_threads(bool on)
{
    return write_ctl("background_thread", &on, sizeof(on));
}

int jemalloc_ctl_limit_background_threads(size_t limit)
{
    size_t most;
    int err = read_ctl("opt.max_background_threads", &most, sizeof(most));

    if (err != 0)
        return err;
    if (limit > most)
        limit = most;
    return write_ctl("max_background_threads", &limit, sizeof(limit));
}
