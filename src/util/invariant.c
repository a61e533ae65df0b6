/* SPDX-License-Identifier: BSD-2-Clause */
/* Conditions that must hold, checked while the program runs. */
#include "util/invariant.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void invariant_failed(const char *condition, const char *file, int line)
{
    char text[512];
    /* No stream: a lock of stdio may be held, and stdio may call malloc(3). */
    int length = snprintf(text, sizeof(text), "libmemkind: %s:%d: invariant violated: %s\n", file,
                          line, condition);
    size_t size = length < 0 ? 0 : (size_t)length;

    if (size >= sizeof(text))
        size = sizeof(text) - 1;
    /* There is nothing left to do where this fails. */
    (void)!write(STDERR_FILENO, text, size);
    abort();
}
