/* SPDX-License-Identifier: BSD-2-Clause */
/* A thread's cache as its heap and its thread know it. */
#include "heap/owned_cache.h"

#include <errno.h>

#include "heap/block_source.h"
#include "heap/thread_view.h"
#include "heap/transfer_cache.h"
#include "os/mapping_cache.h"
#include "os/vm.h"
#include "util/fork_generation.h"
#include "util/late_key.h"
#include "util/lock.h"

/* A thread's table, with a closed cache of its own, so that threads write to no common line. */
struct thread_table {
    struct thread_cache *entries[THREAD_CACHE_HEAPS];
    struct owned_cache *caches; /* the list of the thread's caches */
    struct thread_cache closed;
};

/*
 * The table of a thread before its first slow path. Initialized statically: any call may be the
 * first.
 */
static struct thread_cache closed_cache;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
static struct thread_cache *first_table[THREAD_CACHE_HEAPS] = {
    [0 ... THREAD_CACHE_HEAPS - 1] = &closed_cache,
};
#pragma GCC diagnostic pop
_Thread_local struct thread_own thread_own = {.caches = first_table};

pthread_mutex_t owned_cache_list_lock = PTHREAD_MUTEX_INITIALIZER;

/* Of threads that have ended, for threads that start. */
static struct mapping_cache spare_tables = MAPPING_CACHE_INITIALIZER;
static struct mapping_cache spare_caches = MAPPING_CACHE_INITIALIZER;

/* The value of the first key is the thread's table, until the thread has ended once: late_key.h. */
static pthread_key_t near_key;
static pthread_key_t late_key;
static _Thread_local bool has_ended;

static void end_thread(void *table);

static int start_locked(void)
{
    static bool done;

    if (done)
        return 0;
    int err = size_class_init();
    if (err == 0)
        cache_bin_lay_out();
    if (err == 0)
        err = -late_key_create(LATE_KEY_CACHES, &late_key, end_thread);
    if (err == 0 && late_key_create_near(&near_key, end_thread) != 0)
        near_key = late_key;
    done = err == 0;
    if (done)
        (void)thread_own_find(SIZE_CLASS_LARGEST);
    return err;
}

int owned_cache_start(void)
{
    lock_acquire(&owned_cache_list_lock, LOCK_CACHE_LIST);
    int err = start_locked();
    lock_release(&owned_cache_list_lock);
    return err;
}

/* -- Caches ------------------------------------------------------------------------------------ */

static size_t cache_size(void)
{
    return sizeof(struct owned_cache) + cache_bin_slots() * sizeof(void *);
}

static struct owned_cache *create_cache(struct thread_caches *caches)
{
    struct owned_cache *owned = mapping_cache_take(&spare_caches, cache_size());

    if (owned == NULL)
        return NULL;
    /* Without attributes, this cannot fail on Linux. */
    (void)lock_init(&owned->lock);
    /* The slow path opens the cache, if the heap's caches are not off. */
    owned->cache.closed = true;
    owned->caches = caches;
    owned->seen = 0;
    owned->claimed = false;
    for (unsigned c = 1; c <= size_class_count; c++)
        cache_bin_reset(&owned->cache.bins[c], c, owned->slots);
    return owned;
}

/* Removes the cache from its heap's list. */
static void unlist_cache_locked(struct owned_cache *owned)
{
    *owned->link = owned->next;
    if (owned->next != NULL)
        owned->next->link = owned->link;
}

/* Removes the cache from its thread's table. */
static void leave_table_locked(struct owned_cache *owned)
{
    struct thread_table *table = (struct thread_table *)(owned->entry - owned->caches->number);

    __atomic_store_n(owned->entry, &table->closed, __ATOMIC_RELAXED);
    owned->entry = NULL;
    *owned->sibling_link = owned->sibling;
    if (owned->sibling != NULL)
        owned->sibling->sibling_link = owned->sibling_link;
    atomic_fetch_sub_explicit(&owned->caches->count, 1, memory_order_relaxed);
}

static void free_cache(struct owned_cache *owned)
{
    lock_destroy(&owned->lock);
    mapping_cache_put(&spare_caches, owned, cache_size());
}

/*
 * In the child of a fork, caches of an ancestor's heap are in no table, except those that the
 * thread has kept.
 */
void owned_cache_destroy_all_locked(struct thread_caches *caches)
{
    while (caches->list != NULL) {
        struct owned_cache *owned = caches->list;

        if (!owned_cache_is_parked(owned) &&
            (caches->generation == fork_generation || owned_cache_is_own(owned)))
            leave_table_locked(owned);
        unlist_cache_locked(owned);
        free_cache(owned);
    }
    caches->parked = NULL;
    atomic_store_explicit(&caches->parked_count, 0, memory_order_relaxed);
    atomic_store_explicit(&caches->count, 0, memory_order_relaxed);
}

void owned_cache_empty(struct owned_cache *owned)
{
    struct block_source *source = owned->caches->source;

    for (unsigned c = 1; c <= size_class_count; c++) {
        struct cache_bin *bin = &owned->cache.bins[c];

        if (cache_bin_count(bin) != 0)
            source->flush(source, cache_bin_base(bin), cache_bin_count(bin));
        cache_bin_reset(bin, c, owned->slots);
    }
    owned->cache.closed = true;
}

void owned_cache_close(struct owned_cache *owned)
{
    if (owned->cache.closed)
        return;
    owned->cache.closed = true;
    for (unsigned c = 1; c <= size_class_count; c++)
        cache_bin_close(&owned->cache.bins[c]);
}

void owned_cache_open(struct owned_cache *owned)
{
    if (!owned->cache.closed)
        return;
    owned->cache.closed = false;
    for (unsigned c = 1; c <= size_class_count; c++)
        cache_bin_open(&owned->cache.bins[c]);
}

/* -- Threads ----------------------------------------------------------------------------------- */

static void close_table(struct thread_table *table)
{
    for (size_t i = 0; i < THREAD_CACHE_HEAPS; i++)
        table->entries[i] = &table->closed;
    table->caches = NULL;
}

static void use_table(struct thread_cache **caches)
{
    thread_own.caches = caches;
    if (thread_own.view != NULL)
        thread_view_set_caches(thread_own.view, caches);
}

void owned_cache_open_view(struct thread_view *view, unsigned number)
{
    view->sizes = 0;
    view->blocks = 0;
    atomic_signal_fence(memory_order_seq_cst);
    view->open_sizes = SIZE_CLASS_LARGEST;
    view->open_blocks = __atomic_load_n(&address_map_end, __ATOMIC_ACQUIRE);
    view->classes = size_class_table;
    view->class_sizes = size_class_sizes;
    view->tables = address_map_tables;
    view->number = number;
    thread_view_set_caches(view, thread_own.caches);
    thread_own.view = view;
    atomic_signal_fence(memory_order_seq_cst);
}

static struct thread_table *own_table(void)
{
    if (thread_own.caches != first_table)
        return (struct thread_table *)thread_own.caches;
    struct thread_table *table = mapping_cache_take(&spare_tables, sizeof(*table));
    if (table == NULL)
        return NULL;
    if (pthread_setspecific(has_ended ? late_key : near_key, table) != 0) {
        (void)vm_unmap(table, sizeof(*table));
        return NULL;
    }
    /* The table of a thread that has ended has no caches. */
    if (table->entries[0] == NULL)
        close_table(table);
    use_table(table->entries);
    return table;
}

/* Leaves the bin's blocks to other threads, and to the source what those have no room for. */
static void hand_over_bin(struct thread_caches *caches, unsigned size_class, struct cache_bin *bin)
{
    size_t count = cache_bin_count(bin);
    void **base = cache_bin_base(bin);

    if (count == 0)
        return;
    size_t taken = transfer_cache_insert(caches->transfer_cache, size_class, base, count);
    if (taken < count)
        caches->source->flush(caches->source, base + taken, count - taken);
}

/* The bins are not used again before they are reset. */
static void hand_over(struct owned_cache *owned)
{
    struct thread_caches *caches = owned->caches;

    if (atomic_load(&caches->off) != 0) {
        owned_cache_empty(owned);
        return;
    }
    for (unsigned c = 1; c <= size_class_count; c++)
        hand_over_bin(caches, c, &owned->cache.bins[c]);
    /* If a thread turned the caches off and flushed the transfer cache before an insertion. */
    if (atomic_load(&caches->off) != 0)
        transfer_cache_flush(caches->transfer_cache, caches->source);
}

/* Leaves the cache with its blocks to a thread that starts. False: there are enough of them. */
static bool park_locked(struct owned_cache *owned)
{
    struct thread_caches *caches = owned->caches;

    if (atomic_load_explicit(&caches->parked_count, memory_order_relaxed) == OWNED_CACHE_PARKED ||
        atomic_load(&caches->off) != 0)
        return false;
    owned->sibling = caches->parked;
    caches->parked = owned;
    atomic_fetch_add_explicit(&caches->parked_count, 1, memory_order_relaxed);
    return true;
}

/*
 * Called at the end of a thread. If the program's destructors allocate or free in a later round,
 * the thread gets a new table, and this function is called again: see late_key.h.
 */
static void end_thread(void *ended)
{
    struct thread_table *table = ended;

    use_table(first_table);
    has_ended = true;
    lock_acquire(&owned_cache_list_lock, LOCK_CACHE_LIST);
    while (table->caches != NULL) {
        struct owned_cache *owned = table->caches;

        leave_table_locked(owned);
        if (park_locked(owned))
            continue;
        unlist_cache_locked(owned);
        hand_over(owned);
        free_cache(owned);
    }
    mapping_cache_put(&spare_tables, table, sizeof(*table));
    lock_release(&owned_cache_list_lock);
}

static void enter_table_locked(struct owned_cache *owned, struct thread_table *table)
{
    struct thread_caches *caches = owned->caches;

    owned->entry = &table->entries[caches->number];
    owned->sibling = table->caches;
    owned->sibling_link = &table->caches;
    if (owned->sibling != NULL)
        owned->sibling->sibling_link = &owned->sibling;
    table->caches = owned;
    atomic_fetch_add_explicit(&caches->count, 1, memory_order_relaxed);
    *owned->entry = &owned->cache;
}

static void list_cache_locked(struct owned_cache *owned)
{
    struct thread_caches *caches = owned->caches;

    owned->next = caches->list;
    owned->link = &caches->list;
    if (owned->next != NULL)
        owned->next->link = &owned->next;
    caches->list = owned;
}

static struct owned_cache *unpark(struct thread_caches *caches, struct thread_table *table)
{
    if (atomic_load_explicit(&caches->parked_count, memory_order_relaxed) == 0)
        return NULL;
    lock_acquire(&owned_cache_list_lock, LOCK_CACHE_LIST);
    struct owned_cache *owned = caches->parked;
    if (owned != NULL) {
        caches->parked = owned->sibling;
        atomic_fetch_sub_explicit(&caches->parked_count, 1, memory_order_relaxed);
        enter_table_locked(owned, table);
    }
    lock_release(&owned_cache_list_lock);
    return owned;
}

static struct owned_cache *create(struct thread_caches *caches, struct thread_table *table)
{
    struct owned_cache *owned = create_cache(caches);

    if (owned == NULL)
        return NULL;
    lock_acquire(&owned_cache_list_lock, LOCK_CACHE_LIST);
    list_cache_locked(owned);
    enter_table_locked(owned, table);
    lock_release(&owned_cache_list_lock);
    return owned;
}

static struct owned_cache *find_or_create(struct thread_caches *caches)
{
    struct thread_table *table = own_table();

    if (table == NULL || caches->number == 0)
        return NULL;
    struct thread_cache **entry = &table->entries[caches->number];
    if (*entry != &table->closed)
        return (struct owned_cache *)*entry;
    /* Saves creating a cache in vain. The caller checks again under the cache's lock. */
    if (atomic_load(&caches->off) != 0)
        return NULL;
    struct owned_cache *owned = unpark(caches, table);
    return owned != NULL ? owned : create(caches, table);
}

struct owned_cache *owned_cache_of_thread(struct thread_caches *caches)
{
    int saved_errno = errno;
    struct owned_cache *owned = find_or_create(caches);

    errno = saved_errno;
    return owned;
}

void owned_cache_after_fork(void)
{
    mapping_cache_after_fork(&spare_tables);
    mapping_cache_after_fork(&spare_caches);
    if (thread_own.caches != first_table)
        close_table((struct thread_table *)thread_own.caches);
}

/*
 * The caches that are not kept stay in the lists of their heaps, and are not written to: the kernel
 * would copy their pages.
 */
static void keep_in(struct thread_table *table, bool (*is_kept)(const struct thread_caches *caches))
{
    struct owned_cache **link = &table->caches;

    for (struct owned_cache *owned = table->caches; owned != NULL; owned = owned->sibling) {
        if (!is_kept(owned->caches)) {
            table->entries[owned->caches->number] = &table->closed;
            continue;
        }
        if (*link != owned) {
            *link = owned;
            owned->sibling_link = link;
        }
        link = &owned->sibling;
    }
    if (*link != NULL)
        *link = NULL;
}

void owned_cache_keep(bool (*is_kept)(const struct thread_caches *caches))
{
    if (thread_own.caches != first_table)
        keep_in((struct thread_table *)thread_own.caches, is_kept);
}

void owned_cache_visit_own(void (*visit)(struct thread_caches *caches))
{
    if (thread_own.caches == first_table)
        return;
    struct owned_cache *owned = ((struct thread_table *)thread_own.caches)->caches;
    for (; owned != NULL; owned = owned->sibling)
        visit(owned->caches);
}
