/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of caches that are off, and of threads and heaps that end: no cache keeps blocks that it
 * must not keep, and a heap never gets blocks of the heap that had its number before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>

#include "heap/size_class.h"
#include "heap/thread_caches.h"
#include "support/thread_cache_fixture.h"
#include "util/late_key.h"

/* -- Caches that are off ----------------------------------------------------------------------- */

/* The heap is told without any lock held, so that it can check for unused memory. */
static void heap_is_told_what_it_gets_back(void **state)
{
    unsigned c = size_class_of(BLOCK_SIZE);
    void *blocks[CACHE_BIN_BLOCKS + 1];

    (void)state;
    alloc_blocks(c, blocks, CACHE_BIN_BLOCKS + 1);
    size_t before = atomic_load(&releases);
    free_blocks(blocks, CACHE_BIN_BLOCKS + 1);
    assert_true(atomic_load(&releases) > before);
    void *block = alloc_block(c);
    thread_caches_turn_off(&caches, THREAD_CACHES_POLICY);
    thread_caches_reclaim(&caches);
    before = atomic_load(&releases);
    free_block(block);
    assert_int_equal(atomic_load(&releases), before + size_class_size(c));
    thread_caches_turn_on(&caches, THREAD_CACHES_POLICY);
}

static void while_off_nothing_is_kept(void **state)
{
    const unsigned reasons[] = {THREAD_CACHES_POLICY, THREAD_CACHES_STARVED};
    unsigned c = size_class_of(BLOCK_SIZE);
    struct handful handful = {.size_class = c, .count = FEW};
    struct worker *worker = worker_start();

    (void)state;
    for (int i = 0; i < 2; i++) {
        worker_caches(worker, &handful);
        free_block(alloc_block(c));
        assert_false(thread_caches_are_off(&caches, reasons[i]));
        thread_caches_turn_off(&caches, reasons[i]);
        assert_true(thread_caches_are_off(&caches, reasons[i]));
        assert_false(thread_caches_are_off(&caches, reasons[1 - i]));
        /* Its contents stay until they are reclaimed. */
        assert_true(thread_caches_bytes(&caches) > 0);
        thread_caches_reclaim(&caches);
        nothing_is_kept();
        worker_do(worker, do_alloc, &handful);
        nothing_is_kept();
        worker_do(worker, do_free, &handful);
        nothing_is_kept();
        void *own = alloc_block(c);
        nothing_is_kept();
        free_block(own);
        assert_int_equal(heap.out, 0);
        thread_caches_turn_on(&caches, reasons[i]);
        worker_caches(worker, &handful);
        free_block(alloc_block(c));
        assert_true(own_count(c) > 0);
        nothing_is_lost();
    }
    worker_end(worker);
}

static void one_reason_is_enough(void **state)
{
    unsigned c = size_class_of(BLOCK_SIZE);

    (void)state;
    thread_caches_turn_off(&caches, THREAD_CACHES_POLICY);
    thread_caches_turn_off(&caches, THREAD_CACHES_STARVED);
    thread_caches_turn_on(&caches, THREAD_CACHES_STARVED);
    free_block(alloc_block(c));
    nothing_is_kept();
    thread_caches_turn_off(&caches, THREAD_CACHES_STARVED);
    thread_caches_turn_on(&caches, THREAD_CACHES_POLICY);
    free_block(alloc_block(c));
    nothing_is_kept();
    thread_caches_turn_on(&caches, THREAD_CACHES_STARVED);
    free_block(alloc_block(c));
    assert_true(thread_caches_bytes(&caches) > 0);
    nothing_is_lost();
}

static void thread_that_comes_while_off_has_a_cache_later(void **state)
{
    struct handful handful = {.size_class = size_class_of(BLOCK_SIZE), .count = FEW};
    struct worker *worker = worker_start();

    (void)state;
    thread_caches_turn_off(&caches, THREAD_CACHES_POLICY);
    worker_do(worker, do_alloc, &handful);
    worker_do(worker, do_free, &handful);
    assert_int_equal(heap.out, 0);
    thread_caches_turn_on(&caches, THREAD_CACHES_POLICY);
    worker_caches(worker, &handful);
    nothing_is_lost();
    worker_end(worker);
    nothing_is_kept_by_ended_threads();
}

/* -- Ends -------------------------------------------------------------------------------------- */

static void thread_leaves_its_blocks_to_others(void **state)
{
    struct handful handful = {.size_class = size_class_of(BLOCK_SIZE), .count = FEW};
    struct worker *worker = worker_start();
    struct worker *heir = worker_start();

    (void)state;
    worker_caches(worker, &handful);
    unsigned flushes = heap.flushes;
    worker_end(worker);
    assert_int_equal(heap.flushes, flushes);
    nothing_is_lost();
    unsigned refills = heap.refills;
    worker_do(heir, do_alloc, &handful);
    assert_int_equal(heap.refills, refills);
    worker_do(heir, do_free, &handful);
    worker_end(heir);
    nothing_is_kept_by_ended_threads();
}

static void thread_that_starts_gets_the_cache_of_one_that_has_ended(void **state)
{
    struct handful handful = {.size_class = size_class_of(BLOCK_SIZE), .count = FEW};

    (void)state;
    for (int round = 0; round < 2; round++) {
        struct worker *worker = worker_start();

        if (round != 0) {
            unsigned refills = heap.refills;
            long before = pieces;
            worker_do(worker, do_alloc, &handful);
            assert_int_equal(heap.refills, refills);
            assert_int_equal(pieces, before);
            worker_do(worker, do_free, &handful);
        } else {
            worker_caches(worker, &handful);
        }
        assert_int_equal(thread_caches_count(&caches), 1);
        worker_end(worker);
        assert_int_equal(thread_caches_count(&caches), 0);
        nothing_is_lost();
    }
    /* Its owner cannot be on the fast path. */
    fault_set(&barrier_fault, ENOSYS, FAULT_ALWAYS);
    nothing_is_kept_by_ended_threads();
}

/* The caches that are not parked have their blocks in the transfer cache. */
static void many_threads_that_end_leave_few_caches(void **state)
{
    struct handful handful = {.size_class = size_class_of(BLOCK_SIZE), .count = 1};
    struct worker *ended[2 * OWNED_CACHE_PARKED];
    unsigned count = sizeof(ended) / sizeof(ended[0]);

    (void)state;
    for (unsigned i = 0; i < count; i++) {
        ended[i] = worker_start();
        worker_caches(ended[i], &handful);
    }
    for (unsigned i = 0; i < count; i++)
        worker_end(ended[i]);
    assert_int_equal(caches.parked_count, OWNED_CACHE_PARKED);
    nothing_is_kept_by_ended_threads();
    thread_caches_destroy(&caches);
    reset_pool();
    reset_heap(&heap);
    assert_int_equal(start(&heap), 0);
    assert_int_equal(caches.parked_count, 0);
}

static void thread_that_ends_while_off_leaves_nothing(void **state)
{
    struct handful handful = {.size_class = size_class_of(BLOCK_SIZE), .count = FEW};
    struct worker *worker = worker_start();

    (void)state;
    worker_caches(worker, &handful);
    thread_caches_turn_off(&caches, THREAD_CACHES_POLICY);
    worker_end(worker);
    nothing_is_kept();
}

static pthread_key_t late_key;
static unsigned late_calls;

/* Called in each round of destructors. From the second on, the thread's caches have ended. */
static void use_late(void *block)
{
    late_calls++;
    if (late_calls == 1) {
        CHECK(__real_pthread_setspecific(late_key, block) == 0);
        return;
    }
    free_block(block);
    free_block(alloc_block(size_class_of(BLOCK_SIZE)));
}

static void do_prepare_late(void *arg)
{
    (void)arg;
    CHECK(__real_pthread_setspecific(late_key, alloc_block(size_class_of(BLOCK_SIZE))) == 0);
}

static void late_destructors_lose_nothing(void **state)
{
    struct worker *worker = worker_start();

    (void)state;
    late_calls = 0;
    assert_int_equal(pthread_key_create(&late_key, use_late), 0);
    worker_do(worker, do_prepare_late, NULL);
    worker_end(worker);
    assert_int_equal(pthread_key_delete(late_key), 0);
    assert_int_equal(late_calls, 2);
    assert_int_equal(held_bytes, 0);
    nothing_is_kept_by_ended_threads();
}

#define KEYS_BEFORE 64 /* more than come before the key of the caches */

/* The thread sanitizer ends its state of a thread in the last round. */
#ifdef __SANITIZE_THREAD__
#    define LAST_ROUND (PTHREAD_DESTRUCTOR_ITERATIONS - 1)
#else
#    define LAST_ROUND PTHREAD_DESTRUCTOR_ITERATIONS
#endif

static unsigned far_calls;
static pthread_key_t far_key;

/* Runs after the end of the caches in each round, and uses them in the last one too. */
static void use_far(void *block)
{
    if (++far_calls < LAST_ROUND)
        CHECK(__real_pthread_setspecific(far_key, block) == 0);
    else
        free_block(block);
    free_block(alloc_block(size_class_of(BLOCK_SIZE)));
}

static void do_prepare_far(void *arg)
{
    (void)arg;
    CHECK(__real_pthread_setspecific(far_key, alloc_block(size_class_of(BLOCK_SIZE))) == 0);
}

static void destructors_after_that_of_the_caches_lose_nothing(void **state)
{
    struct worker *worker = worker_start();
    pthread_key_t keys[KEYS_BEFORE];

    (void)state;
    far_calls = 0;
    for (size_t i = 0; i < KEYS_BEFORE; i++)
        assert_int_equal(pthread_key_create(&keys[i], NULL), 0);
    assert_int_equal(pthread_key_create(&far_key, use_far), 0);
    worker_do(worker, do_prepare_far, NULL);
    worker_end(worker);
    assert_int_equal(far_calls, LAST_ROUND);
    assert_int_equal(thread_caches_count(&caches), 0);
    nothing_is_kept_by_ended_threads();
    assert_int_equal(pthread_key_delete(far_key), 0);
    for (size_t i = 0; i < KEYS_BEFORE; i++)
        assert_int_equal(pthread_key_delete(keys[i]), 0);
}

static void do_alloc_of_next(void *arg)
{
    struct handful *handful = arg;

    do_alloc(handful);
    for (size_t i = 0; i < handful->count; i++)
        CHECK(info_of(handful->blocks[i])->out_of == &next_heap);
}

/* Threads have caches of a heap that has ended. One of them uses its successor, one does not. */
static void cache_of_an_ended_heap_never_reaches_the_next(void **state)
{
    unsigned c = size_class_of(BLOCK_SIZE);
    struct handful handfuls[2] = {{.size_class = c, .count = FEW}, {.size_class = c, .count = FEW}};
    struct worker *pair[2] = {worker_start(), worker_start()};

    (void)state;
    for (int i = 0; i < 2; i++) {
        worker_caches(pair[i], &handfuls[i]);
    }
    free_block(alloc_block(c));
    unsigned flushes = heap.flushes;
    thread_caches_destroy(&caches);
    assert_int_equal(heap.flushes, flushes);
    reset_pool();
    assert_int_equal(start(&next_heap), 0);
    assert_int_equal(thread_caches_bytes(&caches), 0);
    worker_do(pair[0], do_alloc_of_next, &handfuls[0]);
    worker_do(pair[0], do_free, &handfuls[0]);
    assert_int_equal(thread_caches_bytes(&caches), next_heap.out);
    thread_caches_reclaim(&caches);
    assert_int_equal(next_heap.out, 0);
    void *own = alloc_block(c);
    assert_ptr_equal(info_of(own)->out_of, &next_heap);
    free_block(own);
    for (int i = 0; i < 2; i++)
        worker_end(pair[i]);
    assert_int_equal(thread_caches_bytes(&caches), next_heap.out);
    assert_int_equal(heap.flushes, flushes);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(heap_is_told_what_it_gets_back),
        TEST(while_off_nothing_is_kept),
        TEST(one_reason_is_enough),
        TEST(thread_that_comes_while_off_has_a_cache_later),
        TEST(thread_leaves_its_blocks_to_others),
        TEST(thread_that_starts_gets_the_cache_of_one_that_has_ended),
        TEST(many_threads_that_end_leave_few_caches),
        TEST(thread_that_ends_while_off_leaves_nothing),
        TEST(late_destructors_lose_nothing),
        TEST(destructors_after_that_of_the_caches_lose_nothing),
        TEST(cache_of_an_ended_heap_never_reaches_the_next),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
