/* SPDX-License-Identifier: BSD-2-Clause */
/* Operations that query kinds, the library and invalid addresses; and settings of the process. */
#include "fuzz/operations.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <memkind/internal/memkind_arena.h>
#include <memkind/internal/memkind_default.h>

#define VERSION 1014000
#define GUARD   '#'

/* The thread sanitizer does not intercept the start of jemalloc's threads. */
#ifdef __SANITIZE_THREAD__
#    define BACKGROUND_THREADS false
#else
#    define BACKGROUND_THREADS true
#endif

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/* -- Kinds ------------------------------------------------------------------------------------- */

static void check_capacity(const struct model_kind *kind)
{
    ssize_t capacity = memkind_get_capacity(kind->handle);

    switch (kind->sort) {
    case MODEL_PMEM:
        MODEL_CHECK(kind->max_size != 0 ? (size_t)capacity == kind->max_size : capacity > 0,
                    "capacity %zd", capacity);
        break;
    case MODEL_STATIC:
        MODEL_CHECK(capacity > 0, "capacity %zd", capacity);
        break;
    default:
        MODEL_CHECK(capacity == -1, "capacity %zd", capacity);
    }
}

void operation_ask_kind(struct model_world *world, const struct input_record *record)
{
    unsigned slot = input_slot(record);
    const struct model_kind *kind = kinds_get(world, slot, record->b);
    memkind_t found = NULL;
    unsigned arena = 0;
    size_t value = 0;
    int flags = 0;

    model_call(world, "ask kind", (int)slot, NULL, 0, 0);
    MODEL_CHECK(memkind_check_available(kind->handle) == MEMKIND_SUCCESS, "not available");
    check_capacity(kind);
    MODEL_CHECK(memkind_get_kind_by_partition((int)kind->handle->partition, &found) ==
                        MEMKIND_SUCCESS &&
                    found == kind->handle,
                "partition %u", kind->handle->partition);
    MODEL_CHECK(memkind_get_stat(kind->handle, MEMKIND_STAT_TYPE_MAX_VALUE, &value) ==
                    MEMKIND_ERROR_INVALID,
                "a statistic that is none");
    if (kind->sort == MODEL_PMEM)
        MODEL_CHECK(memkind_pmem_get_mmap_flags(kind->handle, &flags) == MEMKIND_SUCCESS &&
                        flags == MAP_SHARED,
                    "flags %d", flags);
    if (slot != 0)
        MODEL_CHECK(memkind_thread_get_arena(kind->handle, &arena, 1) == MEMKIND_SUCCESS, "arena");
    model_return(world, NULL);
}

/* -- The library ------------------------------------------------------------------------------- */

static void check_error_message(int error, size_t size)
{
    char text[MEMKIND_ERROR_MESSAGE_SIZE + 1];

    memset(text, GUARD, sizeof(text));
    size %= sizeof(text);
    memkind_error_message(error, text, size);
    MODEL_CHECK(text[size] == GUARD, "an error message is too long");
    MODEL_CHECK(size == 0 || memchr(text, '\0', size) != NULL, "an error message has no end");
}

void operation_ask_library(struct model_world *world, const struct input_record *record)
{
    memkind_t kind = NULL;

    model_call(world, "ask library", -1, NULL, record->a, record->b);
    check_error_message((int16_t)record->a % 300, record->b);
    MODEL_CHECK(memkind_get_version() == VERSION, "version");
    int status = memkind_get_kind_by_partition((int16_t)record->b % 1024, &kind);
    MODEL_CHECK(status == MEMKIND_SUCCESS
                    ? kind != NULL
                    : status == MEMKIND_ERROR_UNAVAILABLE || status == MEMKIND_ERROR_INVALID,
                "kind by partition: %d", status);
    MODEL_CHECK(memkind_malloc_usable_size(world->kinds[0].handle, NULL) == 0, "size of NULL");
    MODEL_CHECK(memkind_defrag_reallocate(NULL, NULL) == NULL, "NULL was moved");
    errno = 0;
    MODEL_CHECK(memkind_realloc(NULL, NULL, record->a) == NULL && errno == EINVAL,
                "realloc without anything");
    MODEL_CHECK(memkind_get_capacity(NULL) == -1, "capacity of nothing");
    if (record->a % 16 == 0) {
        const char *dir = record->a % 32 == 0 ? world->dir : "/proc/self";

        status = memkind_check_dax_path(dir);
        MODEL_CHECK(
            status == MEMKIND_SUCCESS || status == MEMKIND_ERROR_MMAP ||
                ((dir != world->dir || world->file_limit) && status == MEMKIND_ERROR_RUNTIME),
            "check_dax_path: %d", status);
    }
    model_return(world, NULL);
}

static void count_letters(void *opaque, const char *text)
{
    *(size_t *)opaque += strlen(text);
}

void operation_report(struct model_world *world, const struct input_record *record)
{
    size_t letters = 0;

    /* A report takes as long as a thousand other operations. */
    if (record->b % 16 != 0)
        return;
    model_call(world, "stats_print", -1, NULL, record->a, 0);
    int status = memkind_stats_print(count_letters, &letters, record->a % 1024u);
    MODEL_CHECK(record->a % 1024u < 512 ? status == MEMKIND_SUCCESS && letters > 0
                                        : status == MEMKIND_ERROR_INVALID && letters == 0,
                "report: %d, %zu letters", status, letters);
    model_return(world, NULL);
}

/* -- Addresses --------------------------------------------------------------------------------- */

static bool is_live(const struct model_world *world, memkind_t kind)
{
    for (unsigned slot = 0; slot < MODEL_SLOTS; slot++)
        if (world->kinds[slot].handle == kind)
            return true;
    return false;
}

/* Returns an address of any sort, perhaps a former block's. */
static uintptr_t stray(const struct model_world *world, const struct input_record *record)
{
    uintptr_t near = world->count != 0 ? (uintptr_t)world->blocks[record->b % world->count]->address
                                       : (uintptr_t)&near;

    switch (record->a % 6) {
    case 0:
        return record->b;
    case 1:
        return (uintptr_t)world;
    case 2:
        return UINTPTR_MAX - record->b;
    case 3:
        return (uintptr_t)record->b << 32 | record->a;
    case 4:
        return near ^ (uintptr_t)1 << record->b % 48;
    default:
        return near + ((uintptr_t)record->b << 12);
    }
}

void operation_ask_stray(struct model_world *world, const struct input_record *record)
{
    uintptr_t address = stray(world, record);

    model_call(world, "detect_kind", -1, (const void *)address, 0, 0);
    memkind_t kind = memkind_detect_kind((void *)address);
    model_return(world, kind);
    MODEL_CHECK(kind == NULL || !world->exact || is_live(world, kind), "detected a dead kind %p",
                (void *)kind);
}

/* -- The process ------------------------------------------------------------------------------- */

static void set_file_limit(struct model_world *world, rlim_t limit)
{
    struct rlimit old;

    MODEL_CHECK(getrlimit(RLIMIT_FSIZE, &old) == 0, "getrlimit");
    world->file_limit = limit < old.rlim_max;
    old.rlim_cur = limit < old.rlim_max ? limit : old.rlim_max;
    MODEL_CHECK(setrlimit(RLIMIT_FSIZE, &old) == 0, "setrlimit");
}

/* Sets RLIMIT_FSIZE to some MiB, or lifts it. */
void operation_limit_files(struct model_world *world, const struct input_record *record)
{
    rlim_t limit = record->a % 4 != 0 ? RLIM_INFINITY : (rlim_t)(2 + record->a % 16) * MIB;

    model_call(world, "setrlimit(RLIMIT_FSIZE)", -1, NULL, 0, limit);
    set_file_limit(world, limit);
    model_return(world, NULL);
}

void operation_background(struct model_world *world, const struct input_record *record)
{
    if (record->b % 8 != 0 || !BACKGROUND_THREADS)
        return;
    world->background = record->a % 2 != 0;
    model_call(world, "set_bg_threads", -1, NULL, world->background, 0);
    MODEL_CHECK(memkind_set_bg_threads(world->background) == MEMKIND_SUCCESS, "threads");
    model_return(world, NULL);
}

void questions_reset(struct model_world *world)
{
    if (world->file_limit)
        set_file_limit(world, RLIM_INFINITY);
    if (world->background)
        MODEL_CHECK(memkind_set_bg_threads(false) == MEMKIND_SUCCESS, "threads");
    world->background = false;
}
