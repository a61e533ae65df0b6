/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks and optional functions for programs that are made for jemalloc. */
#pragma once

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK(condition) check((condition), #condition, __LINE__)

static inline void check(bool holds, const char *what, int line)
{
    if (holds)
        return;
    fprintf(stderr, "%s: line %d: not so: %s\n", program_invocation_short_name, line, what);
    _exit(1);
}

/* Stores the address of the function. Exits with 77 if the process has none. */
static inline void find(void *function, const char *name)
{
    void *found = dlsym(RTLD_DEFAULT, name);

    if (found == NULL)
        exit(77);
    memcpy(function, &found, sizeof(found));
}
