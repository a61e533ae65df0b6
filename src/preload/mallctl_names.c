/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of mallctl(3)'s controls, and their MIBs. */
#include "preload/mallctl_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "preload/mallctl_controls.h"

#define ALL_ARENAS 4096u /* MALLCTL_ARENAS_ALL of jemalloc/jemalloc.h */

/*
 * Returns whether the index is an arena, or stands for all: ALL_ARENAS or, as in older jemallocs,
 * the index after the last one.
 */
static bool is_arena(size_t arena)
{
    return arena <= MALLCTL_ARENAS || arena == ALL_ARENAS;
}

/*
 * Compares a part of the name at *name with one of a control's. If they match, advances *name past
 * the part and its separator, and *number is the part of the MIB.
 */
static bool is_part(const char **name, const char *part, size_t length, size_t *number)
{
    const char *end = *name + strcspn(*name, ".");

    *number = 0;
    if (*part == '#' || *part == '%') {
        char *behind;
        if (**name < '0' || **name > '9')
            return false;
        *number = strtoul(*name, &behind, 10);
        if (behind != end)
            return false;
    } else if ((size_t)(end - *name) != length || memcmp(*name, part, length) != 0) {
        return false;
    }
    *name = *end != '\0' ? end + 1 : end;
    return true;
}

/* Returns the number of parts of the MIB; 0: not this control's name. */
static size_t match(const char *name, size_t index, size_t mib[MALLCTL_PARTS])
{
    const char *part = mallctl_controls[index].name;
    size_t parts = 0;

    while (*part != '\0' && *name != '\0' && parts < MALLCTL_PARTS) {
        size_t length = strcspn(part, ".");
        if (!is_part(&name, part, length, &mib[parts++]))
            return 0;
        part += part[length] != '\0' ? length + 1 : length;
    }
    mib[0] = index;
    return *part == '\0' && *name == '\0' ? parts : 0;
}

size_t mallctl_name_find(const char *name, size_t mib[MALLCTL_PARTS])
{
    size_t parts = 0;

    for (size_t i = 0; parts == 0 && i < mallctl_control_count; i++)
        parts = match(name, i, mib);
    return parts;
}

bool mallctl_name_has_arena(const size_t *mib, size_t parts)
{
    const char *part = mallctl_controls[mib[0]].name;

    for (size_t i = 0; i < parts; i++) {
        if (*part == '#' && !is_arena(mib[i]))
            return false;
        part += strcspn(part, ".");
        part += *part != '\0';
    }
    return true;
}

/* Returns the number of parts of a control's name. */
static size_t count_parts(const char *name)
{
    size_t parts = 1;

    for (; *name != '\0'; name++)
        parts += *name == '.';
    return parts;
}

bool mallctl_name_is_mib(const size_t *mib, size_t parts)
{
    return parts != 0 && mib[0] < mallctl_control_count &&
           parts == count_parts(mallctl_controls[mib[0]].name);
}

void mallctl_name_write(const size_t *mib, size_t parts, char name[MALLCTL_NAME_SIZE])
{
    const char *part = mallctl_controls[mib[0]].name;
    size_t used = 0;

    for (size_t i = 0; i < parts; i++) {
        size_t length = strcspn(part, ".");
        const char *dot = i + 1 < parts ? "." : "";

        if (*part == '#') /* the index of the only arena, or of all */
            used += (size_t)snprintf(name + used, MALLCTL_NAME_SIZE - used, "0%s", dot);
        else if (*part == '%')
            used += (size_t)snprintf(name + used, MALLCTL_NAME_SIZE - used, "%zu%s", mib[i], dot);
        else
            used += (size_t)snprintf(name + used, MALLCTL_NAME_SIZE - used, "%.*s%s", (int)length,
                                     part, dot);
        part += part[length] != '\0' ? length + 1 : length;
    }
}
