/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the preload library begins: the kind is made, and from then on serves the process. */
#include <dlfcn.h>
#include <errno.h>
#include <gnu/libc-version.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "preload/descriptors.h"
#include "preload/leave_out.h"
#include "preload/preload.h"
#include "preload/publish.h"
#include "preload/ratio.h"
#include "preload/report.h"
#include "preload/settings.h"
#include "preload/whole_heap.h"

#define EXIT_STRICT 125 /* as env(1), timeout(1) and the like, when they fail themselves */

/* -- Fork -------------------------------------------------------------------------------------- */

/*
 * Run before libmemkind's handlers on the way into a fork, and after them on the way out, since
 * they are registered later: what libmemkind allocates meanwhile is libc's.
 */
static _Thread_local unsigned char before_fork;

static void enter_fork(void)
{
    before_fork = preload_thread;
    preload_set_thread(PRELOAD_BUSY);
}

static void leave_fork(void)
{
    preload_set_thread(before_fork);
}

/* The child's first allocation may make it a file of its own, where it has no copy. */
static void begin_child(void)
{
    preload_set_thread(PRELOAD_COLD);
    whole_heap_begin_child();
    descriptors_begin_child();
}

/* -- Start ------------------------------------------------------------------------------------- */

/*
 * A child goes on with what its parent had, as with any malloc: it gets a copy of the heap, unless
 * the environment says otherwise, or the heap lies on a device, of which there are no copies.
 */
static bool children_get_copies(const struct settings *settings)
{
    struct stat status;

    return secure_getenv("MEMKIND_PMEM_FORK") == NULL &&
           (stat(settings->dir, &status) != 0 || !S_ISCHR(status.st_mode));
}

/* All that the kind is to be is said here. */
static int create_kind(const struct settings *settings, memkind_t *kind)
{
    struct memkind_config *config = memkind_config_new();

    if (config == NULL)
        return MEMKIND_ERROR_MALLOC;
    memkind_config_set_path(config, settings->dir);
    memkind_config_set_size(config, settings->size);
    if (children_get_copies(settings))
        memkind_config_set_fork(config, MEMKIND_FORK_SNAPSHOT);
    int err = memkind_create_pmem_with_config(config, kind);
    int saved_errno = errno;
    memkind_config_delete(config);
    errno = saved_errno;
    return err;
}

static bool make_kind(const struct settings *settings, memkind_t *kind, char *message)
{
    char text[MEMKIND_ERROR_MESSAGE_SIZE];

    errno = 0;
    int err = create_kind(settings, kind);
    if (err == MEMKIND_SUCCESS)
        return true;
    memkind_error_message(err, text, sizeof(text));
    snprintf(message, SETTINGS_MESSAGE_SIZE, "no heap in MEMKIND_PRELOAD_DIR=%.256s (%s)",
             settings->dir, errno != 0 ? strerrordesc_np(errno) : text);
    return false;
}

static void activate(const struct settings *settings, memkind_t kind)
{
    memkind_set_allow_zero_allocs(kind, true);
    /* Blocks that are freed while it is looked for must not be counted, which takes their size. */
    (void)preload_libc_usable_size(NULL);
    preload.min = settings->min;
    preload.span = settings->max - settings->min;
    preload.fall_back = settings->fall_back;
    preload.deep_bind = settings->deep_bind;
    preload.counted = settings->pmem != 0;
    preload.ready = preload.counted || preload.span != SIZE_MAX ? PRELOAD_CHOOSY : PRELOAD_FAST;
    ratio_set(settings->dram, settings->pmem);
    preload.malloc = kind->ops->malloc;
    preload.free = kind->ops->free;
    preload.libc = callers_find((uintptr_t)gnu_get_libc_version);
    preload.libnuma = callers_find((uintptr_t)dlsym(RTLD_DEFAULT, "numa_available"));
    __atomic_store_n(&preload.kind, kind, __ATOMIC_RELEASE);
}

/*
 * A program that has an allocator of its own keeps it, as a whole: then there is no kind, and what
 * still comes here goes to libc, or to that allocator. Nothing is wrong with that, so it is said to
 * those only who want to know.
 */
static bool stands_aside(const struct settings *settings)
{
    const char *debug = secure_getenv("MEMKIND_DEBUG");

    if (preload_serves())
        return false;
    if (settings->strict || (debug != NULL && strcmp(debug, "1") == 0))
        dprintf(STDERR_FILENO, "memkind-preload: %s has a malloc of its own, which is used\n",
                program_invocation_short_name);
    return true;
}

static bool start(const struct settings *settings, char *message)
{
    memkind_t kind;

    if (settings->stats != NULL && !report_at_exit(settings, message))
        return false;
    if (!make_kind(settings, &kind, message))
        return false;
    if (pthread_atfork(enter_fork, leave_fork, begin_child) != 0) {
        memkind_destroy_kind(kind);
        snprintf(message, SETTINGS_MESSAGE_SIZE, "no memory");
        return false;
    }
    activate(settings, kind);
    /*
     * A kind is never given up once it has served: from here on, only a message can be the answer.
     */
    return !settings->publish || publish_start(message);
}

static void start_as_told(void)
{
    char message[SETTINGS_MESSAGE_SIZE];
    struct settings settings;

    /* Whoever started a program with more rights than his own decides nothing about it. */
    if (getauxval(AT_SECURE) != 0 || leave_out())
        return;
    if (settings_read(&settings, message) && (stands_aside(&settings) || start(&settings, message)))
        return;
    dprintf(STDERR_FILENO, "memkind-preload: %s%s\n", message,
            settings.strict || preload.kind != NULL ? "" : "; libc's malloc is used");
    if (settings.strict)
        _exit(EXIT_STRICT);
}

__attribute__((constructor)) static void preload_start(void)
{
    start_as_told();
    preload_release_atfork();
}
