/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tcmalloc's own functions, for programs that are linked with their system's libtcmalloc. They
 * handle blocks of this library's malloc(3), and pass others to the next library: a block that is
 * not in a kind is tcmalloc's, which replaces libc's heap under all of its names.
 *
 * Functions that are missing here are tcmalloc's alone, which is harmless: its operators new return
 * blocks of its own, and its hooks are not called.
 */
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "preload/forward.h"
#include "preload/preload.h"
#include "preload/whole_heap.h"

enum { TC_OWNED = 1, TC_NOT_OWNED = 2 };

/* -- Allocation -------------------------------------------------------------------------------- */

FORWARD_ALLOCATION(void *, tc_malloc, (size_t size), (size), malloc(size))
FORWARD_ALLOCATION(void *, tc_malloc_skip_new_handler, (size_t size), (size), malloc(size))
FORWARD_ALLOCATION(void *, tc_calloc, (size_t num, size_t size), (num, size), calloc(num, size))
FORWARD_ALLOCATION(void *, tc_memalign, (size_t alignment, size_t size), (alignment, size),
                   memalign(alignment, size))
FORWARD_ALLOCATION(int, tc_posix_memalign, (void **memptr, size_t alignment, size_t size),
                   (memptr, alignment, size), posix_memalign(memptr, alignment, size))
/* The page size never changes. NOLINTNEXTLINE(concurrency-mt-unsafe) */
FORWARD_ALLOCATION(void *, tc_valloc, (size_t size), (size), valloc(size))
FORWARD_ALLOCATION(void *, tc_pvalloc, (size_t size), (size), pvalloc(size))

/* -- Blocks ------------------------------------------------------------------------------------ */

FORWARD_FREE(tc_free, (void *ptr), (ptr))
FORWARD_FREE(tc_cfree, (void *ptr), (ptr))
FORWARD_FREE(tc_free_sized, (void *ptr, size_t size), (ptr, size))
FORWARD_FREE(tc_delete, (void *ptr), (ptr))
FORWARD_FREE(tc_delete_sized, (void *ptr, size_t size), (ptr, size))
FORWARD_FREE(tc_delete_nothrow, (void *ptr, const void *tag), (ptr, tag))
FORWARD_FREE(tc_delete_aligned, (void *ptr, size_t alignment), (ptr, alignment))
FORWARD_FREE(tc_delete_sized_aligned, (void *ptr, size_t size, size_t alignment),
             (ptr, size, alignment))
FORWARD_FREE(tc_delete_aligned_nothrow, (void *ptr, size_t alignment, const void *tag),
             (ptr, alignment, tag))
FORWARD_FREE(tc_deletearray, (void *ptr), (ptr))
FORWARD_FREE(tc_deletearray_sized, (void *ptr, size_t size), (ptr, size))
FORWARD_FREE(tc_deletearray_nothrow, (void *ptr, const void *tag), (ptr, tag))
FORWARD_FREE(tc_deletearray_aligned, (void *ptr, size_t alignment), (ptr, alignment))
FORWARD_FREE(tc_deletearray_sized_aligned, (void *ptr, size_t size, size_t alignment),
             (ptr, size, alignment))
FORWARD_FREE(tc_deletearray_aligned_nothrow, (void *ptr, size_t alignment, const void *tag),
             (ptr, alignment, tag))

FORWARD_QUERY(void *, tc_realloc, (void *ptr, size_t size), (ptr, size), realloc(ptr, size))
FORWARD_QUERY(size_t, tc_malloc_size, (void *ptr), (ptr), forward_usable_size(ptr))
FORWARD_QUERY(size_t, MallocExtension_GetAllocatedSize, (const void *ptr), (ptr),
              forward_usable_size(ptr))
FORWARD_QUERY(int, MallocExtension_GetOwnership, (const void *ptr), (ptr),
              forward_is_in_kind(ptr) ? TC_OWNED : TC_NOT_OWNED)
FORWARD_QUERY(int, MallocExtension_VerifyMallocMemory, (const void *ptr), (ptr), 1)
FORWARD_QUERY(int, MallocExtension_VerifyNewMemory, (const void *ptr), (ptr), 1)
FORWARD_QUERY(int, MallocExtension_VerifyArrayNewMemory, (const void *ptr), (ptr), 1)

/* -- The heap ---------------------------------------------------------------------------------- */

EXPORT int MallocExtension_GetNumericProperty(const char *property, size_t *value);
EXPORT void MallocExtension_ReleaseFreeMemory(void);
EXPORT void MallocExtension_ReleaseToSystem(size_t bytes);

/* Returns 1 and the number; 0: this heap does not have the property. */
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
