/* SPDX-License-Identifier: BSD-2-Clause */
/* MEMKIND_PRELOAD_EXCEPT: programs that are left out, with what they start. */
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

/* The list without the libraries whose file has this name; in place. */
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
 * What the program starts must not load the library either: a filter of system calls is for all
 * programs that are executed from then on, and kills them where the loader or a library asks too
 * much.
 */
static void forget_library(void)
{
    static const char here[] = "";
    /* The program has not begun. NOLINTNEXTLINE(concurrency-mt-unsafe) */
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

bool leave_out(void)
{
    if (!settings_leave_out())
        return false;
    forget_library();
    return true;
}
