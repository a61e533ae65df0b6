/* SPDX-License-Identifier: BSD-2-Clause */
/* Searches for the allocators' libraries in libc's folder and the usual ones. */
#include "allocator.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAMES(...)        \
    (const char *const[]) \
    {                     \
        __VA_ARGS__, NULL \
    }

struct allocator allocator_table[ALLOCATOR_COUNT] = {
    [ALLOCATOR_OURS] = {.name = "this library", .colour = "#0f766e", .kind = true},
    [ALLOCATOR_PRELOAD] = {.name = "its preload", .colour = "#5fb3a9"},
    [ALLOCATOR_MEMKIND] = {.name = "memkind 1.14",
                           .package = "libmemkind0",
                           .file_names = NAMES("libmemkind.so.0"),
                           .colour = "#c2410c",
                           .kind = true},
    [ALLOCATOR_GLIBC] = {.name = "glibc", .colour = "#475569"},
    [ALLOCATOR_JEMALLOC] = {.name = "jemalloc",
                            .package = "libjemalloc2",
                            .file_names = NAMES("libjemalloc.so.2"),
                            .colour = "#7c9cd6"},
    [ALLOCATOR_MIMALLOC] = {.name = "mimalloc",
                            .package = "libmimalloc2.0",
                            .file_names = NAMES("libmimalloc.so.2", "libmimalloc.so.3"),
                            .colour = "#b79bd1"},
    [ALLOCATOR_TCMALLOC] = {.name = "tcmalloc",
                            .package = "libtcmalloc-minimal4",
                            .file_names = NAMES("libtcmalloc_minimal.so.4", "libtcmalloc.so.4"),
                            .colour = "#d9b45b"},
};

static bool allocator_take(struct allocator *allocator, const char *path)
{
    allocator->found = access(path, R_OK) == 0 && realpath(path, allocator->path) != NULL;
    return allocator->found;
}

static bool allocator_look_in(struct allocator *allocator, const char *folder)
{
    char path[PATH_MAX];

    for (const char *const *name = allocator->file_names; *name != NULL; name++) {
        int length = snprintf(path, sizeof(path), "%s/%s", folder, *name);

        if (length > 0 && (size_t)length < sizeof(path) && allocator_take(allocator, path))
            return true;
    }
    return false;
}

static void allocator_look_everywhere(struct allocator *allocator, const char *libc_folder)
{
    const char *folders[] = {libc_folder, "/usr/lib64", "/usr/lib", "/usr/local/lib"};

    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        if (allocator_look_in(allocator, folders[i]))
            return;
    }
}

void allocator_find(const char *ours, const char *preload, const char *peer)
{
    struct allocator *glibc = &allocator_table[ALLOCATOR_GLIBC];
    char folder[PATH_MAX];
    Dl_info libc;

    if (dladdr(dlsym(RTLD_DEFAULT, "malloc"), &libc) != 0)
        allocator_take(glibc, libc.dli_fname);
    snprintf(folder, sizeof(folder), "%s", glibc->path);
    char *slash = strrchr(folder, '/');

    if (slash != NULL)
        *slash = '\0';

    allocator_take(&allocator_table[ALLOCATOR_OURS], ours);
    allocator_take(&allocator_table[ALLOCATOR_PRELOAD], preload);
    for (int i = 0; i < ALLOCATOR_COUNT; i++) {
        struct allocator *allocator = &allocator_table[i];

        if (i == ALLOCATOR_MEMKIND && peer != NULL)
            allocator_take(allocator, peer);
        else if (allocator->file_names != NULL)
            allocator_look_everywhere(allocator, folder);
        if (!allocator->found)
            fprintf(stderr, "bench: %s is left out: not found%s%s\n", allocator->name,
                    allocator->package != NULL ? ", Debian package " : "",
                    allocator->package != NULL ? allocator->package : "");
    }
}
