/* SPDX-License-Identifier: BSD-2-Clause */
/* libmemkind-preload.so: the process's malloc in a file, on NUMA nodes, or of a kind. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "preload/library.h"
#include "preload/memkind_preload/places.h"
#include "preload/ratio.h"

#define PATH_KEPT 512 /* longest directory for which the heap waits, with the final null */

/* Exactly one of dir, nodes and kind is not NULL. */
static const char *dir, *nodes, *kind;
static const char *policy; /* for nodes; NULL: the default */
static size_t max_size;    /* for a directory; 0: no limit */

/* -- The environment --------------------------------------------------------------------------- */

static bool parse_part(const char *text, const char **end, unsigned *part)
{
    size_t number;

    if (!settings_parse_number(text, end, &number) || number == 0 || number > RATIO_LARGEST_PART)
        return false;
    *part = (unsigned)number;
    return true;
}

static bool read_size(const char *name, size_t *size, char *message)
{
    const char *text = secure_getenv(name);

    return text == NULL || settings_parse_size(text, size) ||
           settings_invalid(message, name, "a size such as 4096, 512M or 4G");
}

static bool read_ratio(struct settings *settings, char *message)
{
    const char *name = "MEMKIND_PRELOAD_RATIO";
    const char *text = secure_getenv(name);
    const char *end;

    if (text == NULL)
        return true;
    return (parse_part(text, &end, &settings->dram) && *end == ':' &&
            parse_part(end + 1, &end, &settings->pmem) && *end == '\0') ||
           settings_invalid(message, name, "a ratio DRAM:PMEM such as 1:4");
}

static bool read_fallback(struct settings *settings, char *message)
{
    const char *name = "MEMKIND_PRELOAD_FALLBACK";
    const char *text = secure_getenv(name);

    settings->fall_back = text == NULL || strcmp(text, "dram") == 0;
    return settings->fall_back || strcmp(text, "fail") == 0 ||
           settings_invalid(message, name, "\"dram\" or \"fail\"");
}

static bool check_sizes(const struct settings *settings, char *message)
{
    if (max_size != 0 && max_size < MEMKIND_PMEM_MIN_SIZE)
        return settings_invalid(message, "MEMKIND_PRELOAD_SIZE", "0 (no limit) or at least 16M");
    if (settings->min > settings->max) {
        snprintf(message, SETTINGS_MESSAGE_SIZE,
                 "MEMKIND_PRELOAD_MIN is larger than MEMKIND_PRELOAD_MAX");
        return false;
    }
    return true;
}

/* Returns a variable's value; NULL: unset or empty. */
static const char *value_of(const char *name)
{
    const char *text = secure_getenv(name);

    return text != NULL && *text != '\0' ? text : NULL;
}

static bool read_place(char *message)
{
    dir = value_of("MEMKIND_PRELOAD_DIR");
    nodes = value_of("MEMKIND_PRELOAD_NODES");
    kind = value_of("MEMKIND_PRELOAD_KIND");
    policy = secure_getenv("MEMKIND_PRELOAD_POLICY");
    int places = (dir != NULL) + (nodes != NULL) + (kind != NULL);
    const char *wrong = NULL;

    if (places == 0)
        wrong = "MEMKIND_PRELOAD_DIR does not name a directory, nor _NODES nodes, nor _KIND a kind";
    else if (places > 1)
        wrong = "of MEMKIND_PRELOAD_DIR, _NODES and _KIND, more than one is set";
    else if (policy != NULL && nodes == NULL)
        wrong = "MEMKIND_PRELOAD_POLICY needs MEMKIND_PRELOAD_NODES";
    else if (max_size != 0 && dir == NULL)
        wrong = "MEMKIND_PRELOAD_SIZE needs MEMKIND_PRELOAD_DIR";
    if (wrong != NULL)
        snprintf(message, SETTINGS_MESSAGE_SIZE, "%s", wrong);
    return wrong == NULL;
}

static bool read_settings(struct settings *settings, char *message)
{
    return read_size("MEMKIND_PRELOAD_SIZE", &max_size, message) && read_place(message) &&
           read_size("MEMKIND_PRELOAD_MIN", &settings->min, message) &&
           read_size("MEMKIND_PRELOAD_MAX", &settings->max, message) &&
           read_size("MEMKIND_PRELOAD_AFTER", &settings->after, message) &&
           check_sizes(settings, message) && read_ratio(settings, message) &&
           read_fallback(settings, message);
}

/* ---------------------------------------------------------------------------------------------- */

static bool make(struct settings *settings, struct serving *serving, char *message)
{
    (void)settings;
    if (nodes != NULL)
        return places_on_nodes(nodes, policy, serving, message);
    if (kind != NULL)
        return places_of_kind(kind, serving, message);
    return places_in_directories(dir, max_size, serving, message);
}

/*
 * libmemkind reads its variables when it creates a heap. The program may have changed them by its
 * first request, so a heap for which one is set does not wait.
 */
static bool has_variables_of_libmemkind(void)
{
    static const char *const names[] = {
        "MEMKIND_PMEM_FORK",          "MEMKIND_PMEM_THAW",  "MEMKIND_IDLE_THREAD",
        "MEMKIND_ARENA_NUM_PER_KIND", "MEMKIND_HOG_MEMORY", "MEMKIND_BACKGROUND_THREAD_LIMIT",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (secure_getenv(names[i]) != NULL)
            return true;
    return false;
}

/* A privileged process may become another user, who may not create files in the directory. */
static bool is_for_all(void)
{
    struct stat status;

    return geteuid() != 0 || (stat(dir, &status) == 0 && (status.st_mode & S_IWOTH) != 0);
}

/*
 * A directory in which a file without a name can be created: all but a lack of memory has been
 * checked then. The name must outlive the environment, which the program may change.
 */
static bool can_wait(void)
{
    static char kept[PATH_KEPT];

    size_t size = dir != NULL ? strlen(dir) + 1 : 0;

    if (size == 0 || dir[0] != '/' || size > sizeof(kept) || has_variables_of_libmemkind() ||
        !is_for_all())
        return false;
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0)
        return false;
    close(fd);
    memcpy(kept, dir, size);
    dir = kept;
    return true;
}

static void complain(const struct settings *settings, const char *message, bool serves)
{
    settings_complain(library.name, settings, message, serves);
}

const struct library library = {
    .name = "memkind-preload",
    .read = read_settings,
    .make = make,
    .can_wait = can_wait,
    .complain = complain,
};
