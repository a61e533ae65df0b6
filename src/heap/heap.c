/* SPDX-License-Identifier: BSD-2-Clause */
/* One kind's heap: its arenas over its space, and what happens when there is no room. */
#include "heap/heap.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "heap/fork_gate.h"
#include "heap/idle_thread.h"
#include "heap/jemalloc_block.h"
#include "space/address_map.h"
#include "space/page_map.h"
#include "space/range.h"
#include "space/space.h"
#include "space/surplus.h"
#include "util/lock.h"

#define DEFAULT_DECAY_MS ((ssize_t)10000)

/*
 * Where the store must not become long, an arena's next region is at most this part of what it may
 * be: the last one, which does not fit any more, would be lost.
 */
#define REGION_SHARE 1024

/* Where other threads allocate and free all the time, something always changes. */
#define RECLAIM_PASSES 8

/* So long, a refusal that others may end is not tried again. */
#define TRUST_REFUSALS_MS 10

/* So long, who has other memory is not to look everywhere again. */
#define SEARCH_AGAIN_MS 4
#define MS_A_SECOND     1000
#define NS_A_MS         1000000

/* A block that is wanted: a new one where ptr is NULL, else ptr in another size. */
struct request {
    void *ptr;
    size_t size;
    size_t alignment;
    bool zero;
};

static void forget_refusals(struct heap *heap)
{
    for (size_t i = 0; i < HEAP_REFUSED_WORDS; i++)
        atomic_store(&heap->refused[i], 0);
}

/* Hooks over the space, where there is one: *hooks. 0 or -errno. */
static int make_hooks(struct heap *heap, struct space *space, bool hold, extent_hooks_t **hooks)
{
    if (space == NULL)
        return 0;
    *hooks = &heap->hooks.table;
    if (space->range != NULL) {
        range_hooks_init(&heap->range_hooks, space->range);
        *hooks = &heap->range_hooks.table;
    }
    return extent_hooks_init(&heap->hooks, space, hold);
}

static void end_hooks(struct heap *heap)
{
    if (heap->space != NULL)
        extent_hooks_end(&heap->hooks);
}

static void limit_growth(struct heap *heap)
{
    size_t longest = heap->space != NULL ? space_longest(heap->space) : SIZE_MAX;
    size_t growth = longest / REGION_SHARE;

    if (longest != SIZE_MAX)
        arena_set_limit_growth(&heap->arenas, growth < SPACE_CHUNK ? SPACE_CHUNK : growth);
}

int heap_init(struct heap *heap, struct space *space, extent_hooks_t *hooks, unsigned slots,
              bool hold)
{
    int err = thread_caches_init(&heap->caches, heap, space != NULL ? space->owner : 0);

    if (err != 0)
        return err;
    heap->space = space;
    atomic_init(&heap->cached_bytes, 0);
    atomic_init(&heap->generation, fork_generation);
    forget_refusals(heap);
    atomic_init(&heap->refused_at, 0);
    atomic_init(&heap->frees_before, 0);
    atomic_init(&heap->retries, 0);
    atomic_init(&heap->has_fallback, false);
    atomic_init(&heap->searched_at, 0);
    heap->unused_before = 0;
    heap->quiet_checks = 0;
    atomic_init(&heap->settled, 0);
    err = make_hooks(heap, space, hold, &hooks);
    if (err != 0)
        goto destroy_caches;
    err = lock_init(&heap->reclaim_lock);
    if (err != 0)
        goto end_hooks;
    err = arena_set_init(&heap->arenas, hooks, slots, DEFAULT_DECAY_MS);
    if (err == 0) {
        limit_growth(heap);
        idle_thread_configure();
        heap_list_add(heap);
        return 0;
    }
    lock_destroy(&heap->reclaim_lock);
end_hooks:
    end_hooks(heap);
destroy_caches:
    thread_caches_destroy(&heap->caches);
    return err;
}

void heap_destroy(struct heap *heap)
{
    heap_list_remove(heap);
    thread_caches_destroy(&heap->caches);
    /* All file space goes with the file: no need to punch it page by page. */
    if (heap->space != NULL)
        atomic_store(&heap->space->closing, true);
    arena_set_destroy(&heap->arenas);
    end_hooks(heap);
    lock_destroy(&heap->reclaim_lock);
}

void heap_adopt(struct heap *heap)
{
    (void)lock_init(&heap->reclaim_lock);
    thread_caches_adopt(&heap->caches);
    arena_set_adopt(&heap->arenas);
    if (heap->space != NULL) {
        extent_hooks_adopt(&heap->hooks);
        space_adopt(heap->space);
    }
    forget_refusals(heap);
    atomic_store(&heap->cached_bytes, 0);
    atomic_store_explicit(&heap->generation, fork_generation, memory_order_release);
}

/* -- Allocation -------------------------------------------------------------------------------- */

static void *attempt_in(unsigned arena, const struct request *request)
{
    if (request->ptr != NULL)
        return jemalloc_block_realloc(arena, request->ptr, request->size);
    return jemalloc_block_alloc(arena, request->size, request->alignment, request->zero);
}

static void *attempt(unsigned arena, const struct request *request)
{
    extent_hooks_begin(request->size, request->alignment);
    return attempt_in(arena, request);
}

/*
 * The class that sizes are refused by: four in each doubling, as jemalloc's are, so that all sizes
 * of a class fail alike. Alignment makes a request large.
 */
static unsigned refusal_class(const struct request *request)
{
    enum { QUARTERS_LOG2 = 2, QUARTERS = 1 << QUARTERS_LOG2 };
    size_t size = request->size > request->alignment ? request->size : request->alignment;

    if (size <= QUARTERS)
        return 0;
    unsigned log2 = 63u - (unsigned)__builtin_clzll(size - 1);
    return log2 * QUARTERS + (unsigned)((size - 1) >> (log2 - QUARTERS_LOG2)) % QUARTERS;
}

static long now_in_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return now.tv_sec * MS_A_SECOND + now.tv_nsec / NS_A_MS;
}

/*
 * Whether the heap's own limit leaves room for so much more. Then what it was refused is with
 * others, who do not say when they give it back: files, kinds, processes.
 */
static bool may_be_helped(const struct heap *heap, size_t size)
{
    const struct space *space = heap->space;
    size_t held = space != NULL ? space_held(space) : 0;

    return space == NULL || space->max_size == 0 ||
           (held <= space->max_size && size <= space->max_size - held);
}

static bool is_refused(struct heap *heap, const struct request *request)
{
    unsigned refusal = refusal_class(request);

    if (__builtin_expect((atomic_load(&heap->refused[refusal / 64]) >> refusal % 64 & 1) == 0, 1))
        return false;
    if (!may_be_helped(heap, request->size) ||
        now_in_ms() - atomic_load(&heap->refused_at) < TRUST_REFUSALS_MS)
        return true;
    forget_refusals(heap);
    return false;
}

/*
 * If there is no store for a new region, then for none of any arena: what others have is asked for.
 */
static void *attempt_in_all(struct heap *heap, const struct request *request)
{
    unsigned own = arena_set_current(&heap->arenas);
    void *block = attempt(own, request);

    for (unsigned i = 0; block == NULL && i < arena_set_count(&heap->arenas); i++)
        if (arena_set_get(&heap->arenas, i) != own)
            block = attempt_in(arena_set_get(&heap->arenas, i), request);
    return block;
}

/* Whether this thread is emptying caches to find room: then it is not the program that frees. */
static _Thread_local bool reclaiming;

/*
 * Gives back what no block uses, wherever it is, then asks the thread's own arena again and then
 * the others. An arena that another thread's free has begun to purge does not purge for us, nor
 * waits: so again, until that changes nothing.
 */
static void *reclaim_and_retry(struct heap *heap, const struct request *request, bool *all_emptied)
{
    void *block;
    size_t held;
    unsigned passes = 0;

    reclaiming = true;
    *all_emptied = thread_caches_reclaim(&heap->caches);
    reclaiming = false;
    if (heap->space != NULL)
        surplus_release(heap->space);
    do {
        held = heap->space != NULL ? space_held(heap->space) : 0;
        arena_set_purge(&heap->arenas);
        block = attempt_in_all(heap, request);
    } while (block == NULL && heap->space != NULL && space_held(heap->space) != held &&
             ++passes < RECLAIM_PASSES);
    return block;
}

/* For the visits of one heap to others. */
struct help {
    struct heap *heap;
    const struct request *request;
    void *block;
};

static bool holds_unused(struct heap *heap)
{
    return atomic_load_explicit(&heap->space->ahead, memory_order_relaxed) != 0 ||
           heap_unused_bytes(heap) != 0 || thread_caches_bytes(&heap->caches) != 0 ||
           surplus_bytes(heap->space) != 0;
}

/* Has the other heap give back what no block uses, if that is of use here; whether there is a block
 * then. */
static bool request_help(struct heap *other, void *argument)
{
    struct help *help = argument;

    if (other == help->heap || !heap_can_release(other) ||
        !space_shares_store(other->space, help->heap->space) || !holds_unused(other))
        return false;
    size_t held = space_held(other->space);
    bool has_surplus = surplus_bytes(other->space) != 0;
    reclaiming = true;
    heap_purge(other);
    reclaiming = false;
    if (has_surplus || space_held(other->space) < held)
        help->block = attempt_in_all(help->heap, help->request);
    return help->block != NULL;
}

/* Where several kinds share a file system, what one of them holds unused is missing in another. */
static void *retry_with_help(struct heap *heap, const struct request *request)
{
    struct help help = {.heap = heap, .request = request};

    if (heap->space != NULL)
        heap_list_visit(request_help, &help);
    return help.block;
}

/* Whether the heap could not hold so much if it were empty. Then not even addresses are taken for
 * it. */
static bool can_never_fit(const struct heap *heap, size_t size)
{
    return size >= SPACE_CHUNK && heap->space != NULL && size > space_capacity(heap->space, size);
}

static bool has_refusals(const struct heap *heap)
{
    uint64_t any = 0;

    for (size_t i = 0; i < HEAP_REFUSED_WORDS; i++)
        any |= atomic_load(&heap->refused[i]);
    return any != 0;
}

/*
 * Notes that this class was refused in vain, unless a block was freed since `frees_before` was
 * read. The order matters, here and in note_freed(): whoever frees counts first and clears then; so
 * either the count has changed when it is looked at here, or the bit is cleared after it was set.
 */
static void note_refused(struct heap *heap, unsigned refusal, unsigned long frees_before)
{
    if (!has_refusals(heap))
        atomic_store(&heap->refused_at, now_in_ms());
    uint64_t bit = (uint64_t)1 << refusal % 64;

    atomic_fetch_or(&heap->refused[refusal / 64], bit);
    if (atomic_load(&heap->frees_before) != frees_before)
        atomic_fetch_and(&heap->refused[refusal / 64], ~bit);
}

/* Something may fit now that did not before. */
static void note_freed(struct heap *heap)
{
    if (__builtin_expect(!thread_caches_are_off(&heap->caches, THREAD_CACHES_STARVED), 1))
        return;
    /* Until this thread has found room or none, caches stay off, or others would take it away. */
    if (!reclaiming) {
        thread_caches_turn_on(&heap->caches, THREAD_CACHES_STARVED);
        atomic_fetch_add(&heap->frees_before, 1);
    }
    forget_refusals(heap);
}

/* One thread at a time: the second would find everything in the hands of the first, and give up. */
static void *reclaim_locked(struct heap *heap, const struct request *request)
{
    if (is_refused(heap, request))
        return NULL;
    /* Read before frees begin to be seen, so that none of them can be missed. */
    unsigned long frees_before = atomic_load(&heap->frees_before);
    thread_caches_turn_off(&heap->caches, THREAD_CACHES_STARVED);
    atomic_fetch_add_explicit(&heap->retries, 1, memory_order_relaxed);
    bool all_emptied;
    void *block = reclaim_and_retry(heap, request, &all_emptied);
    if (block == NULL && may_be_helped(heap, request->size))
        block = retry_with_help(heap, request);
    if (block == NULL && all_emptied)
        note_refused(heap, refusal_class(request), frees_before);
    return block;
}

/*
 * To empty all caches costs as much as hundreds of requests, and where several threads go on in a
 * full heap, each finds the few blocks that another has just freed.
 */
static bool was_searched_lately(struct heap *heap)
{
    if (!atomic_load_explicit(&heap->has_fallback, memory_order_relaxed))
        return false;
    long now = now_in_ms();
    if (now - atomic_load(&heap->searched_at) < SEARCH_AGAIN_MS)
        return true;
    atomic_store(&heap->searched_at, now);
    return false;
}

static void *alloc_when_short(struct heap *heap, const struct request *request)
{
    if (is_refused(heap, request) || was_searched_lately(heap))
        return NULL;
    lock_acquire(&heap->reclaim_lock, LOCK_RECLAIM);
    void *block = reclaim_locked(heap, request);
    lock_release(&heap->reclaim_lock);
    return block;
}

/*
 * Whether nothing can have changed since this class was refused: no block was freed, and the space
 * still cannot take one of this size. Then the attempt would only cost time, and programs that fill
 * a heap make many.
 */
static bool is_hopeless(struct heap *heap, const struct request *request)
{
    return heap->space != NULL && thread_caches_are_off(&heap->caches, THREAD_CACHES_STARVED) &&
           is_refused(heap, request) && !space_has_room(heap->space, request->size);
}

/* The class of a block, by its usable size. */
static unsigned class_of_block(const void *block)
{
    size_t size = jemalloc_block_size(block);

    return size <= SIZE_CLASS_LARGEST ? size_class_of(size) : 0;
}

/* A block that nobody would know when it is freed. One that was moved cannot go back. */
static void *undo_unknown(const struct request *request, void *block)
{
    if (request->ptr != NULL)
        return block;
    jemalloc_block_free(block);
    errno = ENOMEM;
    return NULL;
}

static void *satisfy(struct heap *heap, const struct request *request)
{
    if (__builtin_expect(can_never_fit(heap, request->size) ||
                             (request->ptr == NULL && is_hopeless(heap, request)),
                         0)) {
        errno = ENOMEM;
        return NULL;
    }
    struct arena_slot *use;
    void *block = attempt(arena_set_enter(&heap->arenas, &use), request);
    arena_set_leave(use);
    if (__builtin_expect(block == NULL, 0)) {
        int saved_errno = errno;

        block = alloc_when_short(heap, request);
        errno = block != NULL ? saved_errno : ENOMEM;
        if (block == NULL)
            return NULL;
    }
    if (heap->space != NULL)
        page_map_put(block, class_of_block(block));
    else if (address_map_mark_mixed(block) != 0)
        return undo_unknown(request, block);
    return block;
}

size_t heap_refill(struct heap *heap, unsigned size_class, void **blocks, size_t wanted)
{
    struct request request = {.size = size_class_size(size_class)};
    struct arena_slot *use;
    size_t count;

    /* Only for the first block is it worth an effort. */
    blocks[0] = satisfy(heap, &request);
    if (blocks[0] == NULL)
        return 0;
    unsigned arena = arena_set_enter(&heap->arenas, &use);
    struct fork_gate_thread *self = fork_gate_enter();
    for (count = 1; count < wanted; count++) {
        blocks[count] = attempt(arena, &request);
        if (blocks[count] == NULL)
            break;
        page_map_put(blocks[count], size_class);
    }
    fork_gate_leave(self);
    arena_set_leave(use);
    return count;
}

/* The class whose blocks are aligned and large enough, 0 where there is none that threads keep. */
static unsigned cached_class(size_t size, size_t alignment)
{
    if (alignment > 1)
        size = (size + alignment - 1) & ~(alignment - 1);
    if (size == 0 || size > SIZE_CLASS_LARGEST || alignment > PAGE_MAP_PAGE)
        return 0;
    unsigned size_class = size_class_of(size);
    return alignment > 1 && (size_class_size(size_class) & (alignment - 1)) != 0 ? 0 : size_class;
}

void *heap_alloc(struct heap *heap, size_t size, size_t alignment, bool zero)
{
    struct request request = {.size = size, .alignment = alignment, .zero = zero};
    unsigned size_class = cached_class(size, alignment);

    if (__builtin_expect(is_hopeless(heap, &request), 0)) {
        errno = ENOMEM;
        return NULL;
    }
    if (size_class == 0 || heap->space == NULL)
        return satisfy(heap, &request);
    void *block = thread_cache_pop(heap->caches.number, size_class);
    if (block == NULL)
        block = thread_caches_alloc(&heap->caches, size_class);
    if (block != NULL && zero)
        memset(block, 0, size);
    return block;
}

void *heap_alloc_uncached(struct heap *heap, size_t size)
{
    return satisfy(heap, &(struct request){.size = size});
}

void heap_age(struct heap *heap)
{
    arena_set_age(&heap->arenas);
}

void heap_flush(struct heap *heap, void *const *blocks, size_t count)
{
    struct fork_gate_thread *self = fork_gate_enter();
    for (size_t i = 0; i < count; i++)
        jemalloc_block_free(blocks[i]);
    fork_gate_leave(self);
    if (count != 0)
        note_freed(heap);
}

/* -- Freeing and resizing ---------------------------------------------------------------------- */

void heap_free_uncached(struct heap *heap, void *ptr)
{
    heap_flush(heap, &ptr, 1);
    heap_released(heap, HEAP_CONSIDER_EVERY);
}

void heap_free(struct heap *heap, void *ptr)
{
    unsigned size_class = page_map_get(ptr);

    if (size_class == 0) {
        heap_free_uncached(heap, ptr);
    } else if (!thread_cache_push(heap->caches.number, size_class, ptr)) {
        thread_caches_free(&heap->caches, size_class, ptr);
    }
}

/* A block that threads keep, moved to another class; both ends of the way are fast. */
static void *realloc_cached(struct heap *heap, void *ptr, unsigned size_class, size_t size)
{
    void *block = heap_alloc(heap, size, 0, false);

    if (block != NULL) {
        size_t old_size = size_class_size(size_class);

        memcpy(block, ptr, size < old_size ? size : old_size);
        heap_free(heap, ptr);
    }
    return block;
}

static void *realloc_in_arena(struct heap *heap, void *ptr, size_t size)
{
    void *block = satisfy(heap, &(struct request){.ptr = ptr, .size = size});

    if (block != NULL) {
        note_freed(heap);
        heap_released(heap, HEAP_CONSIDER_EVERY);
    }
    return block;
}

void *heap_realloc(struct heap *heap, void *ptr, size_t size)
{
    unsigned size_class = page_map_get(ptr);
    int saved_errno = errno;
    void *block;

    if (size_class == 0 || size > SIZE_CLASS_LARGEST)
        block = realloc_in_arena(heap, ptr, size);
    else if (size_class_of(size) == size_class)
        block = ptr;
    else
        block = realloc_cached(heap, ptr, size_class, size);
    /* A block that is to shrink is large enough as it is. */
    if (block == NULL && size <= heap_usable_size(ptr)) {
        errno = saved_errno;
        block = ptr;
    }
    return block;
}

size_t heap_usable_size(const void *ptr)
{
    unsigned size_class = page_map_get(ptr);

    return size_class != 0 ? size_class_size(size_class) : jemalloc_block_size(ptr);
}

void *heap_move(struct heap *heap, void *ptr)
{
    unsigned arena;
    int saved_errno = errno;

    if (!jemalloc_ctl_moving_helps(ptr) || jemalloc_ctl_arena_of(ptr, &arena) != 0)
        return NULL;
    size_t size = jemalloc_block_size(ptr);
    void *moved = attempt(arena, &(struct request){.size = size});
    if (moved != NULL) {
        page_map_put(moved, page_map_get(ptr));
        memcpy(moved, ptr, size);
        jemalloc_block_free(ptr);
        if (heap != NULL)
            note_freed(heap);
    }
    errno = saved_errno;
    return moved;
}

/* -- Settings and counters --------------------------------------------------------------------- */

void heap_set_fallback(struct heap *heap, bool has_fallback)
{
    atomic_store(&heap->has_fallback, has_fallback);
}

int heap_set_conservative(struct heap *heap, bool conservative)
{
    int err = arena_set_decay(&heap->arenas, conservative ? 0 : DEFAULT_DECAY_MS);

    if (err != 0)
        return err;
    if (heap->space != NULL)
        atomic_store(&heap->space->exact, conservative);
    if (conservative) {
        thread_caches_turn_off(&heap->caches, THREAD_CACHES_POLICY);
        thread_caches_reclaim(&heap->caches);
        if (heap->space != NULL)
            space_trim(heap->space);
    } else {
        thread_caches_turn_on(&heap->caches, THREAD_CACHES_POLICY);
    }
    return 0;
}

void heap_purge(struct heap *heap)
{
    (void)thread_caches_reclaim(&heap->caches);
    arena_set_purge(&heap->arenas);
    if (heap->space != NULL) {
        (void)space_trim(heap->space);
        surplus_release(heap->space);
    }
}

void heap_update_stats(struct heap *heap)
{
    atomic_store(&heap->cached_bytes, thread_caches_bytes(&heap->caches));
}

int heap_stats(const struct heap *heap, struct jemalloc_stats *stats)
{
    *stats = (struct jemalloc_stats){0};
    for (unsigned i = 0; i < arena_set_count(&heap->arenas); i++) {
        int err = jemalloc_ctl_add_arena_stats(arena_set_get(&heap->arenas, i), stats);

        /* An arena that is younger than the last update has no counters yet. */
        if (err != 0 && err != -ENOENT)
            return err;
    }
    /* The arenas count what threads keep as handed out; the program does not. */
    size_t cached = atomic_load(&heap->cached_bytes);
    stats->allocated -= cached < stats->allocated ? cached : stats->allocated;
    return 0;
}

uint64_t heap_sum(const struct heap *heap, const char *name)
{
    uint64_t sum = 0;

    /* An arena that is younger than the last update has no numbers yet. */
    for (unsigned i = 0; i < arena_set_count(&heap->arenas); i++) {
        uint64_t value;
        size_t size;
        if (jemalloc_ctl_arena_number(arena_set_get(&heap->arenas, i), name, &value, &size) == 0)
            sum += value;
    }
    return sum;
}
