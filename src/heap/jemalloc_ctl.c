/* SPDX-License-Identifier: BSD-2-Clause */
/* jemalloc as this library uses it. The names of mallctl are those of jemalloc(3), 5.3.0. */
#include "heap/jemalloc_ctl.h"

#include <errno.h>
#include <jemalloc/jemalloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "heap/fork_gate.h"
#include "util/late_key.h"
#include "util/lock.h"
#include "util/log.h"
#include "util/text_buffer.h"

/* All of its names have this prefix, so that they never meet those of the process's malloc. */
#define JEMALLOC(name) jemk_##name

/*
 * What jemalloc reads at its start. All blocks lie in arenas that heaps have made: jemalloc needs
 * one of its own, and would make four for each processor. A large extent that is freed is kept for
 * the decay time like any other. Threads have no caches of jemalloc's. Up to 16 threads may
 * give pages back; how many there are is settled when they are started. Slabs of four pages where
 * one page of 4 KiB would do, since a slab has a record of 128 bytes in DRAM: 10 MiB instead of 34
 * for each GiB of 64-byte blocks. One larger page is as good. Whatever was freed is used again,
 * however much larger it is than what is asked for: by default, what is more than 64 times as large
 * waits for the decay time, and a program that fills and empties a kind takes fresh file space each
 * time.
 */
#if MEMKIND_JEMALLOC_LG_PAGE < 14
#    define SLAB_SIZES ",slab_sizes:64-64:4|128-128:4|256-256:4|512-512:4|1024-1024:4"
#else
#    define SLAB_SIZES ""
#endif
#define ANY_FIT ",lg_extent_max_active_fit:48"
#define SETTINGS \
    "narenas:1,oversize_threshold:0,max_background_threads:16,tcache:false" ANY_FIT SLAB_SIZES

extern const char *JEMALLOC(malloc_conf);
const char *JEMALLOC(malloc_conf) = SETTINGS;

/* It has something to say where a call fails. The program's standard error is not the place. */
static void log_message(void *opaque, const char *text)
{
    (void)opaque;
    log_error("%s", text);
}

/* Before the constructors of jemalloc and of the library. */
__attribute__((constructor(101))) static void prepare_jemalloc(void)
{
    JEMALLOC(malloc_message) = log_message;
}

#define CTL_NAME_SIZE 64

/* As jemalloc was built. The kernel's page is no larger, or jemalloc does not start. */
#define JEMALLOC_PAGE ((size_t)1 << MEMKIND_JEMALLOC_LG_PAGE)

/*
 * Highest number of an arena, plus one; jemalloc has twelve bits for it and keeps the last value.
 */
#define ARENA_NUMBERS 4094

/* How large regions get unless jemalloc_ctl_arena_set_growth() says less. */
#define REGION_GROWTH_LIMIT ((size_t)1 << 30)

/* mallctl(3), from outside. */
static int ctl(const char *name, void *old, size_t *old_size, void *new, size_t new_size)
{
    struct fork_gate_thread *self = fork_gate_enter();
    int err = -JEMALLOC(mallctl)(name, old, old_size, new, new_size);
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
 * Held while the report is made and while an arena ends: jemalloc ends the process when an arena
 * that it reports on is no longer there. A fork acquires it before it closes the gate.
 */
static pthread_mutex_t report_lock = PTHREAD_MUTEX_INITIALIZER;

/* The name of a per-arena control: `format` with the arena's number in it. */
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

/* -- Fork and threads -------------------------------------------------------------------------- */

/*
 * What jemalloc calls in the place of pthread_atfork(3) and pthread_key_create(3); see
 * jemalloc/CMakeLists.txt. Its handlers for the parent are needed where it runs threads itself, or
 * where the gate cannot be closed. The one for the child always is: it forgets the threads that are
 * gone.
 */
int JEMALLOC(pthread_atfork)(void (*prepare)(void), void (*parent)(void), void (*child)(void));
int JEMALLOC(pthread_key_create)(pthread_key_t *key, void (*destructor)(void *value));

static struct {
    void (*prepare)(void);
    void (*parent)(void);
    void (*child)(void);
    bool is_prepared;
    bool gate_is_closed;
} jemalloc_fork;

static bool has_background_threads(void)
{
    bool on = false;

    read_ctl("background_thread", &on, sizeof(on));
    return on;
}

static void before_fork(void)
{
    lock_acquire(&report_lock, LOCK_REPORT);
    jemalloc_fork.gate_is_closed = fork_gate_close();
    jemalloc_fork.is_prepared = !jemalloc_fork.gate_is_closed || has_background_threads();
    if (jemalloc_fork.is_prepared)
        jemalloc_fork.prepare();
}

static void in_parent(void)
{
    if (jemalloc_fork.is_prepared)
        jemalloc_fork.parent();
    if (jemalloc_fork.gate_is_closed)
        fork_gate_open();
    lock_release(&report_lock);
}

static void in_child(void)
{
    jemalloc_fork.child();
    if (jemalloc_fork.gate_is_closed)
        fork_gate_open();
    fork_gate_adopt();
    lock_release(&report_lock);
}

int JEMALLOC(pthread_atfork)(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    jemalloc_fork.prepare = prepare;
    jemalloc_fork.parent = parent;
    jemalloc_fork.child = child;
    return pthread_atfork(before_fork, in_parent, in_child);
}

static void (*end_jemalloc_thread)(void *value);

/*
 * A thread of jemalloc's own does not wait for the gate: one that is inside, to end it, waits for
 * it. They are seen to before a fork, as long as there are any.
 */
static void end_thread(void *value)
{
    bool waits = fork_gate_thread.state != FORK_GATE_UNREGISTERED;
    struct fork_gate_thread *self = waits ? fork_gate_enter() : NULL;

    end_jemalloc_thread(value);
    fork_gate_thread.has_left_jemalloc = true;
    if (waits)
        fork_gate_leave(self);
}

int JEMALLOC(pthread_key_create)(pthread_key_t *key, void (*destructor)(void *value))
{
    end_jemalloc_thread = destructor;
    return late_key_create(LATE_KEY_JEMALLOC, key, end_thread);
}

/* -- Start ------------------------------------------------------------------------------------- */

static atomic_bool has_started;

bool jemalloc_ctl_has_started(void)
{
    return atomic_load_explicit(&has_started, memory_order_relaxed);
}

int jemalloc_ctl_check_start(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    if (jemalloc_ctl_class_size(1) != 0) {
        atomic_store_explicit(&has_started, true, memory_order_relaxed);
        return 0;
    }
    if (page > JEMALLOC_PAGE)
        log_error(
            "this library is built for pages of up to %zu bytes, and this kernel's have %zu: build "
            "it with cmake -DMEMKIND_JEMALLOC_LG_PAGE=%d",
            JEMALLOC_PAGE, page, __builtin_ctzl(page));
    else
        log_error("jemalloc does not start");
    return -ENOTSUP;
}

/* -- Arenas ------------------------------------------------------------------------------------ */

unsigned jemalloc_ctl_arena_limit(void)
{
    return ARENA_NUMBERS - 1;
}

int jemalloc_ctl_arena_create(extent_hooks_t *hooks, extent_hooks_t *metadata_hooks,
                              unsigned *arena)
{
    /* What experimental.arenas_create_ext reads. */
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
     * Hooks that are set later serve blocks only; metadata stays with those that the arena began
     * with. That is how metadata is in DRAM, and can be unmapped when the arena ends: jemalloc's
     * default would keep the addresses.
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
    /* A jemalloc that was built without statistics has no counter: then all pages seem unused. */
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

/* -- Blocks ------------------------------------------------------------------------------------ */

/* MALLOCX_ARENA(arena), which for half of all arenas shifts into an int's sign; and no cache. */
static int arena_flags(unsigned arena)
{
    return (int)((unsigned)MALLOCX_ARENA(0) * (arena + 1)) | MALLOCX_TCACHE_NONE;
}

/*
 * Once jemalloc has ended a thread, mallocx gives it blocks of the first arena, whichever it asks
 * for. rallocx keeps to the arena: so a block of the first one is moved. A block moves when its
 * class changes, so there are two sizes to begin with.
 */
static __attribute__((noinline)) void *alloc_after_end(size_t size, int flags)
{
    size_t smallest = JEMALLOC(nallocx)(1, 0);
    size_t begin = size > smallest ? smallest : smallest + 1;
    void *block = JEMALLOC(mallocx)(begin, MALLOCX_TCACHE_NONE | (flags & MALLOCX_ZERO));
    void *moved = block != NULL ? JEMALLOC(rallocx)(block, size, flags) : NULL;

    if (moved == NULL && block != NULL)
        JEMALLOC(dallocx)(block, MALLOCX_TCACHE_NONE);
    return moved;
}

void *jemalloc_ctl_alloc(unsigned arena, size_t size, size_t alignment, bool zero)
{
    int flags = arena_flags(arena);

    if (alignment != 0)
        flags |= MALLOCX_ALIGN(alignment);
    if (zero)
        flags |= MALLOCX_ZERO;
    struct fork_gate_thread *self = fork_gate_enter();
    void *block = __builtin_expect(self->has_left_jemalloc, 0) ? alloc_after_end(size, flags)
                                                               : JEMALLOC(mallocx)(size, flags);
    fork_gate_leave(self);
    return block;
}

void *jemalloc_ctl_realloc(unsigned arena, void *ptr, size_t size)
{
    struct fork_gate_thread *self = fork_gate_enter();
    void *block = JEMALLOC(rallocx)(ptr, size, arena_flags(arena));
    fork_gate_leave(self);
    return block;
}

void jemalloc_ctl_free(void *ptr)
{
    struct fork_gate_thread *self = fork_gate_enter();
    JEMALLOC(dallocx)(ptr, MALLOCX_TCACHE_NONE);
    fork_gate_leave(self);
}

size_t jemalloc_ctl_usable_size(const void *ptr)
{
    struct fork_gate_thread *self = fork_gate_enter();
    size_t size = JEMALLOC(sallocx)(ptr, 0);
    fork_gate_leave(self);
    return size;
}

size_t jemalloc_ctl_class_size(size_t size)
{
    struct fork_gate_thread *self = fork_gate_enter();
    size_t usable = JEMALLOC(nallocx)(size, 0);
    fork_gate_leave(self);
    return usable;
}

int jemalloc_ctl_use_of(const void *ptr, struct jemalloc_use *use)
{
    /* The structure is what experimental.utilization.query writes; it calls blocks "regions". */
    size_t size = sizeof(*use);

    *use = (struct jemalloc_use){0};
    return ctl("experimental.utilization.query", use, &size, &ptr, sizeof(ptr));
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
    /* Emptier than the class is on average: free / blocks of the slab above free / blocks of the
     * class. */
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

    /* Where the size is wrong, jemalloc says so, and which is right. */
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
    struct fork_gate_thread *self = fork_gate_enter();
    JEMALLOC(malloc_stats_print)(keep_piece, buffer, options);
    fork_gate_leave(self);
    lock_release(&report_lock);
}

int jemalloc_ctl_print_stats(void (*write_cb)(void *, const char *), void *opaque,
                             const char *options)
{
    struct text_buffer buffer = {0};

    collect_stats(&buffer, options);
    bool lost = buffer.lost;
    if (!lost)
        text_buffer_replay(&buffer, write_cb, opaque);
    text_buffer_end(&buffer);
    return lost ? -ENOMEM : 0;
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
