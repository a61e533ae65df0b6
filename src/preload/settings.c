/* SPDX-License-Identifier: BSD-2-Clause */
/* What the environment asks of the preload library. */
#include "preload/settings.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "memkind.h"
#include "preload/ratio.h"

#define DECIMAL 10u

/* Digits, of which there must be at least one; *end is behind them. */
static bool parse_number(const char *text, const char **end, size_t *number)
{
    const char *digit = text;

    for (*number = 0; *digit >= '0' && *digit <= '9'; digit++)
        if (__builtin_mul_overflow(*number, DECIMAL, number) ||
            __builtin_add_overflow(*number, (size_t)(*digit - '0'), number))
            return false;
    *end = digit;
    return digit != text;
}

/* A number, and K, M, G or T. */
static bool parse_size(const char *text, size_t *size)
{
    static const char units[] = "KMGT";
    const char *end;

    if (!parse_number(text, &end, size))
        return false;
    if (*end == '\0')
        return true;
    const char *unit = strchr(units, *end);
    unsigned shift = unit != NULL ? 10u * (unsigned)(unit - units + 1) : 0;
    if (shift == 0 || end[1] != '\0' || *size > SIZE_MAX >> shift)
        return false;
    *size <<= shift;
    return true;
}

static bool parse_part(const char *text, const char **end, unsigned *part)
{
    size_t number;

    if (!parse_number(text, end, &number) || number == 0 || number > RATIO_LARGEST_PART)
        return false;
    *part = (unsigned)number;
    return true;
}

/* Says that a variable's value is not what it should be. */
static bool wrong(char *message, const char *name, const char *wanted)
{
    snprintf(message, SETTINGS_MESSAGE_SIZE, "%s=%.64s is not %s", name, secure_getenv(name),
             wanted);
    return false;
}

static bool read_size(const char *name, size_t *size, char *message)
{
    const char *text = secure_getenv(name);

    return text == NULL || parse_size(text, size) ||
           wrong(message, name, "a size such as 4096, 512M or 4G");
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
           wrong(message, name, "a ratio DRAM:PMEM such as 1:4");
}

static bool read_fallback(struct settings *settings, char *message)
{
    const char *name = "MEMKIND_PRELOAD_FALLBACK";
    const char *text = secure_getenv(name);

    settings->fall_back = text == NULL || strcmp(text, "dram") == 0;
    return settings->fall_back || strcmp(text, "fail") == 0 ||
           wrong(message, name, "\"dram\" or \"fail\"");
}

static bool read_flag(const char *name, bool *flag, char *message)
{
    const char *text = secure_getenv(name);

    *flag = text != NULL && strcmp(text, "1") == 0;
    return *flag || text == NULL || strcmp(text, "0") == 0 || wrong(message, name, "0 or 1");
}

static bool check_sizes(const struct settings *settings, char *message)
{
    if (settings->size != 0 && settings->size < MEMKIND_PMEM_MIN_SIZE)
        return wrong(message, "MEMKIND_PRELOAD_SIZE", "0 (no limit) or at least 16M");
    if (settings->min > settings->max) {
        snprintf(message, SETTINGS_MESSAGE_SIZE,
                 "MEMKIND_PRELOAD_MIN is larger than MEMKIND_PRELOAD_MAX");
        return false;
    }
    return true;
}

/* Whether the last part of the path is in a list with commas. */
static bool is_listed(const char *list, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    size_t length = strlen(name);

    for (const char *item = list; length != 0; item++) {
        const char *end = strchrnul(item, ',');

        if ((size_t)(end - item) == length && memcmp(item, name, length) == 0)
            return true;
        if (*end == '\0')
            return false;
        item = end;
    }
    return false;
}

bool settings_leave_out(void)
{
    const char *list = secure_getenv("MEMKIND_PRELOAD_EXCEPT");
    const char *executed = (const char *)getauxval(AT_EXECFN);
    char path[PATH_MAX];

    if (list == NULL)
        return false;
    if (executed != NULL && is_listed(list, executed))
        return true;
    ssize_t used = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (used < 0)
        return false;
    path[used] = '\0';
    return is_listed(list, path);
}

bool settings_read(struct settings *settings, char *message)
{
    *settings = (struct settings){.max = SIZE_MAX};
    settings->dir = secure_getenv("MEMKIND_PRELOAD_DIR");
    settings->stats = secure_getenv("MEMKIND_PRELOAD_STATS");
    if (!read_flag("MEMKIND_PRELOAD_STRICT", &settings->strict, message))
        return false;
    if (settings->dir == NULL || settings->dir[0] == '\0') {
        snprintf(message, SETTINGS_MESSAGE_SIZE, "MEMKIND_PRELOAD_DIR does not name a directory");
        return false;
    }
    return read_size("MEMKIND_PRELOAD_SIZE", &settings->size, message) &&
           read_size("MEMKIND_PRELOAD_MIN", &settings->min, message) &&
           read_size("MEMKIND_PRELOAD_MAX", &settings->max, message) &&
           check_sizes(settings, message) && read_ratio(settings, message) &&
           read_fallback(settings, message) &&
           read_flag("MEMKIND_PRELOAD_DEEPBIND", &settings->deep_bind, message) &&
           read_flag("MEMKIND_PRELOAD_PUBLISH", &settings->publish, message);
}
