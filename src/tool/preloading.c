/* SPDX-License-Identifier: BSD-2-Clause */
/* Libraries of this package for LD_PRELOAD. */
#include "tool/preloading.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int preloading_find(const char *name, char path[PATH_MAX])
{
    static const char *const places[] = {".", TOOL_LIBRARY_DIR};
    char own[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);

    if (length < 0)
        return -ENOENT;
    own[length] = '\0';
    *strrchr(own, '/') = '\0';
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        int used = places[i][0] == '/' ? snprintf(path, PATH_MAX, "%s/%s", places[i], name)
                   : i == 0            ? snprintf(path, PATH_MAX, "%s/%s", own, name)
                                       : snprintf(path, PATH_MAX, "%s/%s/%s", own, places[i], name);

        if (used < PATH_MAX && access(path, R_OK) == 0)
            return 0;
    }
    return -ENOENT;
}

int preloading_add(const char *path)
{
    const char *others = getenv("LD_PRELOAD");
    char *value;

    /* The loader splits the list at these. */
    if (strpbrk(path, " :") != NULL)
        return -EINVAL;
    if (others == NULL || *others == '\0')
        return setenv("LD_PRELOAD", path, 1) != 0 ? -ENOMEM : 0;
    if (asprintf(&value, "%s:%s", path, others) < 0)
        return -ENOMEM;
    int result = setenv("LD_PRELOAD", value, 1) != 0 ? -ENOMEM : 0;
    free(value);
    return result;
}
