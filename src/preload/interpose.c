/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions of libc that the preload library stands in for. */
#include <dlfcn.h>
#include <errno.h>
#include <gnu/lib-names.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "preload/preload.h"
#include "preload/ratio.h"

#define EXPORT      __attribute__((visibility("default")))
#define LIKELY(c)   __builtin_expect((c), 1)
#define UNLIKELY(c) __builtin_expect((c), 0)

/* libc's heap: it exports these too. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t num, size_t size);
extern void *__libc_realloc(void *ptr, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *ptr);

/* C23; not yet in every libc's headers. */
EXPORT void free_sized(void *ptr, size_t size);
EXPORT void free_aligned_sized(void *ptr, size_t alignment, size_t size);

struct preload preload;
_Thread_local unsigned char preload_thread;

/* -- Which heap -------------------------------------------------------------------------------- */

static inline bool is_ours(void *ptr)
{
    memkind_t kind = memkind_detect_kind(ptr);

    return kind != NULL && kind == preload.kind;
}

/* Whether the calling thread is to ask the kind for a block of this size. */
static bool goes_to_kind(size_t size)
{
    return preload.kind != NULL && preload_thread != PRELOAD_BUSY &&
           size - preload.min <= preload.span && (!preload.counted || size >= ratio_threshold());
}

/* Not the next one in line: that may be another allocator's, with which a program is linked. */
static void *find_in_libc(const char *name)
{
    void *libc = dlopen(LIBC_SO, RTLD_LAZY | RTLD_NOLOAD);

    return libc != NULL ? dlsym(libc, name) : NULL;
}

size_t preload_libc_usable_size(void *ptr)
{
    static size_t (*_Atomic found)(void *);
    size_t (*function)(void *) = atomic_load_explicit(&found, memory_order_relaxed);

    /* It is the one function of which libc has no second name. To look it up may allocate and free. */
    if (UNLIKELY(function == NULL)) {
        *(void **)&function = find_in_libc("malloc_usable_size");
        atomic_store_explicit(&found, function, memory_order_relaxed);
    }
    return function != NULL ? function(ptr) : 0;
}

static size_t usable_size(void *ptr, bool ours)
{
    return ours ? memkind_malloc_usable_size(preload.kind, ptr) : preload_libc_usable_size(ptr);
}

static void count(void *ptr, bool ours, int sign)
{
    if (preload.counted && preload_thread != PRELOAD_BUSY && ptr != NULL)
        ratio_count(ours ? RATIO_PMEM : RATIO_DRAM, sign * (ssize_t)usable_size(ptr, ours));
}

/* -- The slow way ------------------------------------------------------------------------------ */

struct request {
    size_t size;
    size_t alignment; /* a power of two, or 0 */
    bool zero;
};

static void *from_libc(const struct request *request)
{
    if (request->alignment != 0)
        return __libc_memalign(request->alignment, request->size);
    return request->zero ? __libc_calloc(1, request->size) : __libc_malloc(request->size);
}

static void *from_kind(const struct request *request)
{
    unsigned char before = preload_thread;
    void *block = NULL;

    preload_thread = PRELOAD_BUSY;
    if (request->alignment != 0)
        (void)memkind_posix_memalign(preload.kind, &block, request->alignment, request->size);
    else if (request->zero)
        block = memkind_calloc(preload.kind, 1, request->size);
    else
        block = memkind_malloc(preload.kind, request->size);
    preload_thread = block != NULL ? preload.ready : before;
    return block;
}

/* The kind has no room. */
static void *instead_of_kind(const struct request *request)
{
    if (!preload.fall_back) {
        atomic_fetch_add_explicit(&preload.refused, 1, memory_order_relaxed);
        errno = ENOMEM;
        return NULL;
    }
    atomic_fetch_add_explicit(&preload.fallen, 1, memory_order_relaxed);
    return from_libc(request);
}

static __attribute__((noinline)) void *alloc(const struct request *request)
{
    bool ours = goes_to_kind(request->size);
    void *block = ours ? from_kind(request) : from_libc(request);

    if (UNLIKELY(block == NULL && ours)) {
        ours = false;
        block = instead_of_kind(request);
    }
    count(block, ours, 1);
    return block;
}

static __attribute__((noinline)) void *malloc_slowly(size_t size)
{
    return alloc(&(struct request){.size = size});
}

static __attribute__((noinline)) void free_slowly(void *ptr)
{
    if (ptr == NULL)
        return;
    bool ours = is_ours(ptr);
    count(ptr, ours, -1);
    if (!ours) {
        __libc_free(ptr);
        return;
    }
    unsigned char before = preload_thread;
    preload_thread = PRELOAD_BUSY;
    memkind_free(preload.kind, ptr);
    preload_thread = before;
}

/* -- malloc and free --------------------------------------------------------------------------- */

/* A thread is FAST only where there is a kind; its operations are called without a detour. */

EXPORT void *malloc(size_t size)
{
    if (LIKELY(preload_thread == PRELOAD_FAST)) {
        void *block = preload.kind->ops->malloc(preload.kind, size);

        if (LIKELY(block != NULL))
            return block;
    }
    return malloc_slowly(size);
}

EXPORT void free(void *ptr)
{
    if (LIKELY(preload_thread == PRELOAD_FAST && memkind_detect_kind(ptr) == preload.kind))
        preload.kind->ops->free(preload.kind, ptr);
    else
        free_slowly(ptr);
}

EXPORT void free_sized(void *ptr, size_t size)
{
    (void)size;
    free(ptr);
}

EXPORT void free_aligned_sized(void *ptr, size_t alignment, size_t size)
{
    (void)alignment;
    (void)size;
    free(ptr);
}

EXPORT void *calloc(size_t num, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(num, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    if (LIKELY(preload_thread == PRELOAD_FAST)) {
        void *block = preload.kind->ops->calloc(preload.kind, 1, bytes);

        if (LIKELY(block != NULL))
            return block;
    }
    return alloc(&(struct request){.size = bytes, .zero = true});
}

EXPORT size_t malloc_usable_size(void *ptr)
{
    return ptr != NULL ? usable_size(ptr, is_ours(ptr)) : 0;
}

/* -- realloc ----------------------------------------------------------------------------------- */

/* In the heap that the block is in; NULL where that has no room. */
static void *resize(void *ptr, bool ours, size_t size)
{
    if (!ours)
        return __libc_realloc(ptr, size);
    unsigned char before = preload_thread;
    preload_thread = PRELOAD_BUSY;
    void *block = memkind_realloc(preload.kind, ptr, size);
    preload_thread = before;
    return block;
}

/* Into the heap that a block of this size belongs to. */
static void *move(void *ptr, bool ours, size_t size)
{
    void *block = malloc_slowly(size);

    if (block == NULL)
        return NULL;
    size_t usable = usable_size(ptr, ours);
    memcpy(block, ptr, size < usable ? size : usable);
    free_slowly(ptr);
    return block;
}

EXPORT void *realloc(void *ptr, size_t size)
{
    if (ptr == NULL)
        return malloc(size);
    if (size == 0) {
        free(ptr);
        return NULL;
    }
    bool ours = is_ours(ptr);
    if (ours != goes_to_kind(size))
        return move(ptr, ours, size);
    count(ptr, ours, -1);
    void *block = resize(ptr, ours, size);
    count(block != NULL ? block : ptr, ours, 1);
    return block == NULL && ours ? move(ptr, ours, size) : block;
}

EXPORT void *reallocarray(void *ptr, size_t num, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(num, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(ptr, bytes);
}

/* -- Aligned ----------------------------------------------------------------------------------- */

EXPORT void *memalign(size_t alignment, size_t size)
{
    /* What libc makes of other numbers has changed from version to version: let it. */
    if ((alignment & (alignment - 1)) != 0 || alignment < sizeof(void *))
        return __libc_memalign(alignment, size);
    return alloc(&(struct request){.size = size, .alignment = alignment});
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

EXPORT int posix_memalign(void **memptr, size_t alignment, size_t size)
{
    int saved_errno = errno;

    if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0)
        return EINVAL;
    void *block = memalign(alignment, size);
    errno = saved_errno;
    if (block == NULL)
        return ENOMEM;
    *memptr = block;
    return 0;
}

EXPORT void *valloc(size_t size)
{
    return memalign((size_t)sysconf(_SC_PAGESIZE), size);
}

EXPORT void *pvalloc(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    if (size > SIZE_MAX - (page - 1)) {
        errno = ENOMEM;
        return NULL;
    }
    return memalign(page, (size + page - 1) & ~(page - 1));
}
