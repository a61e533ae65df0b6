/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tcmalloc's own functions, for programs that are linked with a libtcmalloc of their system. Blocks
 * of this library's malloc(3) are served here, others by the library behind: a block that is not in
 * a kind is tcmalloc's, which stands in for libc's heap under all of its names.
 *
 * What is not here is tcmalloc's alone, and does no harm: its operators new give blocks of its own,
 * and its hooks see nothing.
 */
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "preload/preload.h"
#include "preload/whole_heap.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT void *tc_malloc(size_t size);
EXPORT void *tc_malloc_skip_new_handler(size_t size);
EXPORT void *tc_calloc(size_t num, size_t size);
EXPORT void *tc_memalign(size_t alignment, size_t size);
EXPORT int tc_posix_memalign(void **memptr, size_t alignment, size_t size);
EXPORT void *tc_valloc(size_t size);
EXPORT void *tc_pvalloc(size_t size);
EXPORT void *tc_realloc(void *ptr, size_t size);
EXPORT size_t tc_malloc_size(void *ptr);
EXPORT void tc_free(void *ptr);
EXPORT void tc_cfree(void *ptr);
EXPORT void tc_free_sized(void *ptr, size_t size);
EXPORT void tc_delete(void *ptr);
EXPORT void tc_delete_sized(void *ptr, size_t size);
EXPORT void tc_delete_nothrow(void *ptr, const void *tag);
EXPORT void tc_delete_aligned(void *ptr, size_t alignment);
EXPORT void tc_delete_sized_aligned(void *ptr, size_t size, size_t alignment);
EXPORT void tc_delete_aligned_nothrow(void *ptr, size_t alignment, const void *tag);
EXPORT void tc_deletearray(void *ptr);
EXPORT void tc_deletearray_sized(void *ptr, size_t size);
EXPORT void tc_deletearray_nothrow(void *ptr, const void *tag);
EXPORT void tc_deletearray_aligned(void *ptr, size_t alignment);
EXPORT void tc_deletearray_sized_aligned(void *ptr, size_t size, size_t alignment);
EXPORT void tc_deletearray_aligned_nothrow(void *ptr, size_t alignment, const void *tag);
EXPORT size_t MallocExtension_GetAllocatedSize(const void *ptr);
EXPORT int MallocExtension_GetOwnership(const void *ptr);
EXPORT int MallocExtension_VerifyMallocMemory(const void *ptr);
EXPORT int MallocExtension_VerifyNewMemory(const void *ptr);
EXPORT int MallocExtension_VerifyArrayNewMemory(const void *ptr);
EXPORT int MallocExtension_GetNumericProperty(const char *property, size_t *value);
EXPORT void MallocExtension_ReleaseFreeMemory(void);
EXPORT void MallocExtension_ReleaseToSystem(size_t bytes);

enum { TC_OWNED = 1, TC_NOT_OWNED = 2 };

/* -- Allocation -------------------------------------------------------------------------------- */

/* A function that gives a block. */
#define ALLOCATES(type, name, parameters, arguments, ours) \
    type name parameters                                   \
    {                                                      \
        __typeof__(name) *next = PRELOAD_NEXT(name);       \
                                                           \
        return next != NULL ? next arguments : (ours);     \
    }

ALLOCATES(void *, tc_malloc, (size_t size), (size), malloc(size))
ALLOCATES(void *, tc_malloc_skip_new_handler, (size_t size), (size), malloc(size))
ALLOCATES(void *, tc_calloc, (size_t num, size_t size), (num, size), calloc(num, size))
ALLOCATES(void *, tc_memalign, (size_t alignment, size_t size), (alignment, size),
          memalign(alignment, size))
ALLOCATES(int, tc_posix_memalign, (void **memptr, size_t alignment, size_t size),
          (memptr, alignment, size), posix_memalign(memptr, alignment, size))
/* The page size that it reads never changes. NOLINTNEXTLINE(concurrency-mt-unsafe) */
ALLOCATES(void *, tc_valloc, (size_t size), (size), valloc(size))
ALLOCATES(void *, tc_pvalloc, (size_t size), (size), pvalloc(size))

/* -- Blocks ------------------------------------------------------------------------------------ */

/*
 * A function that gets a block, called ptr; the program's malloc has all that the next library has
 * not.
 */
#define TAKES(name, parameters, arguments)                                                       \
    void name parameters                                                                         \
    {                                                                                            \
        __typeof__(name) *next = memkind_detect_kind(ptr) == NULL ? PRELOAD_BEHIND(name) : NULL; \
                                                                                                 \
        if (next != NULL)                                                                        \
            next arguments;                                                                      \
        else                                                                                     \
            free(ptr);                                                                           \
    }

TAKES(tc_free, (void *ptr), (ptr))
TAKES(tc_cfree, (void *ptr), (ptr))
TAKES(tc_free_sized, (void *ptr, size_t size), (ptr, size))
TAKES(tc_delete, (void *ptr), (ptr))
TAKES(tc_delete_sized, (void *ptr, size_t size), (ptr, size))
TAKES(tc_delete_nothrow, (void *ptr, const void *tag), (ptr, tag))
TAKES(tc_delete_aligned, (void *ptr, size_t alignment), (ptr, alignment))
TAKES(tc_delete_sized_aligned, (void *ptr, size_t size, size_t alignment), (ptr, size, alignment))
TAKES(tc_delete_aligned_nothrow, (void *ptr, size_t alignment, const void *tag),
      (ptr, alignment, tag))
TAKES(tc_deletearray, (void *ptr), (ptr))
TAKES(tc_deletearray_sized, (void *ptr, size_t size), (ptr, size))
TAKES(tc_deletearray_nothrow, (void *ptr, const void *tag), (ptr, tag))
TAKES(tc_deletearray_aligned, (void *ptr, size_t alignment), (ptr, alignment))
TAKES(tc_deletearray_sized_aligned, (void *ptr, size_t size, size_t alignment),
      (ptr, size, alignment))
TAKES(tc_deletearray_aligned_nothrow, (void *ptr, size_t alignment, const void *tag),
      (ptr, alignment, tag))

/* A function that asks something about a block. */
#define QUERIES(type, name, parameters, arguments, ours)                                           \
    type name parameters                                                                           \
    {                                                                                              \
        void *block = (void *)(uintptr_t)ptr;                                                      \
        __typeof__(name) *next = memkind_detect_kind(block) == NULL ? PRELOAD_BEHIND(name) : NULL; \
                                                                                                   \
        return next != NULL ? next arguments : (ours);                                             \
    }

QUERIES(void *, tc_realloc, (void *ptr, size_t size), (ptr, size), realloc(block, size))
QUERIES(size_t, tc_malloc_size, (void *ptr), (ptr), malloc_usable_size(block))
QUERIES(size_t, MallocExtension_GetAllocatedSize, (const void *ptr), (ptr),
        malloc_usable_size(block))
QUERIES(int, MallocExtension_GetOwnership, (const void *ptr), (ptr),
        memkind_detect_kind(block) != NULL ? TC_OWNED : TC_NOT_OWNED)
QUERIES(int, MallocExtension_VerifyMallocMemory, (const void *ptr), (ptr), 1)
QUERIES(int, MallocExtension_VerifyNewMemory, (const void *ptr), (ptr), 1)
QUERIES(int, MallocExtension_VerifyArrayNewMemory, (const void *ptr), (ptr), 1)

/* -- The heap ---------------------------------------------------------------------------------- */

/* 1, and the number; 0 for properties that this heap has not. */
int MallocExtension_GetNumericProperty(const char *property, size_t *value)
{
    __typeof__(MallocExtension_GetNumericProperty) *next =
        PRELOAD_NEXT(MallocExtension_GetNumericProperty);

    if (next != NULL)
        return next(property, value);
    whole_heap_refresh();
    struct whole_heap heap = whole_heap_numbers();
    if (strcmp(property, "generic.current_allocated_bytes") == 0)
        *value = heap.allocated;
    else if (strcmp(property, "generic.heap_size") == 0)
        *value = heap.mapped;
    else if (strcmp(property, "generic.total_physical_bytes") == 0)
        *value = heap.resident;
    else
        return 0;
    return 1;
}

void MallocExtension_ReleaseFreeMemory(void)
{
    __typeof__(MallocExtension_ReleaseFreeMemory) *next =
        PRELOAD_BEHIND(MallocExtension_ReleaseFreeMemory);

    if (next != NULL)
        next();
    whole_heap_purge();
}

void MallocExtension_ReleaseToSystem(size_t bytes)
{
    __typeof__(MallocExtension_ReleaseToSystem) *next =
        PRELOAD_BEHIND(MallocExtension_ReleaseToSystem);

    if (next != NULL)
        next(bytes);
    whole_heap_purge();
}
