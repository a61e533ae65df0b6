/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether what the process calls malloc is this library's. Each function is called, and what counts is
 * that the call arrives: where it is looked up says less, since a library that comes before this one
 * may pass calls on.
 */
#include <stdlib.h>

#include "preload/preload.h"

#define SOME_BYTES ((size_t)100)

/*
 * Whether the call that gave this block arrived here, and the one that frees it does. A block never goes
 * to an allocator that did not make it.
 */
static bool arrives(void *block, unsigned visits)
{
    bool arrived = preload_visits != visits;

    visits = preload_visits;
    free(block);
    return arrived && preload_visits != visits;
}

bool preload_is_reached(void)
{
    unsigned visits = preload_visits;

    if (!arrives(malloc(SOME_BYTES), visits))
        return false;
    visits = preload_visits;
    if (!arrives(calloc(1, SOME_BYTES), visits))
        return false;
    visits = preload_visits;
    return arrives(realloc(NULL, SOME_BYTES), visits);
}
