/* SPDX-License-Identifier: BSD-2-Clause */
/* libmemkind-preload.so: the process's malloc on a PMEM kind. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "preload/file_kind.h"
#include "preload/library.h"
#include "preload/ratio.h"

static const char *dir;
static size_t max_size; /* 0: no limit */

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
           settings_wrong(message, name, "a size such as 4096, 512M or 4G");
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
           settings_wrong(message, name, "a ratio DRAM:PMEM such as 1:4");
}

static bool read_fallback(struct settings *settings, char *message)
{
    const char *name = "MEMKIND_PRELOAD_FALLBACK";
    const char *text = secure_getenv(name);

    settings->fall_back = text == NULL || strcmp(text, "dram") == 0;
    return settings->fall_back || strcmp(text, "fail") == 0 ||
           settings_wrong(message, name, "\"dram\" or \"fail\"");
}

static bool check_sizes(const struct settings *settings, char *message)
{
    if (max_size != 0 && max_size < MEMKIND_PMEM_MIN_SIZE)
        return settings_wrong(message, "MEMKIND_PRELOAD_SIZE", "0 (no limit) or at least 16M");
    if (settings->min > settings->max) {
        snprintf(message, SETTINGS_MESSAGE_SIZE,
                 "MEMKIND_PRELOAD_MIN is larger than MEMKIND_PRELOAD_MAX");
        return false;
    }
    return true;
}

static bool read_settings(struct settings *settings, char *message)
{
    dir = secure_getenv("MEMKIND_PRELOAD_DIR");
    if (dir == NULL || dir[0] == '\0') {
        snprintf(message, SETTINGS_MESSAGE_SIZE, "MEMKIND_PRELOAD_DIR does not name a directory");
        return false;
    }
    return read_size("MEMKIND_PRELOAD_SIZE", &max_size, message) &&
           read_size("MEMKIND_PRELOAD_MIN", &settings->min, message) &&
           read_size("MEMKIND_PRELOAD_MAX", &settings->max, message) &&
           check_sizes(settings, message) && read_ratio(settings, message) &&
           read_fallback(settings, message);
}

/* -- The kind ---------------------------------------------------------------------------------- */

static bool make(struct settings *settings, struct serving *serving, char *message)
{
    const char *reason;
    memkind_t kind;

    (void)settings;
    if (!file_kind_make(dir, max_size, &kind, &reason)) {
        snprintf(message, SETTINGS_MESSAGE_SIZE, "no heap in MEMKIND_PRELOAD_DIR=%.256s (%s)", dir,
                 reason);
        return false;
    }
    *serving = serving_by_kind(kind);
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
    .complain = complain,
};
