/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of "NAME:value" separated by commas, and their values. */
#include "preload/memtier/parse.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "preload/memtier/log.h"
#include "preload/settings.h"

bool parse_pair(char **rest, char **name, char **value)
{
    char *state = NULL;

    *name = strtok_r(*rest, ":", &state);
    if (*name == NULL)
        return false;
    *value = strtok_r(NULL, ",", &state);
    *rest = state;
    return true;
}

size_t parse_count(const char *list)
{
    size_t count = 1;

    for (; *list != '\0'; list++)
        count += *list == ';';
    return count;
}

static bool fits(const char *digits, size_t factor, size_t *bytes)
{
    const char *end;
    size_t number;

    return settings_parse_number(digits, &end, &number) &&
           !__builtin_mul_overflow(number, factor, bytes);
}

bool parse_bytes(const char *text, size_t *bytes)
{
    static const struct {
        const char *name;
        size_t factor;
    } units[] = {{"", 1}, {"K", 1ul << 10}, {"M", 1ul << 20}, {"G", 1ul << 30}};
    const char *end = text;
    size_t number;

    if (text == NULL || !settings_parse_number(text, &end, &number)) {
        log_error("Failed to parse size: %s", text != NULL ? text : "");
        return false;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(end, units[i].name) != 0)
            continue;
        if (fits(text, units[i].factor, bytes))
            return true;
        log_error("Provided size is too big: %zu", number);
    }
    log_error("Failed to parse size: %s", text);
    return false;
}

bool parse_ratio(const char *text, unsigned *ratio)
{
    if (text == NULL) {
        log_error("Ratio not provided");
        return false;
    }
    errno = 0;
    unsigned long number = strtoul(text, NULL, 0);
    if (errno != 0 || number == 0 || number > UINT_MAX) {
        log_error("Unsupported ratio: %s", text);
        return false;
    }
    *ratio = (unsigned)number;
    return true;
}
