/* SPDX-License-Identifier: BSD-2-Clause */
/* A program that loads the library at run time, as a plug-in or an interpreter does. */
#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>

struct memkind;

/* POSIX requires that a symbol's address be stored through a pointer of its own type. */
static int load(void *library, const char *name, void *function)
{
    void *address = dlsym(library, name);
    if (!address)
        fprintf(stderr, "%s\n", dlerror());
    *(void **)function = address;
    return address != NULL;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s LIBRARY DIR\n", argv[0]);
        return 2;
    }

    void *library = dlopen(argv[1], RTLD_NOW);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }

    int (*create)(const char *, size_t, struct memkind **);
    void *(*allocate)(struct memkind *, size_t);
    int (*destroy)(struct memkind *);
    if (!load(library, "memkind_create_pmem", &create) ||
        !load(library, "memkind_malloc", &allocate) ||
        !load(library, "memkind_destroy_kind", &destroy))
        return 1;

    struct memkind *kind = NULL;
    if (create(argv[2], 0, &kind) != 0 || !allocate(kind, 1) || destroy(kind) != 0) {
        fprintf(stderr, "the loaded library does not work\n");
        return 1;
    }
    return dlclose(library) == 0 ? 0 : 1;
}
