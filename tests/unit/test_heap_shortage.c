/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of heaps without room: NULL means that there is no room, after a single search for room,
 * and a refusal ends when any thread frees.
 */
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
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "heap/heap.h"
#include "space/space.h"
#include "support/heap_fixture.h"

#define ROUNDS        3000
#define THREADS       4
#define SEED          99u
#define PATIENCE_NS   300000000L /* for a thread to return; it may not return at all */
#define WORKER_BLOCKS 64

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

static void pages_of_freed_blocks_are_released_first(void **state)
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

static void other_arenas_are_purged(void **state)
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

static void refusals_of_a_full_space_call_no_arena(void **state)
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

static void *alloc_too(void *arg)
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

    assert_int_equal(pthread_create(&rival, NULL, alloc_too, NULL), 0);
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

static void record_whether_off(void)
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
    during_purge = record_whether_off;
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

/* -- Threads ----------------------------------------------------------------------------------- */

struct worker {
    pthread_t thread;
    unsigned number;
    unsigned damaged;
};

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
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(one_block_of_max_size_fits),
        TEST(what_can_never_fit_costs_no_search),
        TEST(what_can_never_fit_takes_no_addresses),
        TEST(pages_of_freed_blocks_are_released_first),
        TEST(other_arenas_are_purged),
        TEST(second_refusal_is_cheap),
        TEST(shrinking_ends_starvation),
        TEST(free_by_another_thread_ends_starvation),
        TEST(refusals_of_a_full_space_call_no_arena),
        TEST(smaller_request_is_not_refused_for_a_larger_one),
        TEST(two_threads_that_are_short_both_get_room),
        TEST(caches_stay_off_during_the_search),
        TEST(search_is_not_repeated_where_there_is_other_memory),
        TEST(owner_that_does_not_let_go_leaves_no_refusal),
        TEST(shrinking_never_fails),
        TEST(threads_at_the_limit_do_no_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
