/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mimalloc's own functions, for programs that are linked with their system's libmimalloc. They
 * handle blocks of this library's malloc(3) that are in a kind, and pass others to the next
 * library.
 *
 * Heaps that the program creates (mi_heap_new) stay mimalloc's, with their blocks. A block of a
 * kind that is to grow in one of them stays in the kind. Blocks whose address plus an offset is
 * aligned are mimalloc's too.
 */
#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "preload/forward.h"
#include "preload/preload.h"
#include "preload/whole_heap.h"

/* -- Allocation -------------------------------------------------------------------------------- */

static void *zeroed(void *block, size_t size)
{
    return block != NULL ? memset(block, 0, size) : NULL;
}

static void *multiplied(size_t num, size_t size)
{
    size_t bytes;

    if (!__builtin_mul_overflow(num, size, &bytes))
        return malloc(bytes);
    errno = ENOMEM;
    return NULL;
}

static void *calloc_aligned(size_t num, size_t size, size_t alignment)
{
    size_t bytes;

    if (!__builtin_mul_overflow(num, size, &bytes))
        return zeroed(memalign(alignment, bytes), bytes);
    errno = ENOMEM;
    return NULL;
}

FORWARD_ALLOCATION(void *, mi_malloc, (size_t size), (size), malloc(size))
FORWARD_ALLOCATION(void *, mi_malloc_small, (size_t size), (size), malloc(size))
FORWARD_ALLOCATION(void *, mi_zalloc, (size_t size), (size), calloc(1, size))
FORWARD_ALLOCATION(void *, mi_zalloc_small, (size_t size), (size), calloc(1, size))
FORWARD_ALLOCATION(void *, mi_calloc, (size_t num, size_t size), (num, size), calloc(num, size))
FORWARD_ALLOCATION(void *, mi_mallocn, (size_t num, size_t size), (num, size),
                   multiplied(num, size))
FORWARD_ALLOCATION(void *, mi_malloc_aligned, (size_t size, size_t alignment), (size, alignment),
                   memalign(alignment, size))
FORWARD_ALLOCATION(void *, mi_zalloc_aligned, (size_t size, size_t alignment), (size, alignment),
                   zeroed(memalign(alignment, size), size))
FORWARD_ALLOCATION(void *, mi_calloc_aligned, (size_t num, size_t size, size_t alignment),
                   (num, size, alignment), calloc_aligned(num, size, alignment))
FORWARD_ALLOCATION(void *, mi_memalign, (size_t alignment, size_t size), (alignment, size),
                   memalign(alignment, size))
FORWARD_ALLOCATION(void *, mi_aligned_alloc, (size_t alignment, size_t size), (alignment, size),
                   aligned_alloc(alignment, size))
FORWARD_ALLOCATION(int, mi_posix_memalign, (void **memptr, size_t alignment, size_t size),
                   (memptr, alignment, size), posix_memalign(memptr, alignment, size))
/* The page size never changes. NOLINTNEXTLINE(concurrency-mt-unsafe) */
FORWARD_ALLOCATION(void *, mi_valloc, (size_t size), (size), valloc(size))
FORWARD_ALLOCATION(void *, mi_pvalloc, (size_t size), (size), pvalloc(size))
FORWARD_ALLOCATION(char *, mi_strdup, (const char *text), (text),
                   text != NULL ? strdup(text) : NULL)
FORWARD_ALLOCATION(char *, mi_strndup, (const char *text, size_t most), (text, most),
                   text != NULL ? strndup(text, most) : NULL)

/* -- Blocks ------------------------------------------------------------------------------------ */

FORWARD_FREE(mi_free, (void *ptr), (ptr))
FORWARD_FREE(mi_cfree, (void *ptr), (ptr))
FORWARD_FREE(mi_free_size, (void *ptr, size_t size), (ptr, size))
FORWARD_FREE(mi_free_aligned, (void *ptr, size_t alignment), (ptr, alignment))
FORWARD_FREE(mi_free_size_aligned, (void *ptr, size_t size, size_t alignment),
             (ptr, size, alignment))

FORWARD_QUERY(size_t, mi_usable_size, (const void *ptr), (ptr), forward_usable_size(ptr))
FORWARD_QUERY(size_t, mi_malloc_size, (const void *ptr), (ptr), forward_usable_size(ptr))
FORWARD_QUERY(size_t, mi_malloc_usable_size, (const void *ptr), (ptr), forward_usable_size(ptr))
FORWARD_QUERY(bool, mi_is_in_heap_region, (const void *ptr), (ptr), forward_is_in_kind(ptr))
FORWARD_QUERY(bool, mi_check_owned, (const void *ptr), (ptr), forward_is_in_kind(ptr))
FORWARD_QUERY(bool, mi_heap_contains_block, (void *heap, const void *ptr), (heap, ptr), false)
FORWARD_QUERY(bool, mi_heap_check_owned, (void *heap, const void *ptr), (heap, ptr), false)

/* -- Sizes ------------------------------------------------------------------------------------- */

struct request {
    size_t size;
    size_t alignment; /* 0: that of malloc(3) */
    size_t offset;    /* the block's address plus this one is aligned */
    bool zero;        /* new bytes are zero */
    bool free_failed; /* without room, the old block is freed */
};

extern void *mi_malloc_aligned_at(size_t size, size_t alignment, size_t offset)
    __attribute__((weak));

static void *move(void *ptr, const struct request *request, size_t before)
{
    __typeof__(mi_malloc_aligned_at) *next =
        request->offset != 0 ? PRELOAD_BEHIND(mi_malloc_aligned_at) : NULL;
    void *block = next != NULL ? next(request->size, request->alignment, request->offset)
                               : memalign(request->alignment, request->size);

    if (block != NULL && ptr != NULL) {
        memcpy(block, ptr, before < request->size ? before : request->size);
        free(ptr);
    }
    return block;
}

/* Resizes a block in a kind, or allocates a new one. */
static void *resize(void *ptr, const struct request *request)
{
    size_t before = ptr != NULL ? forward_usable_size(ptr) : 0;
    size_t size = request->size != 0 ? request->size : 1; /* realloc(3) would free the block */
    bool moves = request->alignment > PRELOAD_LEAST_BLOCK || request->offset != 0;
    void *block = moves ? move(ptr, request, before) : realloc(ptr, size);

    if (block == NULL && request->free_failed)
        free(ptr);
    if (block != NULL && request->zero && request->size > before)
        memset((char *)block + before, 0, request->size - before);
    return block;
}

/* The same for an array. Fails if the size overflows. */
static void *resize_array(void *ptr, size_t num, struct request request)
{
    if (!__builtin_mul_overflow(num, request.size, &request.size))
        return resize(ptr, &request);
    errno = EOVERFLOW;
    return NULL;
}

#define REQUEST(...) (&(struct request){__VA_ARGS__})
#define ARRAY(...)   ((struct request){__VA_ARGS__})

/* Each has a twin with a heap of the program. */
#define RESIZES(name, parameters, arguments, ours) \
    FORWARD_QUERY(void *, mi_##name, parameters, arguments, ours)

RESIZES(realloc, (void *ptr, size_t size), (ptr, size), resize(ptr, REQUEST(.size = size)))
RESIZES(reallocf, (void *ptr, size_t size), (ptr, size),
        resize(ptr, REQUEST(.size = size, .free_failed = true)))
RESIZES(rezalloc, (void *ptr, size_t size), (ptr, size),
        resize(ptr, REQUEST(.size = size, .zero = true)))
RESIZES(reallocn, (void *ptr, size_t num, size_t size), (ptr, num, size),
        resize_array(ptr, num, ARRAY(.size = size)))
RESIZES(reallocarray, (void *ptr, size_t num, size_t size), (ptr, num, size),
        resize_array(ptr, num, ARRAY(.size = size)))
RESIZES(recalloc, (void *ptr, size_t num, size_t size), (ptr, num, size),
        resize_array(ptr, num, ARRAY(.size = size, .zero = true)))
RESIZES(realloc_aligned, (void *ptr, size_t size, size_t alignment), (ptr, size, alignment),
        resize(ptr, REQUEST(.size = size, .alignment = alignment)))
RESIZES(rezalloc_aligned, (void *ptr, size_t size, size_t alignment), (ptr, size, alignment),
        resize(ptr, REQUEST(.size = size, .alignment = alignment, .zero = true)))
RESIZES(realloc_aligned_at, (void *ptr, size_t size, size_t alignment, size_t offset),
        (ptr, size, alignment, offset),
        resize(ptr, REQUEST(.size = size, .alignment = alignment, .offset = offset)))
RESIZES(rezalloc_aligned_at, (void *ptr, size_t size, size_t alignment, size_t offset),
        (ptr, size, alignment, offset),
        resize(ptr, REQUEST(.size = size, .alignment = alignment, .offset = offset, .zero = true)))
RESIZES(recalloc_aligned, (void *ptr, size_t num, size_t size, size_t alignment),
        (ptr, num, size, alignment),
        resize_array(ptr, num, ARRAY(.size = size, .alignment = alignment, .zero = true)))
RESIZES(aligned_recalloc, (void *ptr, size_t num, size_t size, size_t alignment),
        (ptr, num, size, alignment),
        resize_array(ptr, num, ARRAY(.size = size, .alignment = alignment, .zero = true)))
RESIZES(recalloc_aligned_at, (void *ptr, size_t num, size_t size, size_t alignment, size_t offset),
        (ptr, num, size, alignment, offset),
        resize_array(ptr, num,
                     ARRAY(.size = size, .alignment = alignment, .offset = offset, .zero = true)))
RESIZES(aligned_offset_recalloc,
        (void *ptr, size_t num, size_t size, size_t alignment, size_t offset),
        (ptr, num, size, alignment, offset),
        resize_array(ptr, num,
                     ARRAY(.size = size, .alignment = alignment, .offset = offset, .zero = true)))

RESIZES(heap_realloc, (void *heap, void *ptr, size_t size), (heap, ptr, size),
        resize(ptr, REQUEST(.size = size)))
RESIZES(heap_reallocf, (void *heap, void *ptr, size_t size), (heap, ptr, size),
        resize(ptr, REQUEST(.size = size, .free_failed = true)))
RESIZES(heap_rezalloc, (void *heap, void *ptr, size_t size), (heap, ptr, size),
        resize(ptr, REQUEST(.size = size, .zero = true)))
RESIZES(heap_reallocn, (void *heap, void *ptr, size_t num, size_t size), (heap, ptr, num, size),
        resize_array(ptr, num, ARRAY(.size = size)))
RESIZES(heap_recalloc, (void *heap, void *ptr, size_t num, size_t size), (heap, ptr, num, size),
        resize_array(ptr, num, ARRAY(.size = size, .zero = true)))
RESIZES(heap_realloc_aligned, (void *heap, void *ptr, size_t size, size_t alignment),
        (heap, ptr, size, alignment), resize(ptr, REQUEST(.size = size, .alignment = alignment)))
RESIZES(heap_rezalloc_aligned, (void *heap, void *ptr, size_t size, size_t alignment),
        (heap, ptr, size, alignment),
        resize(ptr, REQUEST(.size = size, .alignment = alignment, .zero = true)))
RESIZES(heap_realloc_aligned_at,
        (void *heap, void *ptr, size_t size, size_t alignment, size_t offset),
        (heap, ptr, size, alignment, offset),
        resize(ptr, REQUEST(.size = size, .alignment = alignment, .offset = offset)))
RESIZES(heap_rezalloc_aligned_at,
        (void *heap, void *ptr, size_t size, size_t alignment, size_t offset),
        (heap, ptr, size, alignment, offset),
        resize(ptr, REQUEST(.size = size, .alignment = alignment, .offset = offset, .zero = true)))
RESIZES(heap_recalloc_aligned, (void *heap, void *ptr, size_t num, size_t size, size_t alignment),
        (heap, ptr, num, size, alignment),
        resize_array(ptr, num, ARRAY(.size = size, .alignment = alignment, .zero = true)))
RESIZES(heap_recalloc_aligned_at,
        (void *heap, void *ptr, size_t num, size_t size, size_t alignment, size_t offset),
        (heap, ptr, num, size, alignment, offset),
        resize_array(ptr, num,
                     ARRAY(.size = size, .alignment = alignment, .offset = offset, .zero = true)))

/* In place, or not at all. */
RESIZES(expand, (void *ptr, size_t size), (ptr, size),
        size <= forward_usable_size(ptr) ? ptr : NULL)
RESIZES(_expand, (void *ptr, size_t size), (ptr, size),
        size <= forward_usable_size(ptr) ? ptr : NULL)

/* -- The heap ---------------------------------------------------------------------------------- */

EXPORT void mi_collect(bool force);

void mi_collect(bool force)
{
    __typeof__(mi_collect) *next = PRELOAD_BEHIND(mi_collect);

    if (next != NULL)
        next(force);
    if (force)
        whole_heap_purge();
}
