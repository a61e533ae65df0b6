/* SPDX-License-Identifier: BSD-2-Clause */
/* libautohbw.so.0: blocks of certain sizes in high bandwidth memory: autohbw(7). */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "autohbw_api.h"
#include "memkind/internal/memkind_private.h"
#include "preload/autohbw/allocation_log.h"
#include "preload/library.h"
#include "preload/named_kinds.h"
#include "preload/preload.h"

#define LARGE ((size_t)1 << 20) /* without AUTO_HBW_SIZE, the least size of such blocks */

static memkind_t kind;
static int debug;

/* -- The program's wishes ---------------------------------------------------------------------- */

void enableAutoHBW(void)
{
    atomic_store_explicit(&preload.paused, false, memory_order_relaxed);
}

void disableAutoHBW(void)
{
    atomic_store_explicit(&preload.paused, true, memory_order_relaxed);
}

/* -- The environment --------------------------------------------------------------------------- */

/* Parses x, x: or x:y: blocks that are larger than x and smaller than y. */
static bool read_sizes(struct settings *settings, char *message)
{
    const char *name = "AUTO_HBW_SIZE";
    const char *text = secure_getenv(name);

    settings->min = LARGE;
    if (text == NULL)
        return true;
    size_t length = strcspn(text, ":");
    char *first = strndup(text, length);
    bool good =
        first != NULL && settings_parse_size(first, &settings->min) && settings->min++ != SIZE_MAX;
    free(first);
    if (good && text[length] == ':' && text[length + 1] != '\0')
        good = settings_parse_size(text + length + 1, &settings->max) &&
               settings->max-- > settings->min;
    return good || settings_invalid(message, name, "a size such as 4K, or two such as 1M:5M");
}

static bool read_number(const char *name, int least, int most, int *number, char *message)
{
    const char *text = secure_getenv(name);
    char *end;

    if (text == NULL)
        return true;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno == 0 && end != text && *end == '\0' && value >= least && value <= most) {
        *number = (int)value;
        return true;
    }
    snprintf(message, SETTINGS_MESSAGE_SIZE, "%s=%.64s is not a number from %d to %d", name, text,
             least, most);
    return false;
}

static bool read_type(char *message)
{
    const char *name = "AUTO_HBW_MEM_TYPE";
    const char *text = secure_getenv(name);

    if (text == NULL)
        return true;
    kind = named_kinds_find(text);
    return kind != NULL || settings_invalid(message, name, "a kind such as MEMKIND_HBW_PREFERRED");
}

static bool read_settings(struct settings *settings, char *message)
{
    int level = LOG_ALLOCATIONS;

    settings->fall_back = true;
    if (!read_sizes(settings, message) || !read_type(message) ||
        !read_number("AUTO_HBW_LOG", LOG_NOTHING, LOG_CALLERS, &level, message) ||
        !read_number("AUTO_HBW_DEBUG", 0, 2, &debug, message))
        return false;
    allocation_log_start(level);
    return true;
}

/* -- The kind ---------------------------------------------------------------------------------- */

static void *log_malloc(size_t size)
{
    void *block = memkind_malloc(kind, size);

    allocation_log("malloc", size, block, kind);
    return block;
}

static void *log_calloc(size_t size)
{
    void *block = memkind_calloc(kind, 1, size);

    allocation_log("calloc", size, block, kind);
    return block;
}

static void *log_memalign(size_t alignment, size_t size)
{
    void *block = NULL;

    if (memkind_posix_memalign(kind, &block, alignment, size) != 0)
        block = NULL;
    allocation_log("memalign", size, block, kind);
    return block;
}

static void *log_realloc(memkind_t of, void *ptr, size_t size)
{
    void *block = memkind_realloc(of, ptr, size);

    allocation_log("realloc", size, block, of);
    return block;
}

static void log_free(memkind_t of, void *ptr)
{
    if (debug > 1)
        dprintf(STDERR_FILENO, "autohbw: free of %p\n", ptr);
    memkind_free(of, ptr);
}

static void log_settings(const struct settings *settings)
{
    if (settings->max == SIZE_MAX)
        allocation_log_info("blocks of %zu bytes and more go to %s", settings->min, kind->name);
    else
        allocation_log_info("blocks of %zu to %zu bytes go to %s", settings->min, settings->max,
                            kind->name);
    if (debug > 0)
        allocation_log_info("there is %s memory of high bandwidth",
                            memkind_check_available(MEMKIND_HBW) == MEMKIND_SUCCESS ? "some"
                                                                                    : "no");
}

static bool make(struct settings *settings, struct serving *serving, char *message)
{
    char text[MEMKIND_ERROR_MESSAGE_SIZE];

    if (kind == NULL)
        kind = memkind_check_available(MEMKIND_HBW) == MEMKIND_SUCCESS ? MEMKIND_HBW_PREFERRED
                                                                       : MEMKIND_DEFAULT;
    int err = memkind_check_available(kind);
    if (err != MEMKIND_SUCCESS) {
        memkind_error_message(err, text, sizeof(text));
        snprintf(message, SETTINGS_MESSAGE_SIZE, "no memory of %s (%s)", kind->name, text);
        return false;
    }
    *serving = (struct serving){
        .kinds = {kind},
        .count = 1,
        .malloc = log_malloc,
        .calloc = log_calloc,
        .memalign = log_memalign,
        .realloc = log_realloc,
        .free = log_free,
        .malloc_uncached = log_malloc,
        .free_uncached = log_free,
    };
    log_settings(settings);
    return true;
}

static void complain(const struct settings *settings, const char *message, bool serving)
{
    settings_complain(library.name, settings, message, serving);
}

const struct library library = {
    .name = "autohbw",
    .read = read_settings,
    .make = make,
    .complain = complain,
};
