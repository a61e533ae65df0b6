/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks that a thread has freed and will have again soon. */
#include "heap/thread_cache.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "heap/cache_bin.h"
#include "heap/transfer_cache.h"
#include "os/membarrier.h"
#include "util/fork_generation.h"
#include "util/late_key.h"
#include "util/lock.h"
#include "util/mapping_cache.h"

#define BATCH_LARGEST          (CACHE_BIN_BLOCKS / 2)
#define MAINTAIN_AFTER_SECONDS 1
#define MAINTAIN_AFTER_POPS    2048u /* at the latest, if a second has passed */
#define CLAIMED_AT_ONCE        ((size_t)32)
#define OWNER_PATIENCE         256 /* tries, with sched_yield(2), for an owner to leave its fast way */

/* A cache as its heap and its thread know it. */
struct owned_cache {
    struct thread_cache cache; /* first: the thread's table points here */
    pthread_mutex_t lock; /* held by whoever changes the bins, but for the owner on the fast way */
    struct thread_caches *caches;
    struct thread_cache **entry; /* of the owner's table */
    struct owned_cache *next;    /* of the heap's list, as the next two */
    struct owned_cache **link;
    size_t seen;   /* bytes that the last look for idle caches saw */
    bool claimed;  /* is being emptied by another thread */
    void *slots[]; /* of all bins */
};

/* A thread's table, with a closed cache of its own, so that threads share no written line. */
struct thread_table {
    struct thread_cache *entries[THREAD_CACHE_HEAPS];
    struct thread_cache closed;
};

/*
 * What a thread has before its first slow way. In place from the start: any call may be the first.
 */
static struct thread_cache closed_cache = {.closed = true};
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
static struct thread_cache *first_table[THREAD_CACHE_HEAPS] = {
    [0 ... THREAD_CACHE_HEAPS - 1] = &closed_cache,
};
#pragma GCC diagnostic pop
_Thread_local struct thread_own thread_own = {.caches = first_table};

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;

/* Tables and caches of threads that have ended, for those that start. */
static struct mapping_cache spare_tables = MAPPING_CACHE_INITIALIZER;
static struct mapping_cache spare_caches = MAPPING_CACHE_INITIALIZER;

static pthread_key_t thread_key;

static void end_thread(void *table);

/* What all heaps need, made for the first one that can be made. */
static int init_process_locked(void)
{
    static bool done;

    if (done)
        return 0;
    int err = size_class_init();
    if (err == 0)
        cache_bin_lay_out();
    if (err == 0)
        err = -late_key_create(LATE_KEY_CACHES, &thread_key, end_thread);
    done = err == 0;
    return err;
}

static int init_process(void)
{
    lock_acquire(&list_lock, LOCK_CACHE_LIST);
    int err = init_process_locked();
    lock_release(&list_lock);
    return err;
}

int thread_caches_init(struct thread_caches *caches, struct heap *heap, unsigned number)
{
    int err = init_process();

    if (err != 0)
        return err;
    memset(caches, 0, sizeof(*caches));
    caches->heap = heap;
    caches->number = number;
    caches->generation = fork_generation;
    if (number == 0)
        return 0;
    caches->transfer_cache = transfer_cache_create();
    return caches->transfer_cache == NULL ? -ENOMEM : 0;
}

/* -- Caches and threads ------------------------------------------------------------------------ */

static size_t cache_size(void)
{
    return sizeof(struct owned_cache) + cache_bin_slots() * sizeof(void *);
}

static struct owned_cache *new_cache(struct thread_caches *caches)
{
    struct owned_cache *owned = mapping_cache_take(&spare_caches, cache_size());

    if (owned == NULL)
        return NULL;
    /* Without attributes, this cannot fail on Linux. */
    (void)lock_init(&owned->lock);
    /* Opened by the slow way, which looks whether it may be. */
    atomic_init(&owned->cache.closed, true);
    owned->caches = caches;
    owned->seen = 0;
    owned->claimed = false;
    for (unsigned c = 1; c <= size_class_count; c++)
        cache_bin_reset(&owned->cache.bins[c], c, owned->slots);
    return owned;
}

/* Takes the cache from its thread and its heap; the list's lock is held. */
static void unlink_cache(struct owned_cache *owned)
{
    struct thread_table *table = (struct thread_table *)(owned->entry - owned->caches->number);

    __atomic_store_n(owned->entry, &table->closed, __ATOMIC_RELAXED);
    *owned->link = owned->next;
    if (owned->next != NULL)
        owned->next->link = owned->link;
    atomic_fetch_sub_explicit(&owned->caches->count, 1, memory_order_relaxed);
}

static void free_cache(struct owned_cache *owned)
{
    lock_destroy(&owned->lock);
    mapping_cache_put(&spare_caches, owned, cache_size());
}

/*
 * Ends all caches of the heap, without emptying them. Those of an ancestor's heap are in no
 * thread's table any more: see thread_caches_after_fork(). The list's lock is held.
 */
static void free_caches(struct thread_caches *caches)
{
    while (caches->list != NULL) {
        struct owned_cache *owned = caches->list;

        if (caches->generation == fork_generation)
            unlink_cache(owned);
        else
            caches->list = owned->next;
        free_cache(owned);
    }
    atomic_store_explicit(&caches->count, 0, memory_order_relaxed);
}

/* Gives all blocks of the cache back to the heap's arenas; its lock is held, its owner is not on
 * the fast way. */
static void empty_cache(struct owned_cache *owned)
{
    for (unsigned c = 1; c <= size_class_count; c++) {
        struct cache_bin *bin = &owned->cache.bins[c];

        heap_flush(owned->caches->heap, bin->base, cache_bin_count(bin));
        cache_bin_reset(&owned->cache.bins[c], c, owned->slots);
    }
}

static void close_table(struct thread_table *table)
{
    for (size_t i = 0; i < THREAD_CACHE_HEAPS; i++)
        table->entries[i] = &table->closed;
}

static struct thread_table *own_table(void)
{
    if (thread_own.caches != first_table)
        return (struct thread_table *)thread_own.caches;
    struct thread_table *table = mapping_cache_take(&spare_tables, sizeof(*table));
    if (table == NULL)
        return NULL;
    if (pthread_setspecific(thread_key, table) != 0) {
        munmap(table, sizeof(*table));
        return NULL;
    }
    atomic_init(&table->closed.closed, true);
    close_table(table);
    thread_own.caches = table->entries;
    return table;
}

/* At the end of a thread. What the program's destructors allocate and free afterwards, in a later
 * round, makes a new table and comes here again: see late_key.h. */
static void end_thread(void *ended)
{
    struct thread_table *table = ended;

    thread_own.caches = first_table;
    lock_acquire(&list_lock, LOCK_CACHE_LIST);
    for (size_t i = 0; i < THREAD_CACHE_HEAPS; i++)
        if (table->entries[i] != &table->closed) {
            struct owned_cache *owned = (struct owned_cache *)table->entries[i];

            unlink_cache(owned);
            empty_cache(owned);
            free_cache(owned);
        }
    mapping_cache_put(&spare_tables, table, sizeof(*table));
    lock_release(&list_lock);
}

static void link_cache(struct owned_cache *owned, struct thread_cache **entry)
{
    struct thread_caches *caches = owned->caches;

    owned->entry = entry;
    owned->next = caches->list;
    owned->link = &caches->list;
    if (owned->next != NULL)
        owned->next->link = &owned->next;
    caches->list = owned;
    atomic_fetch_add_explicit(&caches->count, 1, memory_order_relaxed);
    *entry = &owned->cache;
}

/* The calling thread's cache of the heap, made if need be; NULL where there can be none. */
static struct owned_cache *find_or_make_cache(struct thread_caches *caches)
{
    struct thread_table *table = own_table();

    if (table == NULL || caches->number == 0)
        return NULL;
    struct thread_cache **entry = &table->entries[caches->number];
    if (*entry != &table->closed)
        return (struct owned_cache *)*entry;
    /* Not worth a cache; whether it may be used is for lock_and_open() to say. */
    if (atomic_load(&caches->off) != 0)
        return NULL;
    struct owned_cache *owned = new_cache(caches);
    if (owned != NULL) {
        lock_acquire(&list_lock, LOCK_CACHE_LIST);
        link_cache(owned, entry);
        lock_release(&list_lock);
    }
    return owned;
}

/* The same; that there is no memory for a cache is not the program's concern, nor its errno's. */
static struct owned_cache *own_cache(struct thread_caches *caches)
{
    int saved_errno = errno;
    struct owned_cache *owned = find_or_make_cache(caches);

    errno = saved_errno;
    return owned;
}

void thread_caches_destroy(struct thread_caches *caches)
{
    lock_acquire(&list_lock, LOCK_CACHE_LIST);
    free_caches(caches);
    lock_release(&list_lock);
    if (caches->transfer_cache != NULL)
        transfer_cache_destroy(caches->transfer_cache);
}

/* -- Fork -------------------------------------------------------------------------------------- */

void thread_caches_before_fork(void)
{
    lock_acquire(&list_lock, LOCK_CACHE_LIST);
}

void thread_caches_after_fork(bool child)
{
    lock_release(&list_lock);
    if (!child)
        return;
    mapping_cache_after_fork(&spare_tables);
    mapping_cache_after_fork(&spare_caches);
    if (thread_own.caches != first_table)
        close_table((struct thread_table *)thread_own.caches);
}

void thread_caches_adopt(struct thread_caches *caches)
{
    lock_acquire(&list_lock, LOCK_CACHE_LIST);
    free_caches(caches);
    lock_release(&list_lock);
    caches->generation = fork_generation;
    atomic_fetch_and(&caches->off, ~(unsigned)THREAD_CACHES_STARVED);
    if (caches->transfer_cache != NULL)
        transfer_cache_after_fork(caches->transfer_cache);
}

/* -- The slow ways ----------------------------------------------------------------------------- */

/*
 * Locks the cache and opens it, if the heap's caches are not off: whoever turns them off closes
 * this one afterwards, under this lock, and empties it, unless the owner was on its fast way for
 * too long; then the owner does.
 */
static bool lock_and_open(struct owned_cache *owned)
{
    lock_acquire(&owned->lock, LOCK_THREAD_CACHE);
    if (atomic_load(&owned->caches->off) == 0) {
        atomic_store_explicit(&owned->cache.closed, false, memory_order_relaxed);
        return true;
    }
    empty_cache(owned);
    lock_release(&owned->lock);
    return false;
}

static void *alloc_one(struct thread_caches *caches, unsigned size_class)
{
    void *block;

    return heap_refill(caches->heap, size_class, &block, 1) != 0 ? block : NULL;
}

/* A block that was in the bin after all, or NULL and how many to fill it with. */
static void *pop_or_plan(struct owned_cache *owned, unsigned size_class, size_t *wanted)
{
    struct cache_bin *bin = &owned->cache.bins[size_class];
    void **top = atomic_load_explicit(&bin->top, memory_order_relaxed);

    owned->cache.countdown = MAINTAIN_AFTER_POPS;
    if (top != bin->base) {
        atomic_store_explicit(&bin->top, top - 1, memory_order_relaxed);
        return top[-1];
    }
    *wanted = (size_t)(bin->end - bin->base + 1) / 2;
    cache_bin_grow(bin, size_class, owned->slots);
    return NULL;
}

/*
 * Gets up to `wanted` blocks, of which all but the first go into the bin; blocks[0] stays NULL
 * where there is no space. Fresh blocks ascend, next to each other, and are handed out so. No lock
 * is held here: the heap may have to empty the caches of others, and they this one.
 */
static void refill(struct owned_cache *owned, unsigned size_class, void **blocks, size_t wanted)
{
    struct thread_caches *caches = owned->caches;
    size_t count = transfer_cache_remove(caches->transfer_cache, size_class, blocks, wanted);

    if (count == 0)
        count = heap_refill(caches->heap, size_class, blocks, wanted);
    if (count <= 1)
        return;
    if (!lock_and_open(owned)) {
        heap_flush(caches->heap, blocks + 1, count - 1);
        return;
    }
    /* The bin may have been emptied meanwhile, and be small again. */
    struct cache_bin *bin = &owned->cache.bins[size_class];
    size_t room = (size_t)(bin->end - bin->base) - cache_bin_count(bin);
    size_t kept = count - 1 < room ? count - 1 : room;
    cache_bin_push_reversed(bin, blocks + 1, kept);
    lock_release(&owned->lock);
    heap_flush(caches->heap, blocks + 1 + kept, count - 1 - kept);
}

void *thread_caches_alloc(struct thread_caches *caches, unsigned size_class)
{
    struct owned_cache *owned = own_cache(caches);
    void *blocks[BATCH_LARGEST];
    size_t wanted = 0;

    if (owned == NULL || !lock_and_open(owned))
        return alloc_one(caches, size_class);
    blocks[0] = pop_or_plan(owned, size_class, &wanted);
    lock_release(&owned->lock);
    if (blocks[0] == NULL)
        refill(owned, size_class, blocks, wanted);
    thread_caches_maintain(caches);
    return blocks[0];
}

/* Puts the block into the bin; returns how many had to make room for it, stored at blocks. */
static size_t push_or_overflow(struct owned_cache *owned, unsigned size_class, void *block,
                               void **blocks)
{
    struct cache_bin *bin = &owned->cache.bins[size_class];
    size_t count = cache_bin_count(bin);
    size_t overflow = 0;

    if (count == (size_t)(bin->end - bin->base))
        cache_bin_grow(bin, size_class, owned->slots);
    if (count == (size_t)(bin->end - bin->base)) {
        overflow = (count + 1) / 2;
        cache_bin_take_oldest(bin, blocks, overflow);
    }
    cache_bin_push(bin, &block, 1);
    return overflow;
}

void thread_caches_free(struct thread_caches *caches, unsigned size_class, void *block)
{
    struct owned_cache *owned = own_cache(caches);
    void *blocks[BATCH_LARGEST];

    if (owned == NULL || !lock_and_open(owned)) {
        heap_flush(caches->heap, &block, 1);
        heap_released(caches->heap, size_class_size(size_class));
        return;
    }
    size_t overflow = push_or_overflow(owned, size_class, block, blocks);
    lock_release(&owned->lock);
    size_t taken = transfer_cache_insert(caches->transfer_cache, size_class, blocks, overflow);
    heap_flush(caches->heap, blocks + taken, overflow - taken);
    /* Whoever turned the caches off and emptied the transfer cache meanwhile came too early for
     * these. */
    if (taken != 0 && atomic_load(&caches->off) != 0)
        transfer_cache_flush(caches->transfer_cache, caches->heap);
    heap_released(caches->heap, overflow * size_class_size(size_class));
    thread_caches_maintain(caches);
}

/* -- Emptying the caches of other threads ------------------------------------------------------ */

void thread_caches_turn_off(struct thread_caches *caches, unsigned reason)
{
    atomic_fetch_or(&caches->off, reason);
}

void thread_caches_turn_on(struct thread_caches *caches, unsigned reason)
{
    atomic_fetch_and(&caches->off, ~reason);
}

/* Closes the cache to its owner; the lock stays held until release_cache(). */
static void claim_cache(struct owned_cache *owned)
{
    lock_acquire(&owned->lock, LOCK_THREAD_CACHE);
    owned->claimed = true;
    atomic_store(&owned->cache.closed, true);
}

static bool is_own(const struct owned_cache *owned)
{
    return &owned->cache == thread_own.caches[owned->caches->number];
}

static bool owner_is_away(const struct owned_cache *owned)
{
    for (int i = 0; i < OWNER_PATIENCE; i++) {
        if (!atomic_load_explicit(&owned->cache.busy, memory_order_acquire))
            return true;
        sched_yield();
    }
    return false;
}

/*
 * After the barrier: an owner on its fast way has busy set, and one that is not will find it
 * closed. False where the owner stays on its fast way.
 */
static bool release_cache(struct owned_cache *owned, bool barrier)
{
    bool own = is_own(owned);
    bool away = own || (barrier && owner_is_away(owned));

    if (away)
        empty_cache(owned);
    owned->claimed = false;
    lock_release(&owned->lock);
    return away || !barrier;
}

/* Whether any claimed cache among those is another thread's. */
static bool is_barrier_needed(const struct owned_cache *owned, const struct owned_cache *end)
{
    while (owned != end && (!owned->claimed || is_own(owned)))
        owned = owned->next;
    return owned != end;
}

/* Empties the claimed caches among those from `owned` up to `end`; whether all owners let go. */
static bool release_caches(struct owned_cache *owned, const struct owned_cache *end)
{
    bool barrier = is_barrier_needed(owned, end) && membarrier();
    bool all = true;

    for (; owned != end; owned = owned->next)
        if (owned->claimed && !release_cache(owned, barrier))
            all = false;
    return all;
}

/*
 * Empties all caches of the heap, or those that are idle; whether all owners let go. The list's
 * lock is held. One barrier serves many caches, but not all of a thousand: their owners may be
 * waiting.
 */
static bool empty_caches_locked(struct thread_caches *caches, bool (*wanted)(struct owned_cache *))
{
    struct owned_cache *first = caches->list;
    struct owned_cache *owned;
    size_t claimed = 0;
    int saved_errno = errno;
    bool all = true;

    for (owned = first; owned != NULL; owned = owned->next) {
        if (claimed == CLAIMED_AT_ONCE) {
            all = release_caches(first, owned) && all;
            first = owned;
            claimed = 0;
        }
        if (wanted == NULL || wanted(owned)) {
            claim_cache(owned);
            claimed++;
        }
    }
    if (claimed != 0)
        all = release_caches(first, NULL) && all;
    errno = saved_errno;
    return all;
}

bool thread_caches_reclaim(struct thread_caches *caches)
{
    if (caches->number == 0)
        return true;
    lock_acquire(&list_lock, LOCK_CACHE_LIST);
    bool all = empty_caches_locked(caches, NULL);
    lock_release(&list_lock);
    transfer_cache_flush(caches->transfer_cache, caches->heap);
    return all;
}

/* With the lock: a bin that grows is now here, now there. */
static size_t bytes_in(struct owned_cache *owned)
{
    size_t bytes = 0;

    lock_acquire(&owned->lock, LOCK_THREAD_CACHE);
    for (unsigned c = 1; c <= size_class_count; c++)
        bytes += cache_bin_count(&owned->cache.bins[c]) * size_class_size(c);
    lock_release(&owned->lock);
    return bytes;
}

/* Whether the cache holds something and is just as it was when it was last looked at. */
static bool is_idle(struct owned_cache *owned)
{
    size_t bytes = bytes_in(owned);
    bool idle = bytes != 0 && bytes == owned->seen;

    owned->seen = bytes;
    return idle;
}

/*
 * Once in a while: a thread that does nothing any more would keep its blocks for ever, and arenas
 * would keep pages that nobody needs.
 */
void thread_caches_maintain(struct thread_caches *caches)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    long last = atomic_load_explicit(&caches->maintained, memory_order_relaxed);
    if (now.tv_sec - last < MAINTAIN_AFTER_SECONDS ||
        !atomic_compare_exchange_strong(&caches->maintained, &last, now.tv_sec))
        return;
    if (lock_try_acquire(&list_lock, LOCK_CACHE_LIST)) {
        (void)empty_caches_locked(caches, is_idle);
        lock_release(&list_lock);
    }
    transfer_cache_flush_unused(caches->transfer_cache, caches->heap);
    heap_age(caches->heap);
}

size_t thread_caches_bytes(struct thread_caches *caches)
{
    size_t bytes = 0;

    if (caches->number == 0)
        return 0;
    lock_acquire(&list_lock, LOCK_CACHE_LIST);
    for (struct owned_cache *owned = caches->list; owned != NULL; owned = owned->next)
        bytes += bytes_in(owned);
    lock_release(&list_lock);
    return bytes + transfer_cache_bytes(caches->transfer_cache);
}
