/* SPDX-License-Identifier: BSD-2-Clause */
/* A plugin that allocates when it is loaded, frees when it is unloaded, and gives blocks away. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *plugin_greet(const char *name);

static char *greeting;

__attribute__((constructor)) static void load(void)
{
    greeting = strdup("hello");
}

__attribute__((destructor)) static void unload(void)
{
    free(greeting);
}

__attribute__((visibility("default"))) char *plugin_greet(const char *name)
{
    char *text;

    return asprintf(&text, "%s %s", greeting, name) >= 0 ? text : NULL;
}
