/* SPDX-License-Identifier: BSD-2-Clause */
/* The start of the interposer: the kinds are created, and from then on serve the process. */
#include <dlfcn.h>
#include <errno.h>
#include <gnu/libc-version.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "memkind/internal/memkind_arena.h"
#include "preload/descriptors.h"
#include "preload/leave_out.h"
#include "preload/library.h"
#include "preload/preload.h"
#include "preload/publish.h"
#include "preload/ratio.h"
#include "preload/report.h"
#include "preload/whole_heap.h"
#include "util/alone.h"

/* -- Fork -------------------------------------------------------------------------------------- */

/*
 * These run before libmemkind's handlers on the way into a fork, and after them on the way out,
 * because they are registered later: libmemkind's allocations in between are libc's.
 */
static _Thread_local unsigned char before_fork;
static _Thread_local bool forks_alone; /* no other thread can hold a lock */

atomic_int preload_waiting;

static void enter_fork(void)
{
    before_fork = preload_self.state;
    forks_alone = process_is_alone();
    preload_set_thread(PRELOAD_BUSY);
}

static void leave_fork(void)
{
    preload_set_thread(before_fork);
}

/*
 * The child's first allocation may create a file of its own, if it has no copy. Where libmemkind
 * could not prepare the fork, libc serves the child, as without the library.
 */
static void begin_child(void)
{
    if (memkind_arena_fork_is_unprepared())
        return;
    /* A thread of the parent made them. */
    if (atomic_load(&preload_waiting) == PRELOAD_MAKING)
        atomic_store(&preload_waiting, PRELOAD_WAITING);
    preload_set_thread(PRELOAD_COLD);
    if (!forks_alone)
        whole_heap_begin_child();
    descriptors_begin_child();
}

/* -- Start ------------------------------------------------------------------------------------- */

/* Tells the kinds that libc serves requests for which they have no room. */
static void set_fallback(const struct serving *serving)
{
    for (unsigned i = 0; i < serving->count; i++)
        if (serving_has_one_heap(serving->kinds[i]))
            (void)memkind_arena_set_fallback(serving->kinds[i], true);
}

/* The fast path of malloc from `serving`, in the form of memkind_arena_malloc_or(). */
static void *serve_or(size_t size, void *(*otherwise)(size_t size), memkind_t own)
{
    size_t least = size < PRELOAD_LEAST_BLOCK ? PRELOAD_LEAST_BLOCK : size;
    void *block = preload.serving.fast_malloc(own, least);

    return __builtin_expect(block != NULL, 1) ? block : otherwise(size);
}

/* Sets which requests go to the kinds. */
static void apply(const struct settings *settings)
{
    /*
     * Finding the function may free blocks, which must not be counted: counting needs their size.
     */
    if (settings->pmem != 0)
        (void)preload_libc_usable_size(NULL);
    preload.min = settings->min;
    preload.span = settings->max - settings->min;
    preload.fall_back = settings->fall_back;
    preload.deep_bind = settings->deep_bind;
    preload.counted = settings->pmem != 0;
    ratio_set(settings->dram, settings->pmem);
    preload.libc = callers_find((uintptr_t)gnu_get_libc_version);
}

/* Threads get views of what memkind_arena_malloc() and memkind_arena_free() use. */
static void set_views(const struct serving *serving)
{
    preload.views = preload.ready == PRELOAD_FAST && serving->fast_free == memkind_arena_free &&
                    memkind_arena_open_view != NULL && preload_is_called_directly();
    preload.views_malloc =
        preload.views && serving->fast_malloc == memkind_arena_malloc && preload_redirect_libc();
}

static void activate(const struct settings *settings, const struct serving *serving)
{
    memkind_t first = serving->kinds[0];
    bool all_sizes = settings->min == 0 && settings->max == SIZE_MAX;

    /* Once more, for requests that are not counted: it must not be found within one of them. */
    (void)preload_libc_usable_size(NULL);
    preload.serving = *serving;
    if (settings->fall_back)
        set_fallback(serving);
    preload.ready = serving->fast_malloc != NULL && all_sizes && !preload.counted
                        ? PRELOAD_FAST
                        : PRELOAD_FILTERED;
    (void)memkind_arena_set_least_block(PRELOAD_LEAST_BLOCK);
    preload.malloc =
        serving->fast_malloc == memkind_arena_malloc ? memkind_arena_malloc_or : serve_or;
    preload.free = serving->fast_free;
    set_views(serving);
    __atomic_store_n(&preload.kind, first, __ATOMIC_RELEASE);
}

/*
 * A program that has an allocator of its own keeps it completely: there is no kind, and calls that
 * still come here go to libc, or to that allocator. This is no error, and is only reported on
 * request.
 */
static bool stands_aside(const struct settings *settings)
{
    const char *debug = secure_getenv("MEMKIND_DEBUG");

    if (preload_serves())
        return false;
    if (settings->strict || (debug != NULL && strcmp(debug, "1") == 0))
        dprintf(STDERR_FILENO, "%s: %s has a malloc of its own, which is used\n", library.name,
                program_invocation_short_name);
    return true;
}

static bool make(struct settings *settings, char *message)
{
    struct serving serving;

    if (!library.make(settings, &serving, message))
        return false;
    activate(settings, &serving);
    return true;
}

/* -- Waiting ----------------------------------------------------------------------------------- */

/*
 * A program that makes no request for the kinds, or only early ones, pays for neither jemalloc nor
 * the files. A request of another thread while the kinds are made goes to libc: that thread may
 * hold the loader's lock, for which making them waits.
 */

static struct settings settings;
static atomic_size_t early_bytes; /* that libc still serves */

bool preload_is_early(size_t size)
{
    size_t left = atomic_load_explicit(&early_bytes, memory_order_relaxed);

    while (size < left)
        if (atomic_compare_exchange_weak_explicit(&early_bytes, &left, left - size,
                                                  memory_order_relaxed, memory_order_relaxed))
            return true;
    return false;
}

memkind_t preload_make_kinds(void)
{
    char message[SETTINGS_MESSAGE_SIZE];
    unsigned char before = preload_self.state;
    int expected = PRELOAD_WAITING;
    int saved_errno = errno;

    if (!atomic_compare_exchange_strong(&preload_waiting, &expected, PRELOAD_MAKING))
        return preload_kind();
    preload_set_thread(PRELOAD_BUSY);
    bool made = make(&settings, message);
    preload_set_thread(before);
    atomic_store(&preload_waiting, PRELOAD_MADE);
    if (!made)
        library.complain(&settings, message, false);
    errno = saved_errno;
    return preload_kind();
}

/* Numbers that others read are complete only if the kinds exist from the start. */
static bool can_wait(void)
{
    return settings.stats == NULL && !settings.publish && library.can_wait != NULL &&
           library.can_wait();
}

/* -------------------------------------------------------------------------------------------- */

static bool start(char *message)
{
    if (settings.stats != NULL && !report_at_exit(&settings, message))
        return false;
    /* Registered before a kind serves, since that cannot be undone. */
    if (pthread_atfork(enter_fork, leave_fork, begin_child) != 0) {
        snprintf(message, SETTINGS_MESSAGE_SIZE, "no memory");
        return false;
    }
    apply(&settings);
    if (can_wait()) {
        atomic_store(&early_bytes, settings.after);
        atomic_store(&preload_waiting, PRELOAD_WAITING);
        return true;
    }
    /* A kind that has served is never given up: from here on, an error is only reported. */
    return make(&settings, message) && (!settings.publish || publish_start(message));
}

/* Returns whether the loader has found this library's libmemkind.so.0: see weak_memkind.h. */
static bool has_libmemkind(char *message)
{
    void *(*function)(memkind_t, size_t) = memkind_malloc;
    Dl_info other;

    if (memkind_arena_free_or != NULL)
        return true;
    bool found = dladdr(*(void **)&function, &other) != 0;
    snprintf(message, SETTINGS_MESSAGE_SIZE, "the program uses another libmemkind, %.160s",
             found ? other.dli_fname : "libmemkind.so.0");
    return false;
}

static void start_as_told(void)
{
    char message[SETTINGS_MESSAGE_SIZE];

    /* The caller of a program with more privileges must not influence it. */
    if (getauxval(AT_SECURE) != 0 || leave_out())
        return;
    if (settings_read(&settings, message) && has_libmemkind(message) &&
        library.read(&settings, message) && (stands_aside(&settings) || start(message)))
        return;
    library.complain(&settings, message, preload.kind != NULL);
}

__attribute__((constructor)) static void preload_start(void)
{
    start_as_told();
    preload_release_atfork();
}
