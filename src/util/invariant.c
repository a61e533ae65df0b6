/* SPDX-License-Identifier: BSD-2-Clause */
/* Reports a violated invariant. */
#include "util/invariant.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void invariant_failed(const char *condition, const char *file, int line)
{
    char text[512];
    /* No stdio: this thread may hold a lock of a stream, and stdio may call malloc(3). */
    int length = snprintf(text, sizeof(text), "libmemkind: %s:%d: invariant violated: %s\n", file,
                          line, condition);
    size_t size = length < 0 ? 0 : (size_t)length;

    if (size >= sizeof(text))
        size = sizeof(text) - 1;
    /* abort() follows, whether the message was written or not. */
    (void)!write(STDERR_FILENO, text, size);
    abort();
}
