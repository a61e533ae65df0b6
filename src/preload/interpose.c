/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions of libc that the interposer replaces. */
#include <dlfcn.h>
#include <errno.h>
#include <gnu/lib-names.h>
#include <gnu/libc-version.h>
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
#include "preload/ratio.h"
#include "preload/withdraw.h"
#include "util/hot.h"

/* Names of libc's heap functions, which libc exports like __libc_malloc(). */
extern void *__libc_calloc(size_t num, size_t size);
extern void *__libc_realloc(void *ptr, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *ptr);

struct preload preload;
struct memkind preload_nobody;
_Thread_local struct preload_self preload_self = {.refused = UINTPTR_MAX, .kind = &preload_nobody};
_Thread_local struct full preload_full = {.from = SIZE_MAX};

/* -- Which heap -------------------------------------------------------------------------------- */

/* As memkind_detect_kind(); NULL with another libmemkind, which serves nothing here. */
static inline memkind_t detect(void *ptr)
{
    return LIKELY(memkind_arena_free_or != NULL) ? memkind_detect_kind(ptr) : NULL;
}

/* Returns our kind of the block; NULL: the block is libc's, or of a kind of the program. */
static inline memkind_t kind_of(void *ptr)
{
    memkind_t kind = detect(ptr);

    return preload_has(kind) ? kind : NULL;
}

/* Returns whether the kinds may serve this size for that caller. */
static bool may_be_kinds(size_t size, const void *caller)
{
    return preload_self.state != PRELOAD_BUSY && size - preload.min <= preload.span &&
           !preload_is_withdrawn() && !callers_include(&preload.libc, caller) &&
           preload_kind_for_size(size) != NULL;
}

/* Returns whether the kinds are to serve the request, if they have room. */
static bool goes_to_kind(size_t size, const void *caller)
{
    return (!preload.counted || size >= ratio_threshold()) && may_be_kinds(size, caller) &&
           !atomic_load_explicit(&preload.paused, memory_order_relaxed);
}

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

/* Without a kind, the block is libc's. */
static size_t usable_size(void *ptr, memkind_t kind)
{
    return kind != NULL ? memkind_malloc_usable_size(kind, ptr) : preload_libc_usable_size(ptr);
}

static void count(void *ptr, memkind_t kind, int sign)
{
    if (preload.counted && preload_self.state != PRELOAD_BUSY && ptr != NULL)
        ratio_count(kind != NULL ? RATIO_PMEM : RATIO_DRAM, sign * (ssize_t)usable_size(ptr, kind));
}

/* -- The slow way ------------------------------------------------------------------------------ */

struct request {
    const void *caller;
    size_t size;
    size_t alignment; /* a power of two, or 0 */
    bool zero;
    bool uncached; /* for a block to which another one is moved; neither aligned nor zero */
};

static void *from_libc(const struct request *request)
{
    if (request->alignment != 0)
        return __libc_memalign(request->alignment, request->size);
    return request->zero ? __libc_calloc(1, request->size) : __libc_malloc(request->size);
}

static size_t block_size(size_t size)
{
    return size < PRELOAD_LEAST_BLOCK ? PRELOAD_LEAST_BLOCK : size;
}

/*
 * Records a request that the kinds had no room for, or that succeeded after such a one. While the
 * thread has a record, the thread takes the slow path, which reads the record.
 */
static void remember(size_t size, bool requested)
{
    if (!preload.fall_back)
        return;
    full_record_result(size, requested);
    if (full_is_remembered() && preload_self.state == PRELOAD_FAST)
        preload_set_thread(PRELOAD_FILTERED);
}

static void *from_kind(const struct request *request)
{
    unsigned char before = preload_self.state;
    size_t size = block_size(request->size);
    void *block;

    preload_set_thread(PRELOAD_BUSY);
    if (UNLIKELY(before == PRELOAD_COLD && preload.serving.begin_thread != NULL))
        preload.serving.begin_thread();
    if (request->alignment != 0)
        block = preload.serving.memalign(request->alignment, size);
    else if (request->zero)
        block = preload.serving.calloc(size);
    else if (request->uncached)
        block = preload.serving.malloc_uncached(size);
    else
        block = preload.serving.malloc(size);
    preload_set_thread(block != NULL ? preload.ready : before);
    if (UNLIKELY(block == NULL || full_is_remembered()))
        remember(request->size, block != NULL);
    return block;
}

/* The kind has no room. Returns whether libc serves the request; otherwise errno is ENOMEM. */
static bool falls_back(void)
{
    atomic_fetch_add_explicit(preload.fall_back ? &preload.fallen : &preload.refused, 1,
                              memory_order_relaxed);
    if (!preload.fall_back)
        errno = ENOMEM;
    return preload.fall_back;
}

static __attribute__((noinline)) void *alloc(const struct request *request)
{
    bool ours = goes_to_kind(request->size, request->caller);
    void *block = NULL;

    preload_self.visits++;
    if (ours && !full_keeps_away(request->size))
        block = from_kind(request);
    if (UNLIKELY(block == NULL && ours))
        ours = !falls_back();
    if (!ours)
        block = from_libc(request);
    count(block, ours ? preload.kind : NULL, 1);
    return block;
}

static __attribute__((noinline)) void *malloc_slowly(size_t size, const void *caller)
{
    return alloc(&(struct request){.caller = caller, .size = size});
}

/* The program's own kinds are not counted. */
static void free_block(void *ptr, bool cached)
{
    memkind_t kind = detect(ptr);
    bool ours = preload_has(kind);

    preload_self.visits++;
    if (kind == NULL || ours)
        count(ptr, kind, -1);
    if (kind == NULL) {
        __libc_free(ptr);
        return;
    }
    if (ours && preload_is_withdrawn())
        return;
    unsigned char before = preload_self.state;
    preload_set_thread(PRELOAD_BUSY);
    if (full_is_remembered() && ours)
        full_record_freed(usable_size(ptr, kind));
    if (!ours)
        memkind_free(kind, ptr);
    else
        (cached ? preload.serving.free : preload.serving.free_uncached)(kind, ptr);
    preload_set_thread(before);
    /*
     * libmemkind has its data of this thread now, so that frees need not be slow any more. A thread
     * that never allocates does not become FAST.
     */
    if (before == PRELOAD_COLD && ours)
        preload_view_for_free();
}

static __attribute__((noinline)) void free_slowly(void *ptr)
{
    if (preload_self.state == PRELOAD_FAST && preload.serving.fast_frees_all) {
        memkind_t kind = detect(ptr);

        if (LIKELY(preload_has(kind))) {
            preload.free(kind, ptr);
            return;
        }
    }
    free_block(ptr, true);
}

void *preload_malloc_uncached(size_t size, const void *caller)
{
    return alloc(&(struct request){.caller = caller, .size = size, .uncached = true});
}

void preload_free_uncached(void *ptr)
{
    free_block(ptr, false);
}

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

    return LIKELY(block != NULL) ? block : malloc_slowly(size, NULL);
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
    return is_early(size, caller) ? malloc_early(size) : malloc_slowly(size, caller);
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
        free_slowly(ptr);
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
    return alloc(&(struct request){.caller = caller, .size = bytes, .zero = true});
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
    return ptr != NULL ? usable_size(ptr, kind_of(ptr)) : 0;
}

/* -- realloc ----------------------------------------------------------------------------------- */

/* Resizes in the block's own heap. NULL: no room. */
static void *resize(void *ptr, memkind_t kind, size_t size)
{
    if (kind == NULL)
        return __libc_realloc(ptr, size);
    unsigned char before = preload_self.state;
    preload_set_thread(PRELOAD_BUSY);
    void *block = preload.serving.realloc(kind, ptr, block_size(size));
    preload_set_thread(before);
    return block;
}

static void *resize_counted(void *ptr, memkind_t kind, size_t size)
{
    bool counted = preload.counted && preload_self.state != PRELOAD_BUSY;
    size_t before = counted ? usable_size(ptr, kind) : 0;
    void *block = resize(ptr, kind, size);

    /* In one step: the sum never lacks a block that exists. */
    if (counted && block != NULL)
        ratio_count(kind != NULL ? RATIO_PMEM : RATIO_DRAM,
                    (ssize_t)usable_size(block, kind) - (ssize_t)before);
    return block;
}

/* Moves the contents to a block in another heap. */
static void *move(void *ptr, memkind_t kind, void *block, size_t size)
{
    size_t usable = usable_size(ptr, kind);

    memcpy(block, ptr, size < usable ? size : usable);
    free_slowly(ptr);
    return block;
}

/*
 * A block of libc that belongs in a kind by its new size. It stays in libc's heap if the kinds have
 * no room.
 */
static void *realloc_to_kind(void *ptr, const struct request *request)
{
    void *block = from_kind(request);

    if (block != NULL) {
        count(block, preload.kind, 1);
        return move(ptr, NULL, block, request->size);
    }
    bool shrinks = request->size <= usable_size(ptr, NULL);
    return falls_back() || shrinks ? resize_counted(ptr, NULL, request->size) : NULL;
}

/* A block of a kind that belongs in libc's heap by its new size, or cannot grow in its kind. */
static void *realloc_from_kind(void *ptr, memkind_t kind, const struct request *request)
{
    void *block = alloc(request);

    if (block != NULL)
        return move(ptr, kind, block, request->size);
    return request->size <= usable_size(ptr, kind) ? ptr : NULL;
}

/*
 * Returns whether a block of libc moves to a kind by its new size. The ratio only decides about new
 * blocks: otherwise a growing block would be copied from one heap to the other and back.
 */
static bool moves_to_kind(void *ptr, const struct request *request)
{
    if (preload.counted && usable_size(ptr, NULL) >= preload.min)
        return false;
    return goes_to_kind(request->size, request->caller) && !full_keeps_away(request->size);
}

static void *realloc_block(void *ptr, const struct request *request)
{
    preload_self.visits++;
    if (ptr == NULL)
        return alloc(request);
    if (request->size == 0) {
        free(ptr);
        return NULL;
    }
    memkind_t kind = kind_of(ptr);
    if (kind != NULL && !may_be_kinds(request->size, request->caller))
        return realloc_from_kind(ptr, kind, request);
    if (kind == NULL && moves_to_kind(ptr, request))
        return realloc_to_kind(ptr, request);
    void *block = resize_counted(ptr, kind, request->size);
    return block == NULL && kind != NULL ? realloc_from_kind(ptr, kind, request) : block;
}

/* The view cannot resize the block, or is closed. */
static __attribute__((noinline)) void *realloc_otherwise(void *ptr, size_t size, const void *caller)
{
    /* Some programs allocate all blocks in this way, Lua among them. */
    if (ptr == NULL && (uintptr_t)caller - preload.libc.first >= preload_self.refused)
        return malloc_otherwise(size, caller);
    if (UNLIKELY(!preload_has_malloc()))
        return preload_realloc_derived(ptr, size);
    return realloc_block(ptr, &(struct request){.caller = caller, .size = size});
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
    return alloc(&(struct request){.caller = caller, .size = size, .alignment = alignment});
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
