/* SPDX-License-Identifier: BSD-2-Clause */
/* MEMKIND_PRELOAD_EXCEPT: excluded programs, and the programs that they start. */
#include "preload/leave_out.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "preload/settings.h"

#define SEPARATORS ": " /* of LD_PRELOAD, see ld.so(8) */

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

/* Removes the libraries with this file name from the list, in place. */
static void take_out(char *list, const char *name)
{
    char *write = list;
    char *state = NULL;

    for (char *item = strtok_r(list, SEPARATORS, &state); item != NULL;
         item = strtok_r(NULL, SEPARATORS, &state)) {
        size_t length = strlen(item);

        if (strcmp(last_part(item), name) == 0)
            continue;
        if (write != list)
            *write++ = ':';
        memmove(write, item, length);
        write += length;
    }
    *write = '\0';
}

/*
 * Programs that this one starts must not load the library either: a filter of system calls applies
 * to all programs that are executed later, and kills them if the loader or a library makes a
 * filtered call.
 */
static void forget_library(void)
{
    static const char here[] = "";
    /* The program has not started yet. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    const char *before = getenv("LD_PRELOAD");
    Dl_info own;

    if (before == NULL || dladdr(here, &own) == 0)
        return;
    char *list = strdup(before);
    if (list == NULL)
        return;
    take_out(list, last_part(own.dli_fname));
    if (*list == '\0')
        unsetenv("LD_PRELOAD"); /* NOLINT(concurrency-mt-unsafe) */
    else
        (void)setenv("LD_PRELOAD", list, 1); /* NOLINT(concurrency-mt-unsafe) */
    free(list);
}

void leave_out_children(void)
{
    static const char here[] = "";
    /* Only shortens the text. NOLINTNEXTLINE(concurrency-mt-unsafe) */
    char *list = getenv("LD_PRELOAD");
    Dl_info own;

    if (list != NULL && dladdr(here, &own) != 0)
        take_out(list, last_part(own.dli_fname));
}

bool leave_out(void)
{
    if (!settings_leave_out())
        return false;
    forget_library();
    return true;
}
