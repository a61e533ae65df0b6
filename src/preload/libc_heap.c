/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions of libc that the interposer replaces, and calls. */
#include <dlfcn.h>
#include <gnu/lib-names.h>
#include <gnu/libc-version.h>
#include <stdatomic.h>
#include <stdint.h>

#include "preload/preload.h"
#include "util/hot.h"

void *preload_find_in_libc(const char *name)
{
    struct callers_code code = callers_find((uintptr_t)gnu_get_libc_version);
    void *next = dlsym(RTLD_NEXT, name);

    /* The usual case. dlopen(3), below, allocates. */
    if (callers_include(&code, next))
        return next;
    void *libc = dlopen(LIBC_SO, RTLD_LAZY | RTLD_NOLOAD);

    return libc != NULL ? dlsym(libc, name) : NULL;
}

/*
 * Returns the function of that name in the library that defines __libc_malloc(). That is libc, or
 * an allocator that also replaces libc's other names, as tcmalloc and mimalloc do.
 */
static void *find_beside_libc_malloc(const char *name)
{
    void *(*malloc_of_libc)(size_t) = __libc_malloc;
    void *next = dlsym(RTLD_NEXT, name);
    Dl_info info;

    /* Mostly: dladdr compares the address with all of libc's, and dlopen allocates. */
    if (callers_are_in_one((uintptr_t)next, (uintptr_t)malloc_of_libc))
        return next;
    if (dladdr(*(void **)&malloc_of_libc, &info) == 0)
        return NULL;
    void *library = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    return library != NULL ? dlsym(library, name) : NULL;
}

size_t preload_libc_usable_size(void *ptr)
{
    static size_t (*_Atomic found)(void *);
    size_t (*function)(void *) = atomic_load_explicit(&found, memory_order_relaxed);

    /* The only function for which libc has no second name. Finding it may allocate and free. */
    if (UNLIKELY(function == NULL)) {
        *(void **)&function = find_beside_libc_malloc("malloc_usable_size");
        atomic_store_explicit(&found, function, memory_order_relaxed);
    }
    return function != NULL ? function(ptr) : 0;
}
