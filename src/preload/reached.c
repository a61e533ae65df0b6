/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether what the process calls malloc is this library's. Each function is called, and what counts
 * is that the call arrives: where it is looked up says less, since a library that comes before this
 * one may pass calls on.
 */
#include <dlfcn.h>
#include <stdlib.h>

#include "preload/preload.h"

#define SOME_BYTES ((size_t)100)

/*
 * Whether the call that gave this block arrived here, and the one that frees it does. A block never
 * goes to an allocator that did not make it.
 */
static bool arrives(void *block, unsigned visits)
{
    bool arrived = preload_visits != visits;

    visits = preload_visits;
    free(block);
    return arrived && preload_visits != visits;
}

static bool is_reached(void)
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

bool preload_serves(void)
{
    enum { UNKNOWN, SERVES, STANDS_ASIDE };
    static atomic_int known = UNKNOWN;

    if (preload_kind() != NULL)
        return true;
    if (atomic_load_explicit(&known, memory_order_relaxed) == UNKNOWN)
        atomic_store_explicit(&known, is_reached() ? SERVES : STANDS_ASIDE, memory_order_relaxed);
    return atomic_load_explicit(&known, memory_order_relaxed) == SERVES;
}

void *preload_find_next(_Atomic(void *) *cache, const char *name)
{
    void *found = atomic_load_explicit(cache, memory_order_relaxed);

    if (found == NULL) {
        found = dlsym(RTLD_NEXT, name);
        atomic_store_explicit(cache, found, memory_order_relaxed);
    }
    return found;
}
