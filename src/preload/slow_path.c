/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests that choose their heap, count, and fall back to libc's heap. */
#include "preload/slow_path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "preload/full.h"
#include "preload/ratio.h"
#include "preload/withdraw.h"

/* -- Which heap -------------------------------------------------------------------------------- */

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

size_t slow_usable_size(void *ptr, memkind_t kind)
{
    return kind != NULL ? memkind_malloc_usable_size(kind, ptr) : preload_libc_usable_size(ptr);
}

static void count(void *ptr, memkind_t kind, int sign)
{
    if (preload.counted && preload_self.state != PRELOAD_BUSY && ptr != NULL)
        ratio_count(kind != NULL ? RATIO_PMEM : RATIO_DRAM,
                    sign * (ssize_t)slow_usable_size(ptr, kind));
}

/* -- malloc and free --------------------------------------------------------------------------- */

static void *from_libc(const struct request *request)
{
    if (request->alignment != 0)
        return __libc_memalign(request->alignment, request->size);
    return request->zero ? __libc_calloc(1, request->size) : __libc_malloc(request->size);
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

void *slow_alloc(const struct request *request)
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

void *slow_malloc(size_t size, const void *caller)
{
    return slow_alloc(&(struct request){.caller = caller, .size = size});
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
        full_record_freed(slow_usable_size(ptr, kind));
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

void slow_free(void *ptr)
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
    return slow_alloc(&(struct request){.caller = caller, .size = size, .uncached = true});
}

void preload_free_uncached(void *ptr)
{
    free_block(ptr, false);
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
    size_t before = counted ? slow_usable_size(ptr, kind) : 0;
    void *block = resize(ptr, kind, size);

    /* In one step: the sum never lacks a block that exists. */
    if (counted && block != NULL)
        ratio_count(kind != NULL ? RATIO_PMEM : RATIO_DRAM,
                    (ssize_t)slow_usable_size(block, kind) - (ssize_t)before);
    return block;
}

/* Moves the contents to a block in another heap. */
static void *move(void *ptr, memkind_t kind, void *block, size_t size)
{
    size_t usable = slow_usable_size(ptr, kind);

    memcpy(block, ptr, size < usable ? size : usable);
    slow_free(ptr);
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
    bool shrinks = request->size <= slow_usable_size(ptr, NULL);
    return falls_back() || shrinks ? resize_counted(ptr, NULL, request->size) : NULL;
}

/* A block of a kind that belongs in libc's heap by its new size, or cannot grow in its kind. */
static void *realloc_from_kind(void *ptr, memkind_t kind, const struct request *request)
{
    void *block = slow_alloc(request);

    if (block != NULL)
        return move(ptr, kind, block, request->size);
    return request->size <= slow_usable_size(ptr, kind) ? ptr : NULL;
}

/*
 * Returns whether a block of libc moves to a kind by its new size. The ratio only decides about new
 * blocks: otherwise a growing block would be copied from one heap to the other and back.
 */
static bool moves_to_kind(void *ptr, const struct request *request)
{
    if (preload.counted && slow_usable_size(ptr, NULL) >= preload.min)
        return false;
    return goes_to_kind(request->size, request->caller) && !full_keeps_away(request->size);
}

void *slow_realloc(void *ptr, const struct request *request)
{
    preload_self.visits++;
    if (ptr == NULL)
        return slow_alloc(request);
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
