/* SPDX-License-Identifier: BSD-2-Clause */
/* What a heap tries before an allocation fails. */
#include "heap/shortage.h"

#include "heap/block_request.h"
#include "heap/heap.h"
#include "heap/heap_list.h"
#include "heap/heap_unused.h"
#include "space/space.h"
#include "space/surplus.h"
#include "util/clock.h"
#include "util/lock.h"

/* Where other threads allocate and free all the time, something always changes. */
#define RECLAIM_PASSES 8

/* For so long, a refusal is trusted that other users of the store may end. */
#define TRUST_REFUSALS_MS 10

/* For so long, a search is not repeated where the program has a fallback. */
#define SEARCH_AGAIN_MS 4

/* -- Life -------------------------------------------------------------------------------------- */

static void forget_refusals(struct shortage *shortage)
{
    for (size_t i = 0; i < SHORTAGE_REFUSED_WORDS; i++)
        atomic_store(&shortage->refused[i], 0);
}

int shortage_init(struct shortage *shortage)
{
    forget_refusals(shortage);
    atomic_init(&shortage->refused_at, 0);
    atomic_init(&shortage->frees, 0);
    atomic_init(&shortage->retries, 0);
    atomic_init(&shortage->has_fallback, false);
    atomic_init(&shortage->searched_at, 0);
    return lock_init(&shortage->lock);
}

void shortage_destroy(struct shortage *shortage)
{
    lock_destroy(&shortage->lock);
}

void shortage_adopt(struct shortage *shortage)
{
    (void)lock_init(&shortage->lock);
    forget_refusals(shortage);
}

void shortage_forget(struct shortage *shortage)
{
    forget_refusals(shortage);
}

void shortage_set_fallback(struct shortage *shortage, bool has_fallback)
{
    atomic_store(&shortage->has_fallback, has_fallback);
}

/* -- Refusals ---------------------------------------------------------------------------------- */

/*
 * jemalloc's classes of sizes: four in each doubling, so that all sizes of a class fail alike. A
 * large alignment makes a request large.
 */
static unsigned refusal_class(const struct block_request *request)
{
    enum { QUARTERS_LOG2 = 2, QUARTERS = 1 << QUARTERS_LOG2 };
    size_t size = request->size > request->alignment ? request->size : request->alignment;

    if (size <= QUARTERS)
        return 0;
    unsigned log2 = 63u - (unsigned)__builtin_clzll(size - 1);
    return log2 * QUARTERS + (unsigned)((size - 1) >> (log2 - QUARTERS_LOG2)) % QUARTERS;
}

/*
 * Whether the heap's own limit leaves room for `size` bytes. Then other files, kinds or processes
 * hold the space, and the heap does not learn when they release it.
 */
static bool may_be_helped(const struct heap *heap, size_t size)
{
    const struct space *space = heap->space;
    size_t held = space != NULL ? space_held(space) : 0;

    return space == NULL || space->max_size == 0 ||
           (held <= space->max_size && size <= space->max_size - held);
}

static bool is_refused(struct heap *heap, const struct block_request *request)
{
    struct shortage *shortage = &heap->shortage;
    unsigned refusal = refusal_class(request);

    if (__builtin_expect((atomic_load(&shortage->refused[refusal / 64]) >> refusal % 64 & 1) == 0,
                         1))
        return false;
    if (!may_be_helped(heap, request->size) ||
        clock_coarse_ms() - atomic_load(&shortage->refused_at) < TRUST_REFUSALS_MS)
        return true;
    forget_refusals(shortage);
    return false;
}

static bool has_refusals(const struct shortage *shortage)
{
    uint64_t any = 0;

    for (size_t i = 0; i < SHORTAGE_REFUSED_WORDS; i++)
        any |= atomic_load(&shortage->refused[i]);
    return any != 0;
}

/*
 * Records that a search for this class was in vain, unless a block was freed since `frees` was
 * read. The order of stores matters, here and in record_free(), which first counts and then clears:
 * either the count has changed when it is read here, or the bit is cleared after it was set.
 */
static void record_refused(struct shortage *shortage, unsigned refusal, unsigned long frees)
{
    if (!has_refusals(shortage))
        atomic_store(&shortage->refused_at, clock_coarse_ms());
    uint64_t bit = (uint64_t)1 << refusal % 64;

    atomic_fetch_or(&shortage->refused[refusal / 64], bit);
    if (atomic_load(&shortage->frees) != frees)
        atomic_fetch_and(&shortage->refused[refusal / 64], ~bit);
}

/* The calling thread empties caches in a search: the blocks that it flushes are no frees. */
static _Thread_local bool searching;

static __attribute__((noinline)) void record_free(struct heap *heap)
{
    /* During a search the caches stay off, or other threads would keep the blocks. */
    if (!searching) {
        thread_caches_turn_on(&heap->caches, THREAD_CACHES_STARVED);
        atomic_fetch_add(&heap->shortage.frees, 1);
    }
    forget_refusals(&heap->shortage);
}

void shortage_record_free(struct heap *heap)
{
    if (__builtin_expect(thread_caches_are_off(&heap->caches, THREAD_CACHES_STARVED), 0))
        record_free(heap);
}

/* -- The search -------------------------------------------------------------------------------- */

/* There may be room for a page where there is none for a slab. */
static void *attempt_page_block(struct heap *heap, const struct block_request *request)
{
    void *block;

    if (request->ptr != NULL || request->alignment > 1 || request->size > PAGE_BLOCKS_LARGEST)
        return NULL;
    unsigned size_class = size_class_of(request->size);
    return page_blocks_keep(&heap->page_blocks, size_class) &&
                   page_blocks_take(&heap->page_blocks, size_class, &block, 1) != 0
               ? block
               : NULL;
}

/*
 * If the first attempt finds no store for a new region, the other attempts use the memory that
 * their arenas have.
 */
static void *attempt_in_all(struct heap *heap, const struct block_request *request)
{
    unsigned own = arena_set_current(&heap->arenas);
    void *block = attempt_page_block(heap, request);

    if (block == NULL)
        block = block_request_attempt(request, own);

    for (unsigned i = 0; block == NULL && i < arena_set_count(&heap->arenas); i++)
        if (arena_set_get(&heap->arenas, i) != own)
            block = block_request_repeat(request, arena_set_get(&heap->arenas, i));
    return block;
}

/*
 * Releases all that no block uses and tries all arenas. An arena that another thread is purging at
 * this moment, in a free, is skipped by jemalloc without waiting; so the purge is repeated until it
 * changes nothing.
 */
static void *reclaim_and_retry(struct heap *heap, const struct block_request *request,
                               bool *all_emptied)
{
    void *block;
    size_t held;
    unsigned passes = 0;

    searching = true;
    *all_emptied = thread_caches_reclaim(&heap->caches);
    searching = false;
    page_blocks_purge(&heap->page_blocks);
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
    const struct block_request *request;
    void *block;
};

static bool holds_unused(struct heap *heap)
{
    return atomic_load_explicit(&heap->space->ahead, memory_order_relaxed) != 0 ||
           heap_unused_bytes(heap) != 0 || thread_caches_bytes(&heap->caches) != 0 ||
           surplus_bytes(heap->space) != 0;
}

/* Purges the other heap if that may help; whether there is a block then. */
static bool request_help(struct heap *other, void *argument)
{
    struct help *help = argument;

    if (other == help->heap || !heap_can_release(other) ||
        !space_shares_store(other->space, help->heap->space) || !holds_unused(other))
        return false;
    size_t held = space_held(other->space);
    bool has_surplus = surplus_bytes(other->space) != 0;
    searching = true;
    heap_purge(other);
    searching = false;
    if (has_surplus || space_held(other->space) < held)
        help->block = attempt_in_all(help->heap, help->request);
    return help->block != NULL;
}

/* Where several kinds share a file system, one may lack what another holds unused. */
static void *retry_with_help(struct heap *heap, const struct block_request *request)
{
    struct help help = {.heap = heap, .request = request};

    if (heap->space != NULL)
        heap_list_visit(request_help, &help);
    return help.block;
}

static void *search_locked(struct heap *heap, const struct block_request *request)
{
    if (is_refused(heap, request))
        return NULL;
    /* Read before the caches are off, so that no free is missed. */
    unsigned long frees = atomic_load(&heap->shortage.frees);
    thread_caches_turn_off(&heap->caches, THREAD_CACHES_STARVED);
    atomic_fetch_add_explicit(&heap->shortage.retries, 1, memory_order_relaxed);
    bool all_emptied;
    void *block = reclaim_and_retry(heap, request, &all_emptied);
    if (block == NULL && may_be_helped(heap, request->size))
        block = retry_with_help(heap, request);
    if (block == NULL && all_emptied)
        record_refused(&heap->shortage, refusal_class(request), frees);
    return block;
}

/*
 * Where several threads go on in a full heap, each would find the few blocks that another has just
 * freed, at the price of a search.
 */
static bool was_searched_lately(struct shortage *shortage)
{
    if (!atomic_load_explicit(&shortage->has_fallback, memory_order_relaxed))
        return false;
    long now = clock_coarse_ms();
    if (now - atomic_load(&shortage->searched_at) < SEARCH_AGAIN_MS)
        return true;
    atomic_store(&shortage->searched_at, now);
    return false;
}

void *shortage_alloc(struct heap *heap, const struct block_request *request)
{
    if (is_refused(heap, request) || was_searched_lately(&heap->shortage))
        return NULL;
    lock_acquire(&heap->shortage.lock, LOCK_RECLAIM);
    void *block = search_locked(heap, request);
    lock_release(&heap->shortage.lock);
    return block;
}

/* -- Hopeless requests ------------------------------------------------------------------------- */

/* Whether the heap could not hold so much if it were empty. */
static bool can_never_fit(const struct heap *heap, size_t size)
{
    return size >= SPACE_CHUNK && heap->space != NULL && size > space_capacity(heap->space, size);
}

bool shortage_is_hopeless(struct heap *heap, const struct block_request *request)
{
    if (__builtin_expect(can_never_fit(heap, request->size), 0))
        return true;
    return heap->space != NULL && request->ptr == NULL &&
           thread_caches_are_off(&heap->caches, THREAD_CACHES_STARVED) &&
           is_refused(heap, request) && !space_has_room(heap->space, request->size);
}
