/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of heaps: blocks are as requested, and NULL means that there is no room, after a single
 * search for room.
 *
 * The store is anonymous memory that counts its pages, and that can refuse to release them.
 */
/* WRAP: jemalloc_ctl_arena_create jemalloc_ctl_arena_destroy jemalloc_ctl_arena_set_decay */
/* WRAP: jemalloc_ctl_arena_purge */
/* WRAP: address_map_enter_mixed */
/* WRAP: jemalloc_block_alloc jemalloc_ctl_add_arena_stats */
/* WRAP: malloc mmap */
/* WRAP: munmap */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <jemalloc/jemalloc.h>

#include "heap/heap.h"
#include "heap/heap_stats.h"
#include "heap/heap_unused.h"
#include "heap/jemalloc_block.h"
#include "heap/jemalloc_ctl.h"
#include "space/address_map.h"
#include "space/space.h"
#include "support/arenas.h"
#include "support/fake_malloc.h"
#include "support/faults.h"

#define KIB             ((size_t)1 << 10)
#define MIB             ((size_t)1 << 20)
#define GIB             ((size_t)1 << 30)
#define LIMIT           (16 * MIB)
#define UNUSED          (12 * MIB)
#define SLOTS           2
#define OWNER           (ADDRESS_MAP_FIRST_OWNER + 11u)
#define SOME_ERRNO      1234
#define MANY            2000
#define ROUNDS          3000
#define THREADS         4
#define LIVES           200
#define SEED            99u
#define FILLER          0x6b
#define PATIENCE_NS     300000000L /* for a thread to return; it may not return at all */
#define ADDRESSES_SLACK (32 * MIB)

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

/* fault_hits() is not thread-safe: called only if a failure is set. */
static bool hits(struct fault *fault)
{
    return fault->times > 0 && fault_hits(fault);
}

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
    return hits(&stats_fault) ? -stats_fault.error
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

static int store_map(struct space *of, void *addr, size_t size, off_t offset)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;

    (void)of;
    (void)offset;
    return __real_mmap(addr, size, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED ? -errno : 0;
}

static int store_commit(struct space *of, void *addr, off_t offset, size_t size)
{
    (void)addr;
    (void)of;
    (void)offset;
    (void)size;
    return 0;
}

static int store_release(struct space *of, void *addr, off_t offset, size_t size)
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

/* -- Fixture ----------------------------------------------------------------------------------- */

static void reset(void)
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

static int start(bool hold)
{
    reset();
    arena_set_thread_number = 1;
    assert_int_equal(space_init(&space, &store, LIMIT, OWNER), 0);
    int err = heap_init(&heap, &space, NULL, SLOTS, hold);
    /* As if threads had contended: each has its own arena. */
    atomic_store(&heap.arenas.mask, heap.arenas.limit);
    return err;
}

static int setup(void **state)
{
    (void)state;
    return start(false);
}

static int setup_hold(void **state)
{
    (void)state;
    return start(true);
}

static int teardown(void **state)
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

static int setup_space(void **state)
{
    (void)state;
    reset();
    arena_set_thread_number = 1;
    return space_init(&space, &store, LIMIT, OWNER);
}

static int teardown_space(void **state)
{
    (void)state;
    space_fini(&space);
    assert_int_equal(arenas_alive, 0);
    return 0;
}

static void *alloc(size_t size)
{
    errno = SOME_ERRNO;
    void *block = heap_alloc(&heap, size, 0, false);
    assert_int_equal(errno, block != NULL ? SOME_ERRNO : ENOMEM);
    return block;
}

static void *must_alloc(size_t size)
{
    void *block = alloc(size);

    assert_non_null(block);
    return block;
}

static void must_not_alloc(size_t size)
{
    assert_null(alloc(size));
}

/* Allocates blocks of one size until there is no room. Returns their number. */
static size_t fill(size_t size, void **blocks, size_t most)
{
    size_t count = 0;

    while (count < most && (blocks[count] = alloc(size)) != NULL)
        count++;
    assert_true(count < most);
    return count;
}

/* Releases the memory that neither blocks nor the search for room need. */
static void release_record(void)
{
    thread_caches_reclaim(&heap.caches);
    page_blocks_purge(&heap.page_blocks);
    arena_set_purge(&heap.arenas);
}

/* Runs the function to its end in a thread that uses the other arena. */
static void *in_other_thread(void *(*run)(void *), void *arg)
{
    pthread_t thread;
    void *result;

    assert_int_equal(pthread_create(&thread, NULL, run, arg), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    return result;
}

static void *use_other_arena(void *size)
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
static void *keep_unused(void *separator)
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

static void *other_keeps_unused(void)
{
    void *separator = NULL;

    assert_non_null(in_other_thread(keep_unused, &separator));
    assert_non_null(separator);
    assert_true(space_held(&space) >= UNUSED);
    return separator;
}

static void *alloc_in_other_arena(void *size)
{
    arena_set_thread_number = 2;
    return heap_alloc(&heap, *(size_t *)size, 0, false);
}

static bool is_filled(const unsigned char *block, size_t size, unsigned char value)
{
    for (size_t i = 0; i < size; i++)
        if (block[i] != value)
            return false;
    return true;
}

/* -- Blocks ------------------------------------------------------------------------------------ */

static void blocks_have_their_size_and_owner(void **state)
{
    const size_t sizes[] = {1, 7, 8, 100, 4 * KIB, 14 * KIB, 100 * KIB, MIB, 4 * MIB};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        void *block = must_alloc(sizes[i]);

        memset(block, FILLER, sizes[i]);
        assert_true(jemalloc_block_size(block) >= sizes[i]);
        assert_int_equal(address_map_owner(block), OWNER);
        heap_free(&heap, block);
    }
    assert_int_equal(purges, 0);
}

static void alignment_is_honoured(void **state)
{
    (void)state;
    for (size_t alignment = 8; alignment <= GIB; alignment *= 2)
        for (size_t size = 1; size <= 64 * KIB; size *= 16) {
            void *block = heap_alloc(&heap, size, alignment, false);

            assert_non_null(block);
            assert_int_equal((uintptr_t)block % alignment, 0);
            memset(block, FILLER, size);
            heap_free(&heap, block);
        }
}

static void zero_is_zero(void **state)
{
    (void)state;
    for (size_t size = 1; size <= 4 * MIB; size *= 3)
        for (int i = 0; i < 3; i++) {
            unsigned char *block = heap_alloc(&heap, size, 0, true);

            assert_non_null(block);
            assert_true(is_filled(block, size, 0));
            memset(block, FILLER, size);
            heap_free(&heap, block);
        }
}

static void realloc_keeps_the_contents(void **state)
{
    unsigned char *block = must_alloc(100);

    (void)state;
    memset(block, FILLER, 100);
    for (size_t size = 200; size <= 4 * MIB; size *= 2) {
        errno = SOME_ERRNO;
        block = heap_realloc(&heap, block, size);
        assert_non_null(block);
        assert_int_equal(errno, SOME_ERRNO);
        assert_true(is_filled(block, size / 2, FILLER));
        memset(block, FILLER, size);
    }
    for (size_t size = MIB; size > 0; size /= 2) {
        block = heap_realloc(&heap, block, size);
        assert_non_null(block);
        assert_true(is_filled(block, size, FILLER));
    }
    heap_free(&heap, block);
}

static void realloc_that_fails_leaves_the_block(void **state)
{
    unsigned char *block = must_alloc(MIB);

    (void)state;
    memset(block, FILLER, MIB);
    errno = 0;
    assert_null(heap_realloc(&heap, block, LIMIT + 1));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(heap_realloc(&heap, block, SIZE_MAX));
    assert_int_equal(errno, ENOMEM);
    void *most = must_alloc(LIMIT - 2 * MIB);
    errno = 0;
    assert_null(heap_realloc(&heap, block, 8 * MIB));
    assert_int_equal(errno, ENOMEM);
    assert_true(is_filled(block, MIB, FILLER));
    heap_free(&heap, most);
    block = heap_realloc(&heap, block, 8 * MIB);
    assert_non_null(block);
    assert_true(is_filled(block, MIB, FILLER));
    heap_free(&heap, block);
}

static void every_size_gets_an_answer(void **state)
{
    (void)state;
    for (unsigned shift = 0; shift < 64; shift++)
        for (int more = -1; more <= 1; more++) {
            size_t size = ((size_t)1 << shift) + (size_t)more;
            void *block = size != 0 ? alloc(size) : NULL;

            assert_true(block == NULL || size <= LIMIT);
            assert_true(block != NULL || size == 0 || size > LIMIT / 2);
            if (block != NULL)
                heap_free(&heap, block);
        }
    must_not_alloc(SIZE_MAX);
    heap_free(&heap, must_alloc(1));
}

/* -- No room ----------------------------------------------------------------------------------- */

static void one_block_of_max_size_fits(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        void *block = must_alloc(LIMIT);

        memset(block, FILLER, LIMIT);
        assert_int_equal(space_held(&space), LIMIT);
        must_not_alloc(1);
        heap_free(&heap, block);
    }
}

/* Returns whether a failed search is recorded for any size. */
static bool refused(void)
{
    for (size_t i = 0; i < SHORTAGE_REFUSED_WORDS; i++)
        if (heap.shortage.refused[i] != 0)
            return true;
    return false;
}

static void what_can_never_fit_costs_no_search(void **state)
{
    (void)state;
    must_not_alloc(LIMIT + 1);
    must_not_alloc(GIB);
    must_not_alloc(SIZE_MAX);
    assert_int_equal(purges, 0);
    assert_false(refused());
}

static void what_can_never_fit_takes_no_addresses(void **state)
{
    (void)state;
    /* Programs find the largest block by trying. */
    for (size_t size = (size_t)1 << 47; size > LIMIT; size /= 2)
        must_not_alloc(size);
    assert_true(space.reserved <= GIB);
}

static void pages_of_freed_blocks_are_given_back_first(void **state)
{
    void *separator = other_keeps_unused();

    (void)state;
    assert_int_equal(arena_set_count(&heap.arenas), 2);
    heap_free(&heap, must_alloc(UNUSED));
    /* Both arenas, once each. */
    assert_int_equal(purges, 2);
    assert_false(refused());
    heap_free(&heap, separator);
}

static void other_arenas_are_asked(void **state)
{
    size_t size = 12 * MIB;

    (void)state;
    cannot_release = true;
    assert_non_null(in_other_thread(use_other_arena, &size));
    unsigned char *block = must_alloc(8 * MIB);
    memset(block, FILLER, 8 * MIB);
    assert_true(space_held(&space) <= LIMIT);
    heap_free(&heap, block);
}

static void second_refusal_is_cheap(void **state)
{
    static void *blocks[MANY];
    size_t count = fill(64 * KIB, blocks, MANY);
    unsigned before = purges;

    (void)state;
    assert_true(before > 0);
    for (int i = 0; i < 10; i++)
        must_not_alloc(64 * KIB);
    assert_int_equal(purges, before);
    /* A class without a recorded failure may still fit somewhere. */
    void *small = alloc(10 * KIB);
    heap_free(&heap, blocks[--count]);
    assert_false(refused());
    blocks[count++] = must_alloc(64 * KIB);
    before = purges;
    must_not_alloc(64 * KIB);
    assert_true(purges > before);
    if (small != NULL)
        heap_free(&heap, small);
    while (count > 0)
        heap_free(&heap, blocks[--count]);
    assert_false(refused());
}

static void refusals_of_a_full_space_ask_no_arena(void **state)
{
    static void *blocks[MANY];
    size_t count = fill(64 * KIB, blocks, MANY);

    (void)state;
    while (space_held(&space) < LIMIT && count < MANY)
        blocks[count++] = must_alloc(4 * KIB);
    must_not_alloc(64);
    unsigned before = attempts;
    for (int i = 0; i < 10; i++) {
        must_not_alloc(64 * KIB);
        must_not_alloc(64);
    }
    assert_int_equal(attempts, before);
    heap_free(&heap, blocks[--count]);
    blocks[count++] = must_alloc(64);
    while (count > 0)
        heap_free(&heap, blocks[--count]);
}

static void shrinking_ends_starvation(void **state)
{
    void *large = must_alloc(LIMIT - 2 * MIB);

    (void)state;
    must_not_alloc(8 * MIB);
    assert_true(refused());
    assert_ptr_equal(heap_realloc(&heap, large, 4 * MIB), large);
    assert_false(refused());
    heap_free(&heap, must_alloc(8 * MIB));
    heap_free(&heap, large);
}

static void free_by_another_thread_ends_starvation(void **state)
{
    size_t size = 12 * MIB;
    void *block = in_other_thread(alloc_in_other_arena, &size);

    (void)state;
    assert_non_null(block);
    must_not_alloc(12 * MIB);
    heap_free(&heap, block);
    heap_free(&heap, must_alloc(12 * MIB));
}

static void smaller_request_is_not_refused_for_a_larger_one(void **state)
{
    size_t size = 8 * MIB;
    void *own;

    (void)state;
    /* Eight MiB that only the other arena has, and that cannot be released. */
    cannot_release = true;
    assert_non_null(in_other_thread(use_other_arena, &size));
    own = must_alloc(7 * MIB);
    must_not_alloc(15 * MIB);
    void *block = alloc(4 * MIB);
    assert_non_null(block);
    heap_free(&heap, block);
    heap_free(&heap, own);
}

static pthread_t rival;
static sem_t rival_done;
static void *rival_block;

static void *ask_as_well(void *arg)
{
    (void)arg;
    arena_set_thread_number = 3;
    rival_block = heap_alloc(&heap, 6 * MIB, 0, false);
    sem_post(&rival_done);
    return NULL;
}

/* While this thread purges, another one finds no room either. It may wait for this thread. */
static void start_rival(void)
{
    struct timespec until;

    assert_int_equal(pthread_create(&rival, NULL, ask_as_well, NULL), 0);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += PATIENCE_NS;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    while (sem_timedwait(&rival_done, &until) != 0 && errno == EINTR)
        continue;
}

static void two_threads_that_are_short_both_get_room(void **state)
{
    void *separator = other_keeps_unused();

    (void)state;
    assert_int_equal(sem_init(&rival_done, 0, 0), 0);
    rival_block = NULL;
    /*
     * No block is in use, but little of the retained memory is in this thread's arena, or its
     * rival's.
     */
    during_purge = start_rival;
    void *block = alloc(6 * MIB);
    assert_null(during_purge);
    assert_int_equal(pthread_join(rival, NULL), 0);
    sem_destroy(&rival_done);
    assert_non_null(block);
    assert_non_null(rival_block);
    heap_free(&heap, block);
    heap_free(&heap, rival_block);
    heap_free(&heap, separator);
}

static bool off_during_purge;

static void look_whether_caches_are_off(void)
{
    off_during_purge = thread_caches_are_off(&heap.caches, THREAD_CACHES_STARVED);
}

/* Blocks that the search itself flushes must not count as frees, which would end it. */
static void caches_stay_off_during_the_search(void **state)
{
    void *large = must_alloc(8 * MIB);

    (void)state;
    heap_free(&heap, must_alloc(KIB));
    assert_true(thread_caches_bytes(&heap.caches) > 0);
    off_during_purge = false;
    during_purge = look_whether_caches_are_off;
    must_not_alloc(12 * MIB);
    assert_null(during_purge);
    assert_true(off_during_purge);
    heap_free(&heap, large);
    heap_free(&heap, must_alloc(12 * MIB));
}

static sem_t owner_is_busy;
static sem_t owner_may_go_on;

/* A thread that is interrupted between the two stores of its fast path. */
static void *be_interrupted(void *arg)
{
    void *block = heap_alloc(&heap, KIB, 0, false);

    (void)arg;
    if (block == NULL)
        return &heap;
    heap_free(&heap, block);
    struct thread_cache *cache = thread_own.caches[heap.caches.number];
    atomic_store(&cache->busy, true);
    sem_post(&owner_is_busy);
    while (sem_wait(&owner_may_go_on) != 0)
        continue;
    atomic_store(&cache->busy, false);
    return NULL;
}

static void search_is_not_repeated_where_there_is_other_memory(void **state)
{
    static void *blocks[MANY];
    size_t count = fill(64 * KIB, blocks, MANY);
    unsigned long retries = atomic_load(&heap.shortage.retries);

    (void)state;
    shortage_set_fallback(&heap.shortage, true);
    for (size_t round = 0; round < 2; round++) {
        /* The freed memory is too little. */
        heap_free(&heap, blocks[--count]);
        atomic_store(&heap.shortage.searched_at, LONG_MAX / 2);
        must_not_alloc(MIB);
        assert_int_equal(atomic_load(&heap.shortage.retries), retries);
        atomic_store(&heap.shortage.searched_at, 0);
        must_not_alloc(MIB);
        assert_int_equal(atomic_load(&heap.shortage.retries), ++retries);
        assert_true(atomic_load(&heap.shortage.searched_at) != 0);
    }
    shortage_set_fallback(&heap.shortage, false);
    heap_free(&heap, blocks[--count]);
    atomic_store(&heap.shortage.searched_at, LONG_MAX / 2);
    must_not_alloc(MIB);
    assert_int_equal(atomic_load(&heap.shortage.retries), retries + 1);
    for (size_t i = 0; i < count; i++)
        heap_free(&heap, blocks[i]);
}

/*
 * The owner's blocks are available once it continues, without a notification: a recorded failure
 * must expire.
 */
static void owner_that_does_not_let_go_leaves_no_refusal(void **state)
{
    void *large = must_alloc(8 * MIB);
    pthread_t owner;
    void *failed;

    (void)state;
    assert_int_equal(sem_init(&owner_is_busy, 0, 0), 0);
    assert_int_equal(sem_init(&owner_may_go_on, 0, 0), 0);
    assert_int_equal(pthread_create(&owner, NULL, be_interrupted, NULL), 0);
    while (sem_wait(&owner_is_busy) != 0)
        continue;
    must_not_alloc(12 * MIB);
    assert_false(refused());
    sem_post(&owner_may_go_on);
    assert_int_equal(pthread_join(owner, &failed), 0);
    assert_null(failed);
    must_not_alloc(12 * MIB);
    assert_true(refused());
    sem_destroy(&owner_is_busy);
    sem_destroy(&owner_may_go_on);
    heap_free(&heap, large);
}

static void shrinking_never_fails(void **state)
{
    static void *blocks[LIMIT / 1024 + 1];
    size_t count = fill(KIB, blocks, LIMIT / 1024 + 1);

    (void)state;
    /* Blocks of a size without any block cannot be allocated any more. */
    must_not_alloc(8);
    errno = SOME_ERRNO;
    assert_ptr_equal(heap_realloc(&heap, blocks[0], 8), blocks[0]);
    assert_int_equal(errno, SOME_ERRNO);
    while (count > 0)
        heap_free(&heap, blocks[--count]);
}

/* -- Moving ------------------------------------------------------------------------------------ */

/*
 * Allocates blocks and keeps one in `kept`, so that their slabs are nearly empty. Returns how many
 * stay, in blocks.
 */
static size_t fragment(size_t size, void **blocks, size_t count, size_t kept)
{
    size_t left = 0;

    for (size_t i = 0; i < count; i++) {
        if (i % kept != 0) {
            heap_free(&heap, blocks[i]);
            continue;
        }
        memset(blocks[i], (int)(left % 100), size);
        blocks[left++] = blocks[i];
    }
    return left;
}

static size_t move_all(size_t size, void **blocks, size_t count)
{
    size_t moved = 0;

    for (size_t i = 0; i < count; i++) {
        errno = SOME_ERRNO;
        void *block = heap_move(&heap, blocks[i]);
        assert_int_equal(errno, SOME_ERRNO);
        if (block != NULL) {
            moved++;
            blocks[i] = block;
        }
        assert_true(is_filled(blocks[i], size, (unsigned char)(i % 100)));
        assert_int_equal(address_map_owner(blocks[i]), OWNER);
    }
    return moved;
}

static void moving_gathers_blocks(void **state)
{
    static void *blocks[MANY];

    (void)state;
    for (size_t i = 0; i < MANY; i++)
        blocks[i] = must_alloc(512);
    size_t left = fragment(512, blocks, MANY, 7);
    release_record();
    size_t before = space_held(&space) - space.ahead;
    assert_true(move_all(512, blocks, left) > 0);
    release_record();
    assert_true(space_held(&space) - space.ahead < before / 2);
    while (left > 0)
        heap_free(&heap, blocks[--left]);
}

static void large_block_is_not_moved(void **state)
{
    void *block = must_alloc(MIB);

    (void)state;
    assert_null(heap_move(&heap, block));
    heap_free(&heap, block);
}

static void moving_ends_starvation(void **state)
{
    static void *blocks[LIMIT / 512 + 1];
    size_t count = fill(512, blocks, LIMIT / 512 + 1);

    (void)state;
    size_t left = fragment(512, blocks, count, 7);
    release_record();
    must_not_alloc(8 * MIB);
    assert_true(refused());
    assert_true(move_all(512, blocks, left) > 0);
    void *block = alloc(8 * MIB);
    assert_non_null(block);
    heap_free(&heap, block);
    while (left > 0)
        heap_free(&heap, blocks[--left]);
}

/* -- Policy and counters ----------------------------------------------------------------------- */

static void conservative_heap_gives_back_at_once(void **state)
{
    void *small;
    void *large;

    (void)state;
    assert_int_equal(heap_set_conservative(&heap, true), 0);
    large = must_alloc(MIB);
    assert_int_equal(space_held(&space), MIB);
    small = must_alloc(100);
    assert_true(space_held(&space) <= MIB + 64 * KIB);
    heap_free(&heap, large);
    assert_true(space_held(&space) <= 64 * KIB);
    heap_free(&heap, small);
    assert_int_equal(space_held(&space), 0);
    assert_int_equal(heap_set_conservative(&heap, false), 0);
    heap_free(&heap, must_alloc(MIB));
    assert_true(space_held(&space) > 0);
    arena_set_purge(&heap.arenas);
    assert_int_equal(space_held(&space), 0);
}

static void policy_that_cannot_be_set_is_an_error(void **state)
{
    (void)state;
    fault_set(&decay_fault, EFAULT, 1);
    assert_int_equal(heap_set_conservative(&heap, true), -EFAULT);
    assert_false(space.exact);
}

static void held_memory_is_never_given_back(void **state)
{
    void *block;

    (void)state;
    block = must_alloc(8 * MIB);
    heap_free(&heap, block);
    arena_set_purge(&heap.arenas);
    assert_true(space_held(&space) >= 8 * MIB);
    assert_int_equal(releases, 0);
    /* Retained memory is used again. */
    heap_free(&heap, must_alloc(8 * MIB));
    assert_true(space_held(&space) < 16 * MIB);
}

static void counters_count(void **state)
{
    struct jemalloc_stats stats;
    size_t size = 2 * MIB;
    void *other;
    void *block;

    (void)state;
    block = must_alloc(MIB);
    other = in_other_thread(alloc_in_other_arena, &size);
    assert_int_equal(jemalloc_ctl_update_stats(), 0);
    assert_int_equal(heap_stats_get(&heap, &stats), 0);
    assert_int_equal(stats.allocated, 3 * MIB);
    assert_int_equal(stats.active, 3 * MIB);
    assert_true(stats.resident >= stats.active);
    heap_free(&heap, block);
    heap_free(&heap, other);
    assert_int_equal(jemalloc_ctl_update_stats(), 0);
    assert_int_equal(heap_stats_get(&heap, &stats), 0);
    assert_int_equal(stats.allocated, 0);
    assert_int_equal(stats.active, 0);
    fault_set(&stats_fault, EFAULT, 1);
    assert_int_equal(heap_stats_get(&heap, &stats), -EFAULT);
    /* jemalloc's error for an arena that is younger than the counters. */
    fault_set(&stats_fault, ENOENT, 1);
    assert_int_equal(heap_stats_get(&heap, &stats), 0);
}

/* -- Life -------------------------------------------------------------------------------------- */

static void heap_that_cannot_be_made_leaves_nothing(void **state)
{
    unsigned mallocs = 0;

    (void)state;
    fault_set(&create_fault, EAGAIN, 1);
    assert_int_equal(heap_init(&heap, &space, NULL, SLOTS, false), -EAGAIN);
    fault_set(&decay_fault, EFAULT, 1);
    assert_int_equal(heap_init(&heap, &space, NULL, SLOTS, false), -EFAULT);
    assert_int_equal(arenas_alive, 0);
    /* Each call of malloc(3) fails in turn, until none is left. */
    for (;;) {
        fault_set(&malloc_fault, ENOMEM, 1);
        malloc_fault.skip = mallocs;
        int err = heap_init(&heap, &space, NULL, SLOTS, false);
        if (err == 0)
            break;
        assert_int_equal(err, -ENOMEM);
        assert_int_equal(arenas_alive, 0);
        mallocs++;
    }
    fault_set(&malloc_fault, 0, 0);
    assert_true(mallocs >= 2);
    heap_free(&heap, must_alloc(1));
    heap_destroy(&heap);
}

static size_t addresses(void)
{
    FILE *statm = fopen("/proc/self/statm", "re");
    size_t pages = 0;

    assert_non_null(statm);
    assert_int_equal(fscanf(statm, "%zu", &pages), 1);
    fclose(statm);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Creates a heap with two arenas and some blocks in each, and destroys it. */
static void live(void)
{
    size_t size = 100;

    assert_int_equal(space_init(&space, &store, LIMIT, OWNER), 0);
    assert_int_equal(heap_init(&heap, &space, NULL, SLOTS, false), 0);
    must_alloc(MIB);
    must_alloc(100);
    arena_set_thread_number = 2;
    assert_non_null(alloc_in_other_arena(&size));
    arena_set_thread_number = 1;
    heap_destroy(&heap);
    space_fini(&space);
}

static void address_space_does_not_grow(void **state)
{
    (void)state;
    space_fini(&space);
    live();
    live();
    size_t before = addresses();
    counting = true;
    for (int i = 0; i < LIVES; i++)
        live();
    counting = false;
    assert_int_equal(mapped, 0);
    /* jemalloc's own tables of addresses are small, and kept. */
    assert_true(addresses() <= before + ADDRESSES_SLACK);
    assert_int_equal(space_init(&space, &store, LIMIT, OWNER), 0);
}

/* -- Memory from the caller's hooks ------------------------------------------------------------ */

static void *foreign_alloc(extent_hooks_t *hooks, void *addr, size_t size, size_t alignment,
                           bool *zero, bool *committed, unsigned arena)
{
    (void)hooks;
    (void)arena;
    if (addr != NULL)
        return NULL;
    size_t length = size + alignment;
    char *memory =
        __real_mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    *zero = true;
    *committed = true;
    return memory + (-(uintptr_t)memory & (alignment - 1));
}

static struct fault note_fault;

int __real_address_map_enter_mixed(const void *ptr);
int __wrap_address_map_enter_mixed(const void *ptr);

int __wrap_address_map_enter_mixed(const void *ptr)
{
    return fault_hits(&note_fault) ? -note_fault.error : __real_address_map_enter_mixed(ptr);
}

/*
 * Removes the mark of a block's granule, as if the block were the first one there, and frees the
 * block.
 */
static void forget_granule(void *block)
{
    char *base = (char *)block - ((uintptr_t)block & (ADDRESS_MAP_GRANULE - 1));

    heap_free(&heap, block);
    address_map_set(base, ADDRESS_MAP_GRANULE, ADDRESS_MAP_NONE);
}

static void heap_over_hooks_marks_its_addresses(void **state)
{
    static extent_hooks_t hooks = {.alloc = foreign_alloc};

    (void)state;
    assert_int_equal(heap_init(&heap, NULL, &hooks, 1, false), 0);
    void *block = must_alloc(MIB);
    assert_int_equal(address_map_owner(block), ADDRESS_MAP_MIXED);
    block = heap_realloc(&heap, block, 2 * MIB);
    assert_non_null(block);
    assert_int_equal(address_map_owner(block), ADDRESS_MAP_MIXED);
    assert_int_equal(heap_set_conservative(&heap, true), 0);
    heap_free(&heap, block);
    must_not_alloc(SIZE_MAX);
    fault_set(&note_fault, ENOMEM, FAULT_ALWAYS);
    while ((block = alloc(MIB)) != NULL)
        forget_granule(block);
    assert_true(note_fault.calls > 0);
    note_fault = (struct fault){0};
    heap_free(&heap, must_alloc(MIB));
    heap_destroy(&heap);
}

/* -- Threads ----------------------------------------------------------------------------------- */

struct worker {
    pthread_t thread;
    unsigned number;
    unsigned damaged;
};

#define WORKER_BLOCKS 64

static void *work(void *arg)
{
    struct worker *worker = arg;
    unsigned char *blocks[WORKER_BLOCKS] = {NULL};
    size_t sizes[WORKER_BLOCKS] = {0};
    unsigned seed = SEED + worker->number;
    unsigned char value = (unsigned char)worker->number;

    arena_set_thread_number = worker->number;
    for (int i = 0; i < ROUNDS; i++) {
        size_t at = (size_t)rand_r(&seed) % WORKER_BLOCKS;

        if (blocks[at] != NULL) {
            worker->damaged += !is_filled(blocks[at], sizes[at] < 64 ? sizes[at] : 64, value);
            worker->damaged += blocks[at][sizes[at] - 1] != value;
            heap_free(&heap, blocks[at]);
            blocks[at] = NULL;
            continue;
        }
        sizes[at] = 1 + (size_t)rand_r(&seed) % (rand_r(&seed) % 4 == 0 ? MIB : 4 * KIB);
        blocks[at] = heap_alloc(&heap, sizes[at], 0, false);
        if (blocks[at] != NULL) {
            memset(blocks[at], value, sizes[at] < 64 ? sizes[at] : 64);
            blocks[at][sizes[at] - 1] = value;
        }
        worker->damaged += space_held(&space) > LIMIT;
    }
    for (size_t i = 0; i < WORKER_BLOCKS; i++)
        if (blocks[i] != NULL)
            heap_free(&heap, blocks[i]);
    return NULL;
}

static void threads_at_the_limit_do_no_damage(void **state)
{
    struct worker workers[THREADS];

    (void)state;
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.number = i + 1};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        assert_int_equal(workers[i].damaged, 0);
    }
    release_record();
    assert_int_equal(space_held(&space), 0);
}

int main(void)
{
#define TEST(name)  cmocka_unit_test_setup_teardown(name, setup, teardown)
#define SPACE(name) cmocka_unit_test_setup_teardown(name, setup_space, teardown_space)
    const struct CMUnitTest tests[] = {
        TEST(blocks_have_their_size_and_owner),
        TEST(alignment_is_honoured),
        TEST(zero_is_zero),
        TEST(realloc_keeps_the_contents),
        TEST(realloc_that_fails_leaves_the_block),
        TEST(every_size_gets_an_answer),
        TEST(one_block_of_max_size_fits),
        TEST(what_can_never_fit_costs_no_search),
        TEST(what_can_never_fit_takes_no_addresses),
        TEST(pages_of_freed_blocks_are_given_back_first),
        TEST(other_arenas_are_asked),
        TEST(second_refusal_is_cheap),
        TEST(shrinking_ends_starvation),
        TEST(free_by_another_thread_ends_starvation),
        TEST(refusals_of_a_full_space_ask_no_arena),
        TEST(smaller_request_is_not_refused_for_a_larger_one),
        TEST(two_threads_that_are_short_both_get_room),
        TEST(caches_stay_off_during_the_search),
        TEST(search_is_not_repeated_where_there_is_other_memory),
        TEST(owner_that_does_not_let_go_leaves_no_refusal),
        TEST(shrinking_never_fails),
        TEST(moving_gathers_blocks),
        TEST(large_block_is_not_moved),
        TEST(moving_ends_starvation),
        TEST(conservative_heap_gives_back_at_once),
        TEST(policy_that_cannot_be_set_is_an_error),
        cmocka_unit_test_setup_teardown(held_memory_is_never_given_back, setup_hold, teardown),
        TEST(counters_count),
        SPACE(heap_that_cannot_be_made_leaves_nothing),
        SPACE(address_space_does_not_grow),
        SPACE(heap_over_hooks_marks_its_addresses),
        TEST(threads_at_the_limit_do_no_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
