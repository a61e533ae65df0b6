/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A heap over a store of anonymous memory. The store counts releases, and can refuse them. The test
 * counts purges and calls of jemalloc, and can act during a purge. Include once. The heap has two
 * arenas; arena_set_thread_number decides which of them a thread uses.
 */
/* WRAP: jemalloc_ctl_arena_purge jemalloc_block_alloc jemalloc_ctl_add_arena_stats mmap */
/* WRAP: munmap */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "heap/heap.h"
#include "heap/jemalloc_ctl.h"
#include "space/address_map.h"
#include "space/space.h"
#include "support/arenas.h"
#include "support/fake_malloc.h"
#include "support/faults.h"

#define KIB        ((size_t)1 << 10)
#define MIB        ((size_t)1 << 20)
#define GIB        ((size_t)1 << 30)
#define LIMIT      (16 * MIB)
#define UNUSED     (12 * MIB)
#define SLOTS      2
#define OWNER      (ADDRESS_MAP_FIRST_OWNER + 11u)
#define SOME_ERRNO 1234
#define MANY       2000
#define FILLER     0x6b

/* -- The library's calls ----------------------------------------------------------------------- */

static struct space space;
static struct heap heap;

static atomic_uint purges;
static atomic_uint attempts;
static atomic_uint releases;
static atomic_bool cannot_release;
static size_t mapped; /* bytes that are mapped and not unmapped; not thread-safe */
static bool counting; /* whether `mapped` is updated */
static void (*during_purge)(void);
static struct fault stats_fault;

void *__real_jemalloc_block_alloc(unsigned arena, size_t size, size_t alignment, bool zero);
void *__wrap_jemalloc_block_alloc(unsigned arena, size_t size, size_t alignment, bool zero);
void __real_jemalloc_ctl_arena_purge(unsigned arena);
void __wrap_jemalloc_ctl_arena_purge(unsigned arena);
int __real_jemalloc_ctl_add_arena_stats(unsigned arena, struct jemalloc_stats *stats);
int __wrap_jemalloc_ctl_add_arena_stats(unsigned arena, struct jemalloc_stats *stats);
void *__real_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *addr, size_t size);
int __wrap_munmap(void *addr, size_t size);

void *__wrap_jemalloc_block_alloc(unsigned arena, size_t size, size_t alignment, bool zero)
{
    atomic_fetch_add(&attempts, 1);
    return __real_jemalloc_block_alloc(arena, size, alignment, zero);
}

void __wrap_jemalloc_ctl_arena_purge(unsigned arena)
{
    void (*action)(void) = during_purge;

    atomic_fetch_add(&purges, 1);
    if (action != NULL) {
        during_purge = NULL;
        action();
    }
    __real_jemalloc_ctl_arena_purge(arena);
}

int __wrap_jemalloc_ctl_add_arena_stats(unsigned arena, struct jemalloc_stats *stats)
{
    return fault_hits_if_set(&stats_fault) ? -stats_fault.error
                                           : __real_jemalloc_ctl_add_arena_stats(arena, stats);
}

void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset)
{
    void *memory = __real_mmap(addr, size, protection, flags, fd, offset);

    if (counting && memory != MAP_FAILED && (flags & MAP_FIXED) == 0)
        mapped += size;
    return memory;
}

int __wrap_munmap(void *addr, size_t size)
{
    if (counting)
        mapped -= size;
    return __real_munmap(addr, size);
}

/* -- The store --------------------------------------------------------------------------------- */

static inline int store_map(struct space *of, void *addr, size_t size, off_t offset)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;

    (void)of;
    (void)offset;
    return __real_mmap(addr, size, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED ? -errno : 0;
}

static inline int store_commit(struct space *of, void *addr, off_t offset, size_t size)
{
    (void)addr;
    (void)of;
    (void)offset;
    (void)size;
    return 0;
}

static inline int store_release(struct space *of, void *addr, off_t offset, size_t size)
{
    (void)of;
    (void)offset;
    atomic_fetch_add(&releases, 1);
    if (cannot_release)
        return -EOPNOTSUPP;
    return madvise(addr, size, MADV_DONTNEED) == 0 ? 0 : -errno;
}

static const struct store_ops store = {
    .map = store_map,
    .commit = store_commit,
    .release = store_release,
};

/* -- Set-up ------------------------------------------------------------------------------------ */

static inline void reset(void)
{
    stats_fault = malloc_fault = (struct fault){0};
    arenas_reset_faults();
    purges = 0;
    releases = 0;
    cannot_release = false;
    during_purge = NULL;
    mapped = 0;
    counting = false;
}

static inline int start(bool hold)
{
    reset();
    arena_set_thread_number = 1;
    assert_int_equal(space_init(&space, &store, LIMIT, OWNER), 0);
    int err = heap_init(&heap, &space, NULL, SLOTS, hold);
    /* As if threads had contended: each has its own arena. */
    atomic_store(&heap.arenas.mask, heap.arenas.limit);
    return err;
}

static inline int setup(void **state)
{
    (void)state;
    return start(false);
}

static inline int setup_hold(void **state)
{
    (void)state;
    return start(true);
}

static inline int teardown(void **state)
{
    unsigned before;

    (void)state;
    before = releases;
    heap_destroy(&heap);
    /* The space releases the whole store at once, not piece by piece. */
    assert_int_equal(releases, before);
    space_fini(&space);
    assert_int_equal(arenas_alive, 0);
    return 0;
}

static inline int setup_space(void **state)
{
    (void)state;
    reset();
    arena_set_thread_number = 1;
    return space_init(&space, &store, LIMIT, OWNER);
}

static inline int teardown_space(void **state)
{
    (void)state;
    space_fini(&space);
    assert_int_equal(arenas_alive, 0);
    return 0;
}

static inline void *alloc(size_t size)
{
    errno = SOME_ERRNO;
    void *block = heap_alloc(&heap, size, 0, false);
    assert_int_equal(errno, block != NULL ? SOME_ERRNO : ENOMEM);
    return block;
}

static inline void *must_alloc(size_t size)
{
    void *block = alloc(size);

    assert_non_null(block);
    return block;
}

static inline void must_not_alloc(size_t size)
{
    assert_null(alloc(size));
}

/* Allocates blocks of one size until there is no room. Returns their number. */
static inline size_t fill(size_t size, void **blocks, size_t most)
{
    size_t count = 0;

    while (count < most && (blocks[count] = alloc(size)) != NULL)
        count++;
    assert_true(count < most);
    return count;
}

/* Releases the memory that neither blocks nor the search for room need. */
static inline void release_record(void)
{
    thread_caches_reclaim(&heap.caches);
    page_blocks_purge(&heap.page_blocks);
    arena_set_purge(&heap.arenas);
}

/* Runs the function to its end in a thread that uses the other arena. */
static inline void *in_other_thread(void *(*run)(void *), void *arg)
{
    pthread_t thread;
    void *result;

    assert_int_equal(pthread_create(&thread, NULL, run, arg), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    return result;
}

static inline void *use_other_arena(void *size)
{
    arena_set_thread_number = 2;
    void *block = heap_alloc(&heap, *(size_t *)size, 0, false);
    if (block != NULL) {
        memset(block, FILLER, *(size_t *)size);
        heap_free(&heap, block);
    }
    return block;
}

/*
 * Leaves 12 MiB unused in the other arena, in two pieces, because jemalloc does not keep a piece of
 * 8 MiB or more.
 */
static inline void *keep_unused(void *separator)
{
    void *pieces[2];

    arena_set_thread_number = 2;
    pieces[0] = heap_alloc(&heap, UNUSED / 2, 0, false);
    *(void **)separator = heap_alloc(&heap, 64 * KIB, 0, false);
    pieces[1] = heap_alloc(&heap, UNUSED / 2, 0, false);
    for (int i = 0; i < 2; i++)
        if (pieces[i] != NULL)
            heap_free(&heap, pieces[i]);
    return pieces[1];
}

static inline void *other_keeps_unused(void)
{
    void *separator = NULL;

    assert_non_null(in_other_thread(keep_unused, &separator));
    assert_non_null(separator);
    assert_true(space_held(&space) >= UNUSED);
    return separator;
}

static inline void *alloc_in_other_arena(void *size)
{
    arena_set_thread_number = 2;
    return heap_alloc(&heap, *(size_t *)size, 0, false);
}

static inline bool is_filled(const unsigned char *block, size_t size, unsigned char value)
{
    for (size_t i = 0; i < size; i++)
        if (block[i] != value)
            return false;
    return true;
}

/* Returns whether a failed search is recorded for any size. */
static inline bool refused(void)
{
    for (size_t i = 0; i < SHORTAGE_REFUSED_WORDS; i++)
        if (heap.shortage.refused[i] != 0)
            return true;
    return false;
}
