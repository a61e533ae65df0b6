#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Report: a plugin opened with RTLD_DEEPBIND freed a block of its host by libc's free: "free():
# invalid pointer".

. "$(dirname "$0")/../preload/lib.sh"

command -v "${CC:-cc}" >/dev/null || skip "no C compiler here"
mkdir "$work/lib"
cat >"$work/plugin.c" <<'END'
#include <stdlib.h>
#include <string.h>
void plugin_free(void *block) { free(block); }
char *plugin_text(void) { return strdup("text"); }
void *plugin_grow(void *block) { return realloc(block, 100000); }
END
cat >"$work/host.c" <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(void)
{
    /* By the run path of the program. */
    void *plugin = dlopen("deep_bind_plugin.so", RTLD_NOW | RTLD_DEEPBIND);
    if (plugin == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    void (*plugin_free)(void *) = dlsym(plugin, "plugin_free");
    char *(*plugin_text)(void) = dlsym(plugin, "plugin_text");
    char *(*plugin_grow)(void *) = dlsym(plugin, "plugin_grow");
    for (int i = 0; i < 100; i++) {
        plugin_free(malloc(1000));
        free(plugin_text());
        char *block = plugin_grow(strcpy(malloc(10), "grows"));
        if (strcmp(block, "grows") != 0)
            return 1;
        free(block);
    }
    return dlclose(plugin) != 0 || dlopen("/nonexistent", RTLD_NOW) != NULL;
}
END
"${CC:-cc}" -shared -fPIC -o "$work/lib/deep_bind_plugin.so" "$work/plugin.c"
"${CC:-cc}" -fno-builtin -o "$work/host" "$work/host.c" \
    -ldl "-Wl,--enable-new-dtags,-rpath,$work/lib"

"$work/host" || fail "the program does not even run on libc"
preloaded "$work/host" || fail "the plugin frees its host's blocks"
preloaded MEMKIND_PRELOAD_MIN=500 "$work/host" || fail "with blocks in both heaps"
# With the flag, the plugin uses libc, and its host must not pass it blocks.
if preloaded MEMKIND_PRELOAD_DEEPBIND=1 "$work/host" 2>/dev/null; then
    fail "MEMKIND_PRELOAD_DEEPBIND=1 does not leave the flag"
fi
