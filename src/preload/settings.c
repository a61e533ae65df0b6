/* SPDX-License-Identifier: BSD-2-Clause */
/* The environment variables of all libraries that are made of the interposer. */
#include "preload/settings.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#define DECIMAL     10u
#define EXIT_STRICT 125 /* the status of env(1), timeout(1) and the like for their own failures */

bool settings_parse_number(const char *text, const char **end, size_t *number)
{
    const char *digit = text;

    for (*number = 0; *digit >= '0' && *digit <= '9'; digit++)
        if (__builtin_mul_overflow(*number, DECIMAL, number) ||
            __builtin_add_overflow(*number, (size_t)(*digit - '0'), number))
            return false;
    *end = digit;
    return digit != text;
}

bool settings_parse_size(const char *text, size_t *size)
{
    static const char units[] = "KMGT";
    const char *end;

    if (!settings_parse_number(text, &end, size))
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

bool settings_invalid(char *message, const char *name, const char *wanted)
{
    snprintf(message, SETTINGS_MESSAGE_SIZE, "%s=%.64s is not %s", name, secure_getenv(name),
             wanted);
    return false;
}

static bool read_flag(const char *name, bool *flag, char *message)
{
    const char *text = secure_getenv(name);

    *flag = text != NULL && strcmp(text, "1") == 0;
    return *flag || text == NULL || strcmp(text, "0") == 0 ||
           settings_invalid(message, name, "0 or 1");
}

/* Returns whether the last component of the path is in a list separated by commas. */
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
    settings->stats = secure_getenv("MEMKIND_PRELOAD_STATS");
    return read_flag("MEMKIND_PRELOAD_STRICT", &settings->strict, message) &&
           read_flag("MEMKIND_PRELOAD_DEEPBIND", &settings->deep_bind, message) &&
           read_flag("MEMKIND_PRELOAD_PUBLISH", &settings->publish, message);
}

void settings_complain(const char *library, const struct settings *settings, const char *message,
                       bool serving)
{
    dprintf(STDERR_FILENO, "%s: %s%s\n", library, message,
            settings->strict || serving ? "" : "; libc's malloc is used");
    if (settings->strict)
        _exit(EXIT_STRICT);
}
