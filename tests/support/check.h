/* SPDX-License-Identifier: BSD-2-Clause */
/* CHECK: for programs that are tests without a framework. */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void check_holds(bool holds, const char *what, const char *file, int line)
{
    if (holds)
        return;
    fflush(stdout);
    fprintf(stderr, "%s:%d: not true: %s\n", file, line, what);
    _exit(EXIT_FAILURE);
}

/* Ends the process, without its exit handlers, where the condition is false. Names it on stderr. */
#define CHECK(condition) check_holds((condition), #condition, __FILE__, __LINE__)
