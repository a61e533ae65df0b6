/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process's own malloc on kinds of memory: what the parts of the interposer share. Three
 * libraries are made of these parts, each with a setting of its own (library.h), which says what
 * kinds there are and which of them serves a request.
 *
 * Every block is either of one of the kinds or of libc's heap, and its address tells which
 * (memkind_detect_kind), so blocks from before the kinds were there, and those that go to DRAM on
 * purpose, need no mark. libc's heap is called by the names under which libc exports it besides
 * malloc, so nothing has to be looked up before the first allocation.
 *
 * libc and others may themselves call malloc for libmemkind while it serves a call of ours; its own
 * data is always libc's. Such a call must get libc's memory, or it would come back to a lock that
 * is held. That happens only at certain moments: when a kind is made, when a thread first uses it,
 * around a fork. So each thread has a state, and a thread on its fast way needs to look at
 * nothing else:
 *
 *    COLD      has not used a kind in this process, or there is none; first call: slow way
 *    BUSY      is in a call of libmemkind that may allocate: all that it asks for is libc's
 *    FAST      uses one kind, for blocks of all sizes
 *    CHOOSY    uses kinds in turn, or for some sizes, or all blocks are counted: slow way
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memkind/internal/memkind_pmem.h"
#include "memkind/internal/memkind_private.h"
#include "preload/callers.h"
#include "preload/export.h"
#include "preload/serving.h"

/* libc's malloc, by its other name. */
extern void *__libc_malloc(size_t size);

/*
 * Blocks of the kind are no smaller: jemalloc aligns a block of 8 bytes to 8, and malloc's are
 * aligned for any object. Blocks of this size and more are.
 */
#define PRELOAD_LEAST_BLOCK _Alignof(max_align_t)

enum preload_state { PRELOAD_COLD, PRELOAD_BUSY, PRELOAD_FAST, PRELOAD_FILTERED };

/* The calling thread's. The library is there from the start of the process: this costs no call. */
struct preload_self {
    /*
     * Requests that the fast way of malloc does not take as they are: those of so many bytes or
     * fewer. All of them, unless the thread is FAST; then those that are below the least block. One
     * comparison answers both questions.
     */
    size_t unfit;
    /* Where the thread is FAST, the kind that it uses; else preload_nobody, which has no blocks. */
    memkind_t kind;
    bool frees_all; /* the thread is FAST, and memkind_arena_free_or() serves all kinds there are */
    memkind_t own;  /* of several, the one that the thread takes; NULL: the first */
    unsigned visits;     /* how often the thread came here while it was not FAST; see reached.c */
    unsigned char state; /* read it here, write it by preload_set_thread() */
};

/* Nobody looks these up by name. */
#define PRELOAD_HIDDEN __attribute__((visibility("hidden")))

extern _Thread_local struct preload_self preload_self PRELOAD_HIDDEN;
extern struct memkind preload_nobody;

/* Written once, the kind last; a library that started before this one may have threads already. */
struct preload {
    memkind_t kind; /* the first; NULL: libc serves everything; preload_kind() reads it */
    /* The fast ways, see serving.h. Where that of malloc fails, it calls and returns otherwise().
     */
    void *(*malloc)(memkind_t own, size_t size, void *(*otherwise)(memkind_t own, size_t size));
    void (*free)(memkind_t kind, void *ptr);
    bool frees_all;              /* the fast way of free is memkind_arena_free_or() */
    struct serving serving;      /* all kinds, and how they are asked */
    struct callers_code libc;    /* which gets none of the kinds' blocks */
    struct callers_code libnuma; /* nor does it while a thread is COLD */
    size_t min, span;            /* sizes from min to min + span go to the kinds */
    unsigned char ready;         /* the state of threads that use the kinds: FAST or CHOOSY */
    bool counted;          /* blocks are counted, and ratio_threshold() decides beside the range */
    bool deep_bind;        /* libraries are loaded with RTLD_DEEPBIND, where that is asked for */
    bool fall_back;        /* libc serves what the kinds have no room for */
    atomic_bool paused;    /* new blocks are libc's for the time being */
    atomic_size_t fallen;  /* how often libc did, */
    atomic_size_t refused; /* and how often the kinds had no room and NULL was the answer */
};

extern struct preload preload PRELOAD_HIDDEN;

/* The first kind, and with it the rest; NULL where there is none yet. */
static inline memkind_t preload_kind(void)
{
    return __atomic_load_n(&preload.kind, __ATOMIC_ACQUIRE);
}

/* The kind that the calling thread's blocks are of, if it is FAST. */
static inline memkind_t preload_own_kind(void)
{
    return preload_self.own != NULL ? preload_self.own : preload.kind;
}

static inline void preload_set_thread(unsigned char state)
{
    bool fast = state == PRELOAD_FAST;

    preload_self.state = state;
    preload_self.unfit = fast ? PRELOAD_LEAST_BLOCK - 1 : SIZE_MAX;
    preload_self.kind = fast ? preload_own_kind() : &preload_nobody;
    preload_self.frees_all = fast && preload.frees_all;
}

/* Whether blocks of the kind are malloc's in this process: not where the program made the kind. */
static inline bool preload_has(memkind_t kind)
{
    if (kind == NULL || preload_kind() == NULL)
        return false;
    for (unsigned i = 0; i < preload.serving.count; i++)
        if (preload.serving.kinds[i] == kind)
            return true;
    return false;
}

/* What a kind in a file or on a device has of its own; NULL for other kinds. */
static inline struct memkind_pmem *preload_file_of(memkind_t kind)
{
    return kind->ops == &MEMKIND_PMEM_OPS ? kind->priv : NULL;
}

/*
 * Whether what this process calls malloc and free comes to this library, straight or by way of one
 * that wraps it: not where the program, or a library before this one, has an allocator of its own.
 * Found out once. May allocate and free.
 */
bool preload_serves(void);

/*
 * The same for malloc and free alone. A program may have these two of its own and no calloc and
 * realloc, as long as nothing calls those on its blocks. But libraries that come with this one do:
 * so what arrives here is then made of the two.
 */
bool preload_has_malloc(void);

/* calloc(3) and realloc(3), made of the process's malloc and free. */
void *preload_calloc_derived(size_t num, size_t size);
void *preload_realloc_derived(void *ptr, size_t size);

/*
 * The function of that name in the libraries behind this one, looked up once; NULL: there is none.
 */
void *preload_find_next(_Atomic(void *) *cache, const char *name);

/* The next library's function of that name, NULL where there is none. */
#define PRELOAD_BEHIND(function)                                  \
    __extension__({                                               \
        static _Atomic(void *) cache;                             \
        __typeof__(function) *behind;                             \
        *(void **)&behind = preload_find_next(&cache, #function); \
        behind;                                                   \
    })

/* The same where the program keeps the allocator that the function is of; else NULL. */
#define PRELOAD_NEXT(function) \
    (__builtin_expect(preload_serves(), 1) ? NULL : PRELOAD_BEHIND(function))

/*
 * As malloc(3) and free(3), past the threads' caches: blocks that are moved so fill slabs that are
 * partly used, and empty others.
 */
void *preload_malloc_uncached(size_t size, const void *caller);
void preload_free_uncached(void *ptr);

/* Lets the fork handlers of others follow libmemkind's; see atfork.c. */
void preload_release_atfork(void);

/*
 * A function of libc: not that of the next library in line, which may be another allocator's. NULL
 * where there is none. May allocate and free.
 */
void *preload_find_in_libc(const char *name);

/* The usable size of a block of libc, 0 for NULL. The first call may allocate and free. */
size_t preload_libc_usable_size(void *ptr);
