/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions of libc that the interposer replaces. */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memkind/internal/memkind_arena.h"
#include "preload/export.h"
#include "preload/full.h"
#include "preload/libc_calls.h"
#include "preload/preload.h"
#include "preload/slow_path.h"
#include "preload/withdraw.h"
#include "util/hot.h"

struct preload preload;
struct memkind preload_nobody;
_Thread_local struct preload_self preload_self = {.refused = UINTPTR_MAX, .kind = &preload_nobody};
_Thread_local struct full preload_full = {.from = SIZE_MAX};

/* -- malloc and free --------------------------------------------------------------------------- */

/*
 * A thread becomes FAST when it gets a block of its kind. From then on, malloc and free use the
 * thread's view or, without a view, call the kind's operations directly, without the checks of
 * memkind_malloc().
 */

void preload_open_view(void)
{
    memkind_t kind = preload_own_kind();

    preload_self.viewed = kind;
    if (!preload.views ||
        memkind_arena_open_view(kind, &preload_self.view, thread_view_layout()) != MEMKIND_SUCCESS)
        return;
    if (!preload.views_malloc)
        preload_self.view.open_sizes = 0;
}

/* The caches have no block, or there is no view. */
static __attribute__((noinline)) void *malloc_again(size_t size)
{
    void *block = preload.serving.fast_malloc(preload_self.kind, block_size(size));

    return LIKELY(block != NULL) ? block : slow_malloc(size, NULL);
}

/* A short process makes most of its requests while libc serves them: see settings.after. */
static inline bool is_early(size_t size, const void *caller)
{
    return atomic_load_explicit(&preload_waiting, memory_order_relaxed) == PRELOAD_WAITING &&
           !preload.counted && size - preload.min <= preload.span &&
           !callers_include(&preload.libc, caller) && preload_is_early(size);
}

static void *malloc_early(size_t size)
{
    preload_self.visits++;
    return __libc_malloc(size);
}

/* The view has no block, or is closed. */
static __attribute__((noinline)) void *malloc_otherwise(size_t size, const void *caller)
{
    if (size - 1 < preload_self.view.sizes)
        return malloc_again(size);
    if (LIKELY((uintptr_t)caller - preload.libc.first >= preload_self.refused))
        return preload.malloc(size, malloc_again, preload_self.kind);
    if (preload_self.state == PRELOAD_FAST)
        return __libc_malloc(size);
    return is_early(size, caller) ? malloc_early(size) : slow_malloc(size, caller);
}

static void free_to_libc(void *ptr)
{
    preload_self.visits++;
    __libc_free(ptr);
}

/*
 * After the kinds are withdrawn, the caches of FAST threads are empty and closed: each thread takes
 * the slow path of malloc or free once, and is FAST no more.
 */
static __attribute__((noinline)) void free_otherwise(void *ptr)
{
    if (preload_is_withdrawn() && preload_self.state == PRELOAD_FAST)
        preload_set_thread(PRELOAD_COLD);
    memkind_t kind = detect(ptr);

    if (LIKELY(kind == preload_self.kind))
        preload.free(kind, ptr);
    else if (kind == NULL && !preload.counted)
        free_to_libc(ptr);
    else
        slow_free(ptr);
}

EXPORT HOT_FUNCTION void *malloc(size_t size)
{
    void *block = thread_view_pop(&preload_self.view, size);

    return LIKELY(block != NULL) ? block : malloc_otherwise(size, CALLER());
}

EXPORT HOT_FUNCTION void free(void *ptr)
{
    if (UNLIKELY(!thread_view_push(&preload_self.view, ptr)))
        free_otherwise(ptr);
}

/* The view has no block, or is closed. */
static __attribute__((noinline)) void *calloc_otherwise(size_t num, size_t size, const void *caller)
{
    size_t bytes;

    if (__builtin_mul_overflow(num, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    if (LIKELY(preload_self.state == PRELOAD_FAST) && !callers_include(&preload.libc, caller)) {
        void *block = preload.serving.fast_calloc(preload_self.kind, 1, block_size(bytes));

        if (LIKELY(block != NULL))
            return block;
    }
    if (UNLIKELY(!preload_has_malloc()))
        return preload_calloc_derived(num, size);
    return slow_alloc(&(struct request){.caller = caller, .size = bytes, .zero = true});
}

EXPORT HOT_FUNCTION void *calloc(size_t num, size_t size)
{
    size_t bytes;
    bool overflows = __builtin_mul_overflow(num, size, &bytes);
    void *block = LIKELY(!overflows) ? thread_view_pop(&preload_self.view, bytes) : NULL;

    return LIKELY(block != NULL) ? memset(block, 0, bytes) : calloc_otherwise(num, size, CALLER());
}

EXPORT size_t malloc_usable_size(void *ptr)
{
    size_t size = thread_view_usable_size(&preload_self.view, ptr);

    if (LIKELY(size != 0))
        return size;
    return ptr != NULL ? slow_usable_size(ptr, kind_of(ptr)) : 0;
}

/* -- realloc ----------------------------------------------------------------------------------- */

/* The view cannot resize the block, or is closed. */
static __attribute__((noinline)) void *realloc_otherwise(void *ptr, size_t size, const void *caller)
{
    /* Some programs allocate all blocks in this way, Lua among them. */
    if (ptr == NULL && (uintptr_t)caller - preload.libc.first >= preload_self.refused)
        return malloc_otherwise(size, caller);
    if (UNLIKELY(!preload_has_malloc()))
        return preload_realloc_derived(ptr, size);
    return slow_realloc(ptr, &(struct request){.caller = caller, .size = size});
}

/* Moves the contents of a block to a new block by the view; NULL: nothing is done. */
static inline void *move_by_view(void *ptr, size_t size, size_t size_class)
{
    size_t usable = preload_self.view.class_sizes[size_class];
    void *block = thread_view_pop(&preload_self.view, size);

    if (UNLIKELY(block == NULL))
        return NULL;
    memcpy(block, ptr, size < usable ? size : usable);
    free(ptr);
    return block;
}

/* NULL: nothing is done. */
static inline void *resize_by_view(void *ptr, size_t size)
{
    const struct thread_view *view = &preload_self.view;
    struct thread_cache *cache;
    size_t size_class;

    /* A block of another kind may stay there, and a block of no class is larger. */
    if (UNLIKELY(!thread_view_find(view, ptr, &cache, &size_class) || cache != *view->own ||
                 size_class == 0 || size - 1 >= view->sizes))
        return NULL;
    if (view->classes[(size - 1) / SIZE_CLASS_QUANTUM] == size_class)
        return ptr;
    return move_by_view(ptr, size, size_class);
}

EXPORT HOT_FUNCTION void *realloc(void *ptr, size_t size)
{
    void *block =
        ptr != NULL ? resize_by_view(ptr, size) : thread_view_pop(&preload_self.view, size);

    return LIKELY(block != NULL) ? block : realloc_otherwise(ptr, size, CALLER());
}

/* -- libc's own calls -------------------------------------------------------------------------- */

/* The block may be the program's, as that of getline(3). */
static void *realloc_of_libc(void *ptr, size_t size)
{
    return realloc_otherwise(ptr, size, (const void *)preload.libc.first);
}

/* Threads with views count no blocks. */
bool preload_redirect_libc(void)
{
    static const struct libc_calls calls = {__libc_malloc, __libc_calloc, realloc_of_libc};

    return libc_calls_redirect(&calls);
}

/* -- Aligned ----------------------------------------------------------------------------------- */

static void *alloc_aligned(size_t alignment, size_t size, const void *caller)
{
    /* libc's treatment of other numbers differs between versions: leave them to libc. */
    if ((alignment & (alignment - 1)) != 0 || alignment < sizeof(void *))
        return __libc_memalign(alignment, size);
    void *block = thread_view_pop_aligned(&preload_self.view, size, alignment);
    if (LIKELY(block != NULL))
        return block;
    return slow_alloc(&(struct request){.caller = caller, .size = size, .alignment = alignment});
}

EXPORT void *memalign(size_t alignment, size_t size)
{
    return alloc_aligned(alignment, size, CALLER());
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
    return alloc_aligned(alignment, size, CALLER());
}

EXPORT int posix_memalign(void **memptr, size_t alignment, size_t size)
{
    int saved_errno = errno;

    if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0)
        return EINVAL;
    void *block = alloc_aligned(alignment, size, CALLER());
    errno = saved_errno;
    if (block == NULL)
        return ENOMEM;
    *memptr = block;
    return 0;
}

EXPORT void *valloc(size_t size)
{
    return alloc_aligned((size_t)sysconf(_SC_PAGESIZE), size, CALLER());
}

EXPORT void *pvalloc(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    if (size > SIZE_MAX - (page - 1)) {
        errno = ENOMEM;
        return NULL;
    }
    return alloc_aligned(page, (size + page - 1) & ~(page - 1), CALLER());
}
