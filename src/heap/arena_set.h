/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The jemalloc arenas of one heap, and which thread uses which.
 *
 * A set has a number of slots, a power of two. Threads are numbered as they first allocate, and
 * thread n uses slot n modulo the number of slots: threads spread evenly, without a hash. The first
 * slot gets its arena at once, the others when a thread first needs them, so a program with one
 * thread has one arena however many processors there are. jemalloc has about 4,000 arenas for the
 * whole process. A set takes a further one only while enough are left for each heap that may yet be
 * made to have its first; else its slots share those that it has. With 128 processors and 1,000
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

struct arena_set {
    unsigned *slots; /* arena of each, or ARENA_SET_EMPTY; changed once, atomically */
    unsigned mask;   /* number of slots - 1 */
    extent_hooks_t *hooks;
    ssize_t decay_ms;        /* of each arena; guarded by lock */
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

/* Lowers the number of slots, a power of two, before a second thread has used the set. */
void arena_set_limit(struct arena_set *set, unsigned slots);

/* Gives the calling thread's slot its arena. */
unsigned arena_set_fill_slot(struct arena_set *set, unsigned slot);

/* The calling thread's number. */
extern _Thread_local unsigned arena_set_thread_number;
unsigned arena_set_number_thread(void);

/* The arena that the calling thread uses. */
static inline unsigned arena_set_current(struct arena_set *set)
{
    unsigned number = arena_set_thread_number;

    if (__builtin_expect(number == 0, 0))
        number = arena_set_number_thread();
    unsigned slot = (number - 1) & set->mask;
    unsigned arena = __atomic_load_n(&set->slots[slot], __ATOMIC_ACQUIRE);
    if (__builtin_expect(arena == ARENA_SET_EMPTY, 0))
        arena = arena_set_fill_slot(set, slot);
    return arena;
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
