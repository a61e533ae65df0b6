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

#include "check.h"

/* Stores the address of the function. Exits with 77 if the process has none. */
static inline void find(void *function, const char *name)
{
    void *found = dlsym(RTLD_DEFAULT, name);

    if (found == NULL)
        exit(77);
    memcpy(function, &found, sizeof(found));
}
