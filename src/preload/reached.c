/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds out whether the process's malloc is this library's. Where the names refer to others, each
 * function is called, and the result is whether the call arrives here: a library before this one
 * may pass calls on.
 */
#include <dlfcn.h>
#include <stdlib.h>

#include "preload/preload.h"

#define SOME_BYTES ((size_t)100)

/*
 * Returns whether both the call that returned this block and the one that frees it arrive here. A
 * block never goes to another allocator than its own.
 */
static bool arrives(void *block, unsigned visits)
{
    bool arrived = preload_self.visits != visits;

    visits = preload_self.visits;
    free(block);
    return arrived && preload_self.visits != visits;
}

/* Returns whether a function is this library's own, by its address. */
static bool is_own(uintptr_t function)
{
    struct callers_code own = callers_find((uintptr_t)is_own);

    return function - own.first < own.length;
}

static bool is_malloc_reached(void)
{
    if (is_own((uintptr_t)malloc) && is_own((uintptr_t)free))
        return true;
    unsigned visits = preload_self.visits;

    return arrives(malloc(SOME_BYTES), visits);
}

/* While a thread finds out, the answer is not known: a malloc that is made of calloc comes here. */
static _Thread_local bool finding_out;

enum answer { UNKNOWN, YES, NO };

/* Returns the answer, found out once. */
static bool is_so(atomic_int *answer, bool (*find_out)(void))
{
    int known = atomic_load_explicit(answer, memory_order_relaxed);

    if (known == UNKNOWN) {
        finding_out = true;
        known = find_out() ? YES : NO;
        finding_out = false;
        atomic_store_explicit(answer, known, memory_order_relaxed);
    }
    return known == YES;
}

bool preload_has_malloc(void)
{
    static atomic_int answer = UNKNOWN;

    return preload_kind() != NULL || finding_out || is_so(&answer, is_malloc_reached);
}

static bool is_reached(void)
{
    if (!is_malloc_reached())
        return false;
    if (is_own((uintptr_t)calloc) && is_own((uintptr_t)realloc))
        return true;
    unsigned visits = preload_self.visits;
    if (!arrives(calloc(1, SOME_BYTES), visits))
        return false;
    visits = preload_self.visits;
    return arrives(realloc(NULL, SOME_BYTES), visits);
}

bool preload_is_called_directly(void)
{
    return is_own((uintptr_t)malloc) && is_own((uintptr_t)calloc) && is_own((uintptr_t)realloc) &&
           is_own((uintptr_t)free);
}

bool preload_serves(void)
{
    static atomic_int answer = UNKNOWN;

    return preload_kind() != NULL || is_so(&answer, is_reached);
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
