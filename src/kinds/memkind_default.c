/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Operations of the default heap, and of every kind's life: memkind_default(3). placement.c has
 * those that map and bind memory.
 */
#include "memkind/internal/memkind_default.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "heap/heap.h"
#include "heap/jemalloc_ctl.h"
#include "kinds/arena_kind.h"
#include "kinds/kind_ops.h"
#include "kinds/memkind_default_internal.h"
#include "kinds/static_kinds.h"
#include "os/cpus.h"
#include "util/env.h"
#include "util/log.h"

struct memkind_ops MEMKIND_DEFAULT_OPS =
    KIND_OPS(memkind_arena, .create = memkind_default_create, .destroy = memkind_default_destroy,
             .init_once = memkind_default_init_once);

/* -- Life -------------------------------------------------------------------------------------- */

int memkind_default_create(struct memkind *kind, struct memkind_ops *ops, const char *name)
{
    if (kind == NULL || ops == NULL || name == NULL)
        return MEMKIND_ERROR_INVALID;
    size_t length = strnlen(name, sizeof(kind->name));
    if (length == sizeof(kind->name))
        return MEMKIND_ERROR_INVALID;
    kind->ops = ops;
    memcpy(kind->name, name, length + 1);
    kind->allow_zero_allocs = false;
    return MEMKIND_SUCCESS;
}

int memkind_default_destroy(struct memkind *kind)
{
    (void)kind;
    return MEMKIND_SUCCESS;
}

/* -- Background threads ------------------------------------------------------------------------ */

static unsigned background_limit; /* read once, when the library is loaded */

/* 0, or that of env_uint() where the environment does not ask for background threads. */
static int read_background_limit(void)
{
    unsigned cpus = cpus_usable();
    unsigned limit = 0;
    int err = env_uint("MEMKIND_BACKGROUND_THREAD_LIMIT", 0, INT_MAX, &limit);

    if (err == -EINVAL || limit > cpus) {
        log_error("MEMKIND_BACKGROUND_THREAD_LIMIT is not a number from 0 to %u and is ignored",
                  cpus);
        err = -EINVAL;
    }
    /* 0 and invalid values: one for each processor. */
    background_limit = limit == 0 || err != 0 ? cpus : limit;
    return err;
}

static void limit_background_threads(void)
{
    if (jemalloc_ctl_limit_background_threads(background_limit) != 0)
        log_error("the number of background threads could not be limited to %u", background_limit);
}

int memkind_default_set_background_threads(bool on)
{
    static pthread_once_t limited = PTHREAD_ONCE_INIT;

    if (on)
        pthread_once(&limited, limit_background_threads);
    return jemalloc_ctl_set_background_threads(on);
}

/* jemalloc takes some 60 pages for its controls, so the limit waits for the first threads. */
static void start(void)
{
    if (read_background_limit() == 0 && memkind_default_set_background_threads(true) != 0)
        log_error("background threads could not be started");
}

void memkind_default_init_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, start);
}

/* -- The default heap -------------------------------------------------------------------------- */

/*
 * A kind of the program may use these operations. Whatever the kind, the default kind serves the
 * request; only the kind itself says whether a request of 0 bytes gets a block.
 */
static size_t size_of_request(size_t size)
{
    return size != 0 ? size : 1;
}

void *memkind_default_malloc(struct memkind *kind, size_t size)
{
    return memkind_default_refuses(kind, size)
               ? NULL
               : memkind_arena_malloc(&static_kind_default, size_of_request(size));
}

void *memkind_default_calloc(struct memkind *kind, size_t num, size_t size)
{
    if (memkind_default_refuses(kind, num) || memkind_default_refuses(kind, size))
        return NULL;
    if (num == 0 || size == 0)
        return memkind_arena_calloc(&static_kind_default, 1, 1);
    return memkind_arena_calloc(&static_kind_default, num, size);
}

static void *aligned_alloc_of_default(struct memkind *kind, size_t size, size_t alignment)
{
    (void)kind;
    return memkind_arena_aligned_alloc(&static_kind_default, size, alignment);
}

int memkind_default_posix_memalign(struct memkind *kind, void **memptr, size_t alignment,
                                   size_t size)
{
    return memkind_default_align(kind, memptr, alignment, size, aligned_alloc_of_default);
}

void *memkind_default_realloc(struct memkind *kind, void *ptr, size_t size)
{
    return ptr == NULL ? memkind_default_malloc(kind, size)
                       : memkind_arena_realloc(&static_kind_default, ptr, size);
}

void memkind_default_free(struct memkind *kind, void *ptr)
{
    memkind_arena_free(kind, ptr);
}

size_t memkind_default_malloc_usable_size(struct memkind *kind, void *ptr)
{
    (void)kind;
    return ptr == NULL ? 0 : heap_usable_size(ptr);
}

int memkind_posix_check_alignment(struct memkind *kind, size_t alignment)
{
    (void)kind;
    return alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0 ? EINVAL : 0;
}
