/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process's own malloc on kinds of memory: what the parts of the interposer share. Three
 * libraries are made of these parts, each with its own setting (library.h), which determines the
 * kinds and which of them serves a request.
 *
 * Every block belongs to one of the kinds or to libc's heap, and its address tells which
 * (memkind_detect_kind). So blocks from before the kinds existed, and those that go to DRAM on
 * purpose, need no mark. libc's heap is called by libc's second names of malloc and its family, so
 * no function has to be found before the first allocation.
 *
 * libc and others may themselves call malloc for libmemkind while it serves a call of this library;
 * libmemkind's own data is always libc's. Such a call must get libc's memory, because it would
 * otherwise wait for a lock that is held. That happens only at certain moments: when a kind is
 * created, when a thread first uses it, around a fork. Therefore each thread has a state:
 *
 *    COLD      has requested nothing of a kind in this process, or there is none; first call: slow
 *              path; a free is on the fast path if the thread has freed a block of a kind before
 *    BUSY      is in a call of libmemkind that may allocate: all its requests go to libc
 *    FAST      uses one kind, for blocks of all sizes
 *    FILTERED  uses kinds in turn, or for some sizes, or all blocks are counted: slow path
 *
 * The fast paths are compiled into this library. They find the caches of a FAST thread by its view
 * (heap/thread_view.h), whose limits are 0 in other states: they check nothing else. A view needs a
 * libmemkind of the same build, a process that calls malloc and free of this library directly, and,
 * for malloc, a libc whose own calls are led elsewhere (libc_calls.h). Without a view, the public
 * functions of libmemkind are called.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heap/thread_view.h"
#include "memkind/internal/memkind_arena.h"
#include "memkind/internal/memkind_pmem.h"
#include "memkind/internal/memkind_private.h"
#include "preload/callers.h"
#include "preload/export.h"
#include "preload/serving.h"

/* libc's malloc, by its second name. */
extern void *__libc_malloc(size_t size);

/*
 * Blocks of the kind are at least this large: jemalloc aligns a block of 8 bytes to 8, but malloc's
 * must be aligned for any object, as blocks of this size and more are.
 */
#define PRELOAD_LEAST_BLOCK _Alignof(max_align_t)

enum preload_state { PRELOAD_COLD, PRELOAD_BUSY, PRELOAD_FAST, PRELOAD_FILTERED };

/*
 * The calling thread's state. The library is loaded from the start of the process: access takes no
 * call.
 */
struct preload_self {
    struct thread_view view;
    /*
     * Without a view, malloc refuses callers in so many bytes from preload.libc.first on: all
     * callers, unless the thread is FAST; then libc. One comparison checks both.
     */
    uintptr_t refused;
    /* The kind that a FAST thread uses; otherwise preload_nobody, which has no blocks. */
    memkind_t kind;
    memkind_t own;       /* of several kinds, the thread's own; NULL: the first */
    memkind_t viewed;    /* the kind of the view; NULL: there is no view yet */
    unsigned visits;     /* how often the thread came here while it was not FAST; see reached.c */
    unsigned char state; /* read directly, written by preload_set_thread() */
};

/* Not found by name in other libraries. */
#define PRELOAD_HIDDEN __attribute__((visibility("hidden")))

extern _Thread_local struct preload_self preload_self PRELOAD_HIDDEN;
extern struct memkind preload_nobody;

/* Written once, the kind last. A library that started before this one may already have threads. */
struct preload {
    memkind_t kind; /* the first kind; NULL: libc serves everything; read by preload_kind() */
    /* Without a view, see serving.h. If malloc has no block, it calls and returns otherwise(). */
    void *(*malloc)(size_t size, void *(*otherwise)(size_t size), memkind_t own);
    void (*free)(memkind_t kind, void *ptr);
    bool views;               /* threads have views for free, */
    bool views_malloc;        /* and for malloc */
    struct serving serving;   /* all kinds, and how they are called */
    struct callers_code libc; /* gets none of the kinds' blocks */
    size_t min, span;         /* sizes from min to min + span go to the kinds */
    unsigned char ready;      /* the state of threads that use the kinds: FAST or FILTERED */
    bool counted;   /* blocks are counted, and ratio_threshold() applies in addition to the range */
    bool deep_bind; /* RTLD_DEEPBIND has its usual effect */
    bool fall_back; /* libc serves requests for which the kinds have no room */
    atomic_bool paused;    /* new blocks are libc's for the time being */
    atomic_size_t fallen;  /* how often libc did that, */
    atomic_size_t refused; /* and how often the kinds had no room and NULL was returned */
};

extern struct preload preload PRELOAD_HIDDEN;

/* Returns the first kind, with which the rest can be read; NULL: there is none yet. */
static inline memkind_t preload_kind(void)
{
    return __atomic_load_n(&preload.kind, __ATOMIC_ACQUIRE);
}

/* How far the kinds are made; see start.c. */
enum preload_waiting {
    PRELOAD_MADE,    /* as far as they ever will be */
    PRELOAD_WAITING, /* they are made at the first request for them */
    PRELOAD_MAKING,  /* a thread makes them; libc serves the others */
};

extern atomic_int preload_waiting PRELOAD_HIDDEN;

/* Makes the kinds, if they wait, and returns the first; NULL: there is none yet. errno is kept. */
memkind_t preload_make_kinds(void);

/* Returns the first kind, which is made if need be; NULL: libc serves the request. */
static inline memkind_t preload_kind_for_request(void)
{
    memkind_t kind = preload_kind();

    if (__builtin_expect(kind != NULL, 1) ||
        atomic_load_explicit(&preload_waiting, memory_order_relaxed) != PRELOAD_WAITING)
        return kind;
    return preload_make_kinds();
}

/*
 * Returns whether libc serves a request of `size` bytes although the kinds could be made: it is one
 * of the first, see settings.after.
 */
bool preload_is_early(size_t size);

/* As preload_kind_for_request(), for malloc and its family; NULL also for an early request. */
static inline memkind_t preload_kind_for_size(size_t size)
{
    memkind_t kind = preload_kind();

    if (__builtin_expect(kind != NULL, 1) ||
        atomic_load_explicit(&preload_waiting, memory_order_relaxed) != PRELOAD_WAITING ||
        preload_is_early(size))
        return kind;
    return preload_make_kinds();
}

/* Returns the kind of the calling thread's blocks, if the thread is FAST. */
static inline memkind_t preload_own_kind(void)
{
    return preload_self.own != NULL ? preload_self.own : preload.kind;
}

/* Fills in the calling thread's view, closed, if threads have views. */
void preload_open_view(void) PRELOAD_HIDDEN;

/* Opens the calling thread's view for free, if threads may become FAST. */
static inline void preload_view_for_free(void)
{
    if (preload.ready == PRELOAD_FAST && preload_self.viewed != preload_own_kind())
        preload_open_view();
    preload_self.view.blocks = preload_self.view.open_blocks;
}

static inline void preload_set_thread(unsigned char state)
{
    bool fast = state == PRELOAD_FAST;

    preload_self.state = state;
    preload_self.kind = fast ? preload_own_kind() : &preload_nobody;
    preload_self.refused = fast ? preload.libc.length : UINTPTR_MAX;
    if (__builtin_expect(fast && preload_self.viewed != preload_self.kind, 0))
        preload_open_view();
    preload_self.view.sizes = fast ? preload_self.view.open_sizes : 0;
    preload_self.view.blocks = fast ? preload_self.view.open_blocks : 0;
}

/*
 * Returns whether malloc of this process uses the kind: false for kinds that the program has
 * created.
 */
static inline bool preload_has(memkind_t kind)
{
    if (kind == NULL || preload_kind() == NULL)
        return false;
    for (unsigned i = 0; i < preload.serving.count; i++)
        if (preload.serving.kinds[i] == kind)
            return true;
    return false;
}

/* Returns the state of a kind in a file or on a device; NULL for other kinds. */
static inline struct memkind_pmem *preload_file_of(memkind_t kind)
{
    return kind->ops == &MEMKIND_PMEM_OPS ? kind->priv : NULL;
}

/*
 * Returns whether this process's calls of malloc and free reach this library, directly or through
 * one that wraps it: not if the program, or a library before this one, has an allocator of its own.
 * Found out once. May allocate and free.
 */
bool preload_serves(void);

/*
 * Returns whether malloc, calloc, realloc and free of the process are this library's, and no other
 * library's functions that call these.
 */
bool preload_is_called_directly(void);

/*
 * The same as preload_serves() for malloc and free alone. A program may define these two and
 * neither calloc nor realloc, if it never calls those on its blocks. But libraries that come with
 * this one do call them: then calloc and realloc here use the program's two functions.
 */
bool preload_has_malloc(void);

/* Redirects libc's own calls of malloc to libc's heap; see libc_calls.h. False: not all. */
bool preload_redirect_libc(void);

/* calloc(3) and realloc(3), made of the process's malloc and free. */
void *preload_calloc_derived(size_t num, size_t size);
void *preload_realloc_derived(void *ptr, size_t size);

/*
 * Returns the function of that name in the libraries after this one, found once; NULL: there is
 * none.
 */
void *preload_find_next(_Atomic(void *) *cache, const char *name);

/* The next library's function of that name; NULL: there is none. */
#define PRELOAD_BEHIND(function)                                  \
    __extension__({                                               \
        static _Atomic(void *) cache;                             \
        __typeof__(function) *behind;                             \
        *(void **)&behind = preload_find_next(&cache, #function); \
        behind;                                                   \
    })

/* The same if the program keeps the function's allocator, otherwise NULL. */
#define PRELOAD_NEXT(function) \
    (__builtin_expect(preload_serves(), 1) ? NULL : PRELOAD_BEHIND(function))

/*
 * As malloc(3) and free(3), but bypass the threads' caches: moving blocks in this way fills partly
 * used slabs, and empties others.
 */
void *preload_malloc_uncached(size_t size, const void *caller);
void preload_free_uncached(void *ptr);

/*
 * Before and after a fork that runs no handlers, in the calling thread: what libmemkind's handlers
 * and this library's do, and no others.
 */
void preload_before_raw_fork(void);
void preload_after_raw_fork(bool in_child);

/* Lets the fork handlers of others run after libmemkind's; see atfork.c. */
void preload_release_atfork(void);

/*
 * Returns a function of libc, not that of the next library, which may be another allocator's. NULL:
 * there is none. May allocate and free.
 */
void *preload_find_in_libc(const char *name);

/* Returns the usable size of a block of libc; 0 for NULL. The first call may allocate and free. */
size_t preload_libc_usable_size(void *ptr);
