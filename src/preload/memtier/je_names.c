/* SPDX-License-Identifier: BSD-2-Clause */
/* Other names of malloc and its family, which memkind's libmemtier exports too. */
#include <malloc.h>
#include <stdlib.h>

#include "preload/export.h"

EXPORT void *je_malloc(size_t size);
EXPORT void *je_calloc(size_t num, size_t size);
EXPORT void *je_realloc(void *ptr, size_t size);
EXPORT int je_posix_memalign(void **memptr, size_t alignment, size_t size);
EXPORT void je_free(void *ptr);
EXPORT size_t je_malloc_usable_size(void *ptr);

void *je_malloc(size_t size)
{
    return malloc(size);
}

void *je_calloc(size_t num, size_t size)
{
    return calloc(num, size);
}

void *je_realloc(void *ptr, size_t size)
{
    return realloc(ptr, size);
}

int je_posix_memalign(void **memptr, size_t alignment, size_t size)
{
    return posix_memalign(memptr, alignment, size);
}

void je_free(void *ptr)
{
    free(ptr);
}

size_t je_malloc_usable_size(void *ptr)
{
    return malloc_usable_size(ptr);
}
