/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The jemalloc arenas of one heap, and which thread uses which.
 *
 * A set has a number of slots, a power of two, of which one is in use at first. Threads get numbers
 * when they first allocate, and thread n uses slot n modulo the number of slots in use, so that
 * threads spread evenly without a hash. An arena does not reuse the free space of another. So
 * threads share an arena until they contend for it: a slot's `state` counts the threads that are
 * allocating, and when a thread finds others there too often, the number of slots in use doubles.
 * Threads that take turns, or that allocate seldom, share one arena, however many they are.
 *
 * A slot gets its arena when a thread first uses it. jemalloc has about 4,000 arenas for the whole
 * process. A set takes a second arena, or a further one, only while enough are left for the first
 * arena of each heap that may yet be created; else its slots share the arenas that it has. With 128
 * processors and 1,000 busy threads, a heap has 256 arenas, and four threads use each.
 *
 * `lock` is held while a slot gets its arena. Slots are read without it.
 */
#pragma once

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "heap/jemalloc_ctl.h"

/* A slot without an arena. */
#define ARENA_SET_EMPTY UINT_MAX

struct arena {
    unsigned number;
    const size_t *active_pages; /* jemalloc's counter of pages in use */
};

/* The threads that are allocating in a slot, and how often they met there. */
struct arena_slot {
    atomic_ulong state;   /* ARENA_SET_ENTRY for each entry so far, 1 for each thread inside */
    atomic_uint meetings; /* entries that found another thread inside, after the entry `since` */
    atomic_ulong since;
    /* A bit for each size class whose slabs had no free block at the last refill: slab_refill.h. */
    _Atomic uint64_t none_partly_used;
    char apart[32]; /* slots share no cache line that is often written */
};

#define ARENA_SET_ENTRY  ((unsigned long)1 << 16)
#define ARENA_SET_INSIDE (ARENA_SET_ENTRY - 1)

struct arena_set {
    unsigned *slots;  /* arena of each, or ARENA_SET_EMPTY; changed once, atomically */
    atomic_uint mask; /* number of slots in use - 1; grows only */
    unsigned limit;   /* the same of all slots */
    struct arena_slot *uses;
    extent_hooks_t *hooks;
    ssize_t decay_ms;     /* of each arena; guarded by lock */
    size_t growth;        /* see arena_set_limit_growth(); 0: not limited */
    pthread_mutex_t lock; /* see above */
    struct arena *arenas;
    size_t page;             /* bytes in one of jemalloc's pages */
    atomic_uint arena_count; /* grows only */
};

/*
 * Initializes a set with its first arena. hooks outlive the set. 0; -EAGAIN where jemalloc has no
 * arena left, -ENOMEM; nothing is left then.
 */
int arena_set_init(struct arena_set *set, extent_hooks_t *hooks, unsigned slots, ssize_t decay_ms);

/* Destroys the arenas with all of their blocks. No other thread uses the set. */
void arena_set_destroy(struct arena_set *set);

/* Around fork(2), in this thread: acquire and release the lock of the process's arena budget. */
void arena_set_before_fork(void);
void arena_set_after_fork(void);

/* In the child of a fork: makes a set usable that a thread of the parent may have been changing. */
void arena_set_adopt(struct arena_set *set);

/*
 * Lowers the number of slots that may be in use, to a power of two. Before a second thread has used
 * the set.
 */
void arena_set_limit(struct arena_set *set, unsigned slots);

/*
 * Limits the size of the arenas' regions: see jemalloc_ctl_arena_set_growth(). Before a second
 * thread has used the set.
 */
void arena_set_limit_growth(struct arena_set *set, size_t growth);

/* The slot's arena, created if need be and possible, else shared with another slot. */
unsigned arena_set_fill_slot(struct arena_set *set, unsigned slot);

/* The calling thread's number; 0: it has none yet. The function gives it one. */
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

/* Counts a meeting of threads in the slot; doubles the slots in use if there were too many. */
void arena_set_meet(struct arena_set *set, struct arena_slot *use, unsigned long state);

/*
 * The arena that the calling thread uses, for a thread that is about to allocate: counts the thread
 * in the slot until arena_set_leave(*use). Threads are not counted when all slots are in use.
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

/* The number of arenas, and the i-th arena. */
static inline unsigned arena_set_count(const struct arena_set *set)
{
    return atomic_load_explicit(&set->arena_count, memory_order_acquire);
}

static inline unsigned arena_set_get(const struct arena_set *set, unsigned i)
{
    return set->arenas[i].number;
}

/* Bytes in pages that blocks use. Approximate while other threads allocate. Takes no lock. */
size_t arena_set_active_bytes(const struct arena_set *set);

/* Whether the arena with this index of jemalloc belongs to the set. Thread-safe. */
bool arena_set_has(const struct arena_set *set, unsigned arena);

/* Sets the decay time of all arenas, also of those still to come. 0 or -errno. */
int arena_set_decay(struct arena_set *set, ssize_t ms);

/* Gives back all unused pages, or those whose time has come. */
void arena_set_purge(struct arena_set *set);
void arena_set_age(struct arena_set *set);
