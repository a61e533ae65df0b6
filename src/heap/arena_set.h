/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The jemalloc arenas of one heap, and which thread uses which.
 *
 * A set has a number of slots, a power of two, of which one is in use at first. Threads are
 * numbered as they first allocate, and thread n uses slot n modulo the number of slots in use:
 * threads spread evenly, without a hash. Arenas do not share space: what one has held, another
 * takes anew. So threads share an arena until they meet in it: while one allocates, `state` of the
 * slot counts it, and when that shows others too often, the slots in use double. Threads that take
 * turns, or allocate seldom, have one arena however many they are.
 *
 * A slot gets its arena when a thread first needs it. jemalloc has about 4,000 arenas for the whole
 * process. A set takes a further one only while enough are left for each heap that may yet be made
 * to have its first; else its slots share those that it has. With 128 processors and 1,000 busy
 * threads, a heap has 256 arenas and four threads use each.
 *
 * Lock: `lock` is held while a slot gets its arena; reading slots takes none.
 */
#pragma once

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "heap/jemalloc_ctl.h"

/* A slot without an arena. */
#define ARENA_SET_EMPTY UINT_MAX

struct arena {
    unsigned number;
    const size_t *active_pages; /* jemalloc's counter of pages in use */
};

/* Who is in a slot, and how often threads met there. */
struct arena_slot {
    atomic_ulong state;   /* ARENA_SET_ENTRY for each that came, and 1 for each that is inside */
    atomic_uint meetings; /* of threads, since the entry that is next */
    atomic_ulong since;
    char apart[40]; /* so that slots share no cache line that is often written */
};

#define ARENA_SET_ENTRY  ((unsigned long)1 << 16)
#define ARENA_SET_INSIDE (ARENA_SET_ENTRY - 1)

struct arena_set {
    unsigned *slots;  /* arena of each, or ARENA_SET_EMPTY; changed once, atomically */
    atomic_uint mask; /* number of slots in use - 1; grows only */
    unsigned limit;   /* the same of all slots */
    struct arena_slot *uses;
    extent_hooks_t *hooks;
    ssize_t decay_ms;        /* of each arena; guarded by lock */
    size_t growth;           /* see arena_set_limit_growth(); 0: nothing was said */
    pthread_mutex_t lock;    /* see above */
    struct arena *arenas;    /* those of this set */
    size_t page;             /* bytes in one of jemalloc's */
    atomic_uint arena_count; /* grows only */
};

/*
 * Makes a set with its first arena. hooks must outlive it. 0; -EAGAIN where jemalloc has no arena
 * left, -ENOMEM; nothing is left then.
 */
int arena_set_init(struct arena_set *set, extent_hooks_t *hooks, unsigned slots, ssize_t decay_ms);

/* Destroys the arenas with all of their blocks. No other thread uses the set any more. */
void arena_set_destroy(struct arena_set *set);

/* Around fork(2), in this thread: hold the process's account of arenas still. */
void arena_set_before_fork(void);
void arena_set_after_fork(void);

/* In the child of a fork: makes a set that another thread may have been changing usable. */
void arena_set_adopt(struct arena_set *set);

/*
 * Lowers the most slots that may be in use, a power of two, before a second thread has used the
 * set.
 */
void arena_set_limit(struct arena_set *set, unsigned slots);

/* How large the regions of arenas get (jemalloc_ctl_arena_set_growth()), before a second thread has
 * used the set. */
void arena_set_limit_growth(struct arena_set *set, size_t growth);

/* Gives the calling thread's slot its arena. */
unsigned arena_set_fill_slot(struct arena_set *set, unsigned slot);

/* The calling thread's number. */
extern _Thread_local unsigned arena_set_thread_number;
unsigned arena_set_number_thread(void);

static inline unsigned arena_set_current_slot(struct arena_set *set)
{
    unsigned number = arena_set_thread_number;

    if (__builtin_expect(number == 0, 0))
        number = arena_set_number_thread();
    return (number - 1) & atomic_load_explicit(&set->mask, memory_order_relaxed);
}

static inline unsigned arena_set_arena_of(struct arena_set *set, unsigned slot)
{
    unsigned arena = __atomic_load_n(&set->slots[slot], __ATOMIC_ACQUIRE);
    if (__builtin_expect(arena == ARENA_SET_EMPTY, 0))
        arena = arena_set_fill_slot(set, slot);
    return arena;
}

/* The arena that the calling thread uses. */
static inline unsigned arena_set_current(struct arena_set *set)
{
    return arena_set_arena_of(set, arena_set_current_slot(set));
}

/* Notes that another thread was there: uses more slots from now on if that is so too often. */
void arena_set_meet(struct arena_set *set, struct arena_slot *use, unsigned long state);

/*
 * The same, for a thread that is about to allocate from it. *use is for arena_set_leave(). Nobody
 * is counted any more when all slots are in use.
 */
static inline unsigned arena_set_enter(struct arena_set *set, struct arena_slot **use)
{
    unsigned slot = arena_set_current_slot(set);

    *use = NULL;
    if (atomic_load_explicit(&set->mask, memory_order_relaxed) != set->limit) {
        *use = &set->uses[slot];
        unsigned long state =
            atomic_fetch_add_explicit(&(*use)->state, ARENA_SET_ENTRY + 1, memory_order_relaxed);
        if (__builtin_expect((state & ARENA_SET_INSIDE) != 0, 0))
            arena_set_meet(set, *use, state);
    }
    return arena_set_arena_of(set, slot);
}

static inline void arena_set_leave(struct arena_slot *use)
{
    if (use != NULL)
        atomic_fetch_sub_explicit(&use->state, 1, memory_order_relaxed);
}

/* How many arenas there are, and the i-th of them. */
static inline unsigned arena_set_count(const struct arena_set *set)
{
    return atomic_load_explicit(&set->arena_count, memory_order_acquire);
}

static inline unsigned arena_set_get(const struct arena_set *set, unsigned i)
{
    return set->arenas[i].number;
}

/* Bytes in pages that blocks use, at about this time. Takes no lock. */
size_t arena_set_active_bytes(const struct arena_set *set);

bool arena_set_has(const struct arena_set *set, unsigned arena);

/* Sets the decay time of all arenas, also of those still to come. 0 or -errno. */
int arena_set_decay(struct arena_set *set, ssize_t ms);

/* Gives back all unused pages, or those whose time has come. */
void arena_set_purge(struct arena_set *set);
void arena_set_age(struct arena_set *set);
