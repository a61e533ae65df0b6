/* SPDX-License-Identifier: BSD-2-Clause */
/* The jemalloc arenas of one heap, and which thread uses which. */
#include "heap/arena_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "heap/metadata_hooks.h"
#include "util/invariant.h"
#include "util/lock.h"
#include "util/signals_off.h"

/* As many heaps as a process may have, the library's included. An arena is reserved for each. */
#define HEAPS_EXPECTED 513u

/* The slots in use double at so many meetings, if one entry in ENTRIES_A_MEETING was a meeting. */
#define MEETINGS_TO_GROW  32u
#define ENTRIES_A_MEETING 8u

/* Arenas and sets of the whole process. */
static pthread_mutex_t budget_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned budget_arenas;
static unsigned budget_sets;

_Thread_local unsigned arena_set_thread_number;
static atomic_uint thread_count;

unsigned arena_set_number_thread(void)
{
    /* 0 means that a thread has no number; the count may wrap. */
    do {
        arena_set_thread_number =
            atomic_fetch_add_explicit(&thread_count, 1, memory_order_relaxed) + 1;
    } while (arena_set_thread_number == 0);
    return arena_set_thread_number;
}

/* -- The budget -------------------------------------------------------------------------------- */

/*
 * Takes an arena out of the budget: the first of a set always, a further one only while the first
 * arenas of all heaps to come are left.
 */
static bool budget_take(bool first)
{
    static unsigned limit;
    bool granted;

    lock_acquire(&budget_lock, LOCK_ARENA_BUDGET);
    if (limit == 0)
        limit = jemalloc_ctl_arena_limit();
    unsigned sets_to_come = budget_sets < HEAPS_EXPECTED ? HEAPS_EXPECTED - budget_sets : 0;
    granted = first || budget_arenas + sets_to_come < limit;
    if (granted) {
        budget_arenas++;
        budget_sets += first;
    }
    lock_release(&budget_lock);
    return granted;
}

static void budget_return(unsigned arenas, bool first)
{
    lock_acquire(&budget_lock, LOCK_ARENA_BUDGET);
    budget_arenas -= arenas;
    budget_sets -= first;
    lock_release(&budget_lock);
}

/* -- Creating arenas --------------------------------------------------------------------------- */

static int add_arena(struct arena_set *set, bool first, unsigned *arena)
{
    unsigned count = atomic_load_explicit(&set->arena_count, memory_order_relaxed);

    if (!budget_take(first))
        return -EAGAIN;
    int err = jemalloc_ctl_arena_create(set->hooks, &metadata_hooks, arena);
    if (err == 0) {
        err = jemalloc_ctl_arena_set_decay(*arena, set->decay_ms);
        if (err != 0)
            jemalloc_ctl_arena_destroy(*arena);
    }
    if (err != 0) {
        budget_return(1, first);
        return err;
    }
    if (set->growth != 0)
        jemalloc_ctl_arena_set_growth(*arena, set->growth);
    set->arenas[count] = (struct arena){
        .number = *arena,
        .active_pages = jemalloc_ctl_arena_active_pages(*arena),
    };
    atomic_store_explicit(&set->arena_count, count + 1, memory_order_release);
    return 0;
}

static void free_tables(struct arena_set *set)
{
    free(set->uses);
    free(set->arenas);
    free(set->slots);
}

/* All slots are empty, and no thread is inside. */
static int make_tables(struct arena_set *set, unsigned slots)
{
    set->slots = malloc(slots * sizeof(*set->slots));
    set->arenas = malloc(slots * sizeof(*set->arenas));
    set->uses = calloc(slots, sizeof(*set->uses));
    if (set->slots == NULL || set->arenas == NULL || set->uses == NULL) {
        free_tables(set);
        return -ENOMEM;
    }
    for (unsigned i = 0; i < slots; i++)
        set->slots[i] = ARENA_SET_EMPTY;
    return 0;
}

int arena_set_init(struct arena_set *set, extent_hooks_t *hooks, unsigned slots, ssize_t decay_ms)
{
    unsigned arena;

    atomic_init(&set->mask, 0);
    set->limit = slots - 1;
    set->hooks = hooks;
    set->decay_ms = decay_ms;
    set->page = jemalloc_ctl_page();
    set->growth = 0;
    atomic_init(&set->arena_count, 0);
    int err = make_tables(set, slots);
    if (err != 0)
        return err;
    err = lock_init(&set->lock);
    if (err != 0)
        goto free_tables;
    err = add_arena(set, true, &arena);
    if (err != 0)
        goto destroy_lock;
    set->slots[0] = arena;
    return 0;

destroy_lock:
    lock_destroy(&set->lock);
free_tables:
    free_tables(set);
    return err;
}

void arena_set_destroy(struct arena_set *set)
{
    unsigned count = arena_set_count(set);

    for (unsigned i = 0; i < count; i++)
        jemalloc_ctl_arena_destroy(arena_set_get(set, i));
    budget_return(count, true);
    lock_destroy(&set->lock);
    free_tables(set);
}

void arena_set_before_fork(void)
{
    lock_acquire(&budget_lock, LOCK_ARENA_BUDGET);
}

void arena_set_after_fork(void)
{
    lock_release(&budget_lock);
}

void arena_set_adopt(struct arena_set *set)
{
    (void)lock_init(&set->lock);
    /* The threads inside are the parent's. */
    memset(set->uses, 0, (set->limit + 1) * sizeof(*set->uses));
}

void arena_set_limit(struct arena_set *set, unsigned slots)
{
    if (slots - 1 < set->limit)
        set->limit = slots - 1;
    if (atomic_load(&set->mask) > set->limit)
        atomic_store(&set->mask, set->limit);
}

void arena_set_meet(struct arena_set *set, struct arena_slot *use, unsigned long state)
{
    unsigned meetings = atomic_fetch_add_explicit(&use->meetings, 1, memory_order_relaxed) + 1;
    unsigned long entries = state / ARENA_SET_ENTRY;

    if (meetings < MEETINGS_TO_GROW)
        return;
    /* Several threads may be here at once: one of them doubles the slots, all restart the count. */
    unsigned mask = atomic_load_explicit(&set->mask, memory_order_relaxed);
    if (entries - atomic_load_explicit(&use->since, memory_order_relaxed) <=
            (unsigned long)meetings * ENTRIES_A_MEETING &&
        mask < set->limit)
        (void)atomic_compare_exchange_strong(&set->mask, &mask, 2 * mask + 1);
    atomic_store_explicit(&use->since, entries, memory_order_relaxed);
    atomic_store_explicit(&use->meetings, 0, memory_order_relaxed);
}

void arena_set_limit_growth(struct arena_set *set, size_t growth)
{
    set->growth = growth;
    for (unsigned i = 0; i < arena_set_count(set); i++)
        jemalloc_ctl_arena_set_growth(set->arenas[i].number, growth);
}

/* The invariant of a set whose lock is free. */
static bool is_valid_locked(const struct arena_set *set)
{
    unsigned count = arena_set_count(set);
    unsigned mask = atomic_load(&set->mask);

    if (count == 0 || (mask & (mask + 1)) != 0 || set->slots[0] == ARENA_SET_EMPTY)
        return false;
    for (unsigned i = 0; i <= set->limit; i++) {
        unsigned arena = __atomic_load_n(&set->slots[i], __ATOMIC_RELAXED);

        if (arena != ARENA_SET_EMPTY && !arena_set_has(set, arena))
            return false;
    }
    return true;
}

static unsigned fill_slot_locked(struct arena_set *set, unsigned slot)
{
    unsigned arena = __atomic_load_n(&set->slots[slot], __ATOMIC_RELAXED);

    if (arena != ARENA_SET_EMPTY)
        return arena;
    /*
     * A slot that gets no arena of its own shares one from then on. To try again at each call would
     * cost too much.
     */
    if (add_arena(set, false, &arena) != 0)
        arena = arena_set_get(set, slot % arena_set_count(set));
    __atomic_store_n(&set->slots[slot], arena, __ATOMIC_RELEASE);
    return arena;
}

unsigned arena_set_fill_slot(struct arena_set *set, unsigned slot)
{
    int saved_errno = errno;

    /* A fork may fill caches, and must find neither the lock held nor an arena half made. */
    signals_off();
    lock_acquire(&set->lock, LOCK_ARENA_SET);
    unsigned arena = fill_slot_locked(set, slot);
    INVARIANT(is_valid_locked(set));
    lock_release(&set->lock);
    signals_on();
    errno = saved_errno;
    return arena;
}

/* -- All arenas -------------------------------------------------------------------------------- */

size_t arena_set_active_bytes(const struct arena_set *set)
{
    size_t pages = 0;

    for (unsigned i = 0; i < arena_set_count(set); i++)
        pages += __atomic_load_n(set->arenas[i].active_pages, __ATOMIC_RELAXED);
    return pages * set->page;
}

bool arena_set_has(const struct arena_set *set, unsigned arena)
{
    for (unsigned i = 0; i < arena_set_count(set); i++)
        if (arena_set_get(set, i) == arena)
            return true;
    return false;
}

static int decay_locked(struct arena_set *set, ssize_t ms)
{
    for (unsigned i = 0; i < arena_set_count(set); i++) {
        int err = jemalloc_ctl_arena_set_decay(arena_set_get(set, i), ms);

        if (err != 0)
            return err;
    }
    set->decay_ms = ms;
    return 0;
}

int arena_set_decay(struct arena_set *set, ssize_t ms)
{
    lock_acquire(&set->lock, LOCK_ARENA_SET);
    int err = decay_locked(set, ms);
    lock_release(&set->lock);
    return err;
}

void arena_set_purge(struct arena_set *set)
{
    for (unsigned i = 0; i < arena_set_count(set); i++)
        jemalloc_ctl_arena_purge(arena_set_get(set, i));
}

void arena_set_age(struct arena_set *set)
{
    for (unsigned i = 0; i < arena_set_count(set); i++)
        jemalloc_ctl_arena_decay(arena_set_get(set, i));
}
