/* SPDX-License-Identifier: BSD-2-Clause */
/* The start of the interposer: the kinds are created, and from then on serve the process. */
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

/* -- Fork -------------------------------------------------------------------------------------- */

/*
 * These run before libmemkind's handlers on the way into a fork, and after them on the way out,
 * because they are registered later: libmemkind's allocations in between are libc's.
 */
static _Thread_local unsigned char before_fork;

static void enter_fork(void)
{
    before_fork = preload_self.state;
    preload_set_thread(PRELOAD_BUSY);
}

static void leave_fork(void)
{
    preload_set_thread(before_fork);
}

/* The child's first allocation may create a file of its own, if it has no copy. */
static void begin_child(void)
{
    preload_set_thread(PRELOAD_COLD);
    whole_heap_begin_child();
    descriptors_begin_child();
}

/* -- Start ------------------------------------------------------------------------------------- */

/* Tells the kinds that libc serves requests for which they have no room. */
static void set_fallback(const struct serving *serving)
{
    for (unsigned i = 0; i < serving->count; i++)
        if (serving->kinds[i]->ops->malloc == memkind_arena_malloc)
            (void)memkind_arena_set_fallback(serving->kinds[i], true);
}

/* The fast path of malloc from `serving`, in the form of memkind_arena_malloc_or(). */
static void *serve_or(memkind_t own, size_t size, void *(*otherwise)(memkind_t, size_t))
{
    void *block = preload.serving.fast_malloc(own, size);

    return __builtin_expect(block != NULL, 1) ? block : otherwise(own, size);
}

static void activate(const struct settings *settings, const struct serving *serving)
{
    memkind_t first = serving->kinds[0];
    bool all_sizes = settings->min == 0 && settings->max == SIZE_MAX;

    /*
     * Finding the function may free blocks, which must not be counted: counting needs their size.
     */
    (void)preload_libc_usable_size(NULL);
    preload.serving = *serving;
    preload.min = settings->min;
    preload.span = settings->max - settings->min;
    preload.fall_back = settings->fall_back;
    if (settings->fall_back)
        set_fallback(serving);
    preload.deep_bind = settings->deep_bind;
    preload.counted = settings->pmem != 0;
    preload.ready = serving->fast_malloc != NULL && all_sizes && !preload.counted
                        ? PRELOAD_FAST
                        : PRELOAD_FILTERED;
    ratio_set(settings->dram, settings->pmem);
    preload.malloc =
        serving->fast_malloc == memkind_arena_malloc ? memkind_arena_malloc_or : serve_or;
    preload.free = serving->fast_free;
    preload.frees_all = serving->fast_free == memkind_arena_free;
    preload.libc = callers_find((uintptr_t)gnu_get_libc_version);
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

/* The files are empty. */
static void drop_files(const struct serving *serving)
{
    for (unsigned i = 0; i < serving->count; i++)
        if (preload_file_of(serving->kinds[i]) != NULL)
            memkind_destroy_kind(serving->kinds[i]);
}

static bool start(struct settings *settings, char *message)
{
    struct serving serving;

    if (settings->stats != NULL && !report_at_exit(settings, message))
        return false;
    if (!library.make(settings, &serving, message))
        return false;
    if (pthread_atfork(enter_fork, leave_fork, begin_child) != 0) {
        drop_files(&serving);
        snprintf(message, SETTINGS_MESSAGE_SIZE, "no memory");
        return false;
    }
    activate(settings, &serving);
    /* A kind that has served is never given up: from here on, an error is only reported. */
    return !settings->publish || publish_start(message);
}

static void start_as_told(void)
{
    char message[SETTINGS_MESSAGE_SIZE];
    struct settings settings;

    /* The caller of a program with more privileges must not influence it. */
    if (getauxval(AT_SECURE) != 0 || leave_out())
        return;
    if (settings_read(&settings, message) && library.read(&settings, message) &&
        (stands_aside(&settings) || start(&settings, message)))
        return;
    library.complain(&settings, message, preload.kind != NULL);
}

__attribute__((constructor)) static void preload_start(void)
{
    start_as_told();
    preload_release_atfork();
}
