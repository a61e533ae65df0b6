/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of caches that another thread empties: at a reclaim, and when a cache was idle for some
 * seconds. No block is lost, and none stays hidden.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "heap/size_class.h"
#include "heap/thread_caches.h"
#include "heap/transfer_cache.h"
#include "support/faults.h"
#include "support/thread_cache_fixture.h"

#define PATIENCE_NS   300000000L /* for a rival to return; it may not return at all */
#define NS_PER_SECOND 1000000000L

/* -- A thread that acts in the middle of a call of another ------------------------------------- */

static struct worker *rival;
static void (*rival_task)(void *arg);
static bool rival_is_back;

/* The rival may have to wait for the caller, which is assumed after a while. */
static void start_rival(void)
{
    struct timespec until;
    int err;

    worker_tell(rival, rival_task, NULL);
    __real_clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += PATIENCE_NS;
    until.tv_sec += until.tv_nsec / NS_PER_SECOND;
    until.tv_nsec %= NS_PER_SECOND;
    do
        err = sem_timedwait(&rival->done, &until);
    while (err != 0 && errno == EINTR);
    rival_is_back = err == 0;
}

static void finish_rival(void)
{
    if (!rival_is_back)
        wait_for(&rival->done);
    worker_end(rival);
}

static void do_reclaim(void *arg)
{
    (void)arg;
    thread_caches_reclaim(&caches);
}

static void do_starve(void *arg)
{
    (void)arg;
    thread_caches_turn_off(&caches, THREAD_CACHES_STARVED);
    thread_caches_reclaim(&caches);
}

static void prepare_rival(void (*task)(void *arg))
{
    rival_task = task;
    rival_is_back = true;
    rival = worker_start();
}

/* -- Reclaim ----------------------------------------------------------------------------------- */

static void reclaim_empties_all_caches_and_the_transfer_cache(void **state)
{
    unsigned c = size_class_of(BLOCK_SIZE);
    struct handful handfuls[2] = {{.size_class = c, .count = FEW},
                                  {.size_class = size_class_count, .count = 2}};
    struct worker *pair[2] = {worker_start(), worker_start()};
    void *blocks[CACHE_BIN_BLOCKS];

    (void)state;
    for (int i = 0; i < 2; i++) {
        worker_caches(pair[i], &handfuls[i]);
    }
    void *one_more = alloc_block(c);
    fill_bin(c, blocks);
    free_block(one_more);
    for (int i = 0; i < 2; i++)
        worker_caches(pair[i], &handfuls[i]);
    assert_true(transfer_cache_bytes(caches.transfer_cache) > 0);
    assert_true(own_count(c) > 0);
    nothing_is_lost();
    thread_caches_reclaim(&caches);
    assert_int_equal(heap.out, 0);
    assert_int_equal(thread_caches_bytes(&caches), 0);
    /* All caches work as before. */
    for (int i = 0; i < 2; i++) {
        worker_caches(pair[i], &handfuls[i]);
        worker_end(pair[i]);
    }
    free_block(alloc_block(c));
    assert_true(own_count(c) > 0);
    nothing_is_lost();
}

static void one_heap_is_reclaimed(void **state)
{
    struct thread_caches others;
    unsigned c = size_class_of(BLOCK_SIZE);

    (void)state;
    assert_int_equal(thread_caches_init(&others, &next_heap.source, NUMBER + 1), 0);
    void *block = thread_caches_alloc(&others, c);
    thread_caches_free(&others, c, block);
    free_block(alloc_block(c));
    size_t out = next_heap.out;
    assert_true(out > 0);
    thread_caches_reclaim(&caches);
    nothing_is_kept();
    assert_int_equal(next_heap.out, out);
    assert_int_equal(thread_caches_bytes(&others), out);
    assert_ptr_equal(thread_cache_pop(NUMBER + 1, c), block);
    thread_caches_destroy(&others);
}

static void do_open_slowly(void *arg)
{
    struct handful *handful = arg;
    void *block = handful->blocks[0];
    unsigned c = handful->size_class;

    CHECK(thread_cache_pop(NUMBER, c) == NULL);
    CHECK(!thread_cache_push(NUMBER, c, block));
    CHECK(!thread_cache_push(NUMBER, c, block));
    /* The slow path opens the fast one. */
    free_block(block);
    CHECK(thread_cache_pop(NUMBER, c) == block);
    CHECK(thread_cache_push(NUMBER, c, block));
}

static void emptied_cache_is_closed_until_the_slow_way(void **state)
{
    struct handful handful = {.size_class = size_class_of(BLOCK_SIZE), .count = FEW};
    struct worker *worker = worker_start();

    (void)state;
    worker_caches(worker, &handful);
    worker_do(worker, do_alloc, &handful);
    thread_caches_reclaim(&caches);
    worker_do(worker, do_open_slowly, &handful);
    nothing_is_lost();
    worker_end(worker);
}

static void membarrier_that_fails_spares_the_others(void **state)
{
    (void)state;
    fault_set(&barrier_fault, EPERM, FAULT_ALWAYS);
    reclaim_own_only();
    assert_true(barrier_fault.calls > 0);
}

static void do_be_busy(void *arg)
{
    atomic_store(&thread_own.caches[NUMBER]->busy, *(bool *)arg);
}

/* As an owner that is interrupted on its fast path for a long time. */
static void cache_in_use_is_left_alone(void **state)
{
    struct handful handful = {.size_class = size_class_of(BLOCK_SIZE), .count = FEW};
    struct worker *worker = worker_start();
    bool busy = true;

    (void)state;
    worker_caches(worker, &handful);
    worker_do(worker, do_be_busy, &busy);
    thread_caches_reclaim(&caches);
    assert_int_equal(out_of(&handful), handful.count);
    nothing_is_lost();
    busy = false;
    worker_do(worker, do_be_busy, &busy);
    thread_caches_reclaim(&caches);
    nothing_is_kept();
    worker_end(worker);
}

/* A bin that is emptied while its owner refills a large batch must not be overfilled. */
static void bin_emptied_during_a_refill_keeps_its_bounds(void **state)
{
    static void *blocks[MANY];
    unsigned c = size_class_of(BLOCK_SIZE);
    size_t count = 0;

    (void)state;
    while (heap.wanted < BATCH || own_count(c) != 0) {
        assert_true(count < MANY);
        blocks[count++] = alloc_block(c);
    }
    prepare_rival(do_reclaim);
    during_refill = start_rival;
    assert_true(count < MANY);
    blocks[count++] = alloc_block(c);
    assert_null(during_refill);
    finish_rival();
    nothing_is_lost();
    assert_true(own_count(c) <= cache_bin_capacity(own_bin(c)));
    free_blocks(blocks, count);
    assert_true(own_count(c) <= CACHE_BIN_BLOCKS);
    nothing_is_lost();
}

/*
 * Blocks that a thread has in its hands during another's reclaim must not end in the transfer
 * cache, where the reclaim has already searched.
 */
static void overflow_on_its_way_is_not_hidden_from_a_reclaim(void **state)
{
    unsigned c = size_class_of(BLOCK_SIZE);
    void *blocks[CACHE_BIN_BLOCKS];

    (void)state;
    void *one_more = alloc_block(c);
    fill_bin(c, blocks);
    prepare_rival(do_starve);
    during_insert = start_rival;
    free_block(one_more);
    assert_null(during_insert);
    finish_rival();
    nothing_is_kept();
}

static void refill_on_its_way_is_not_kept_when_off(void **state)
{
    unsigned c = size_class_of(BLOCK_SIZE);

    (void)state;
    prepare_rival(do_starve);
    during_refill = start_rival;
    assert_non_null(alloc_block(c));
    assert_null(during_refill);
    finish_rival();
    assert_int_equal(heap.out, size_class_size(c));
    nothing_is_kept();
}

/* A reclaim closes the worker's cache and cannot empty it. Then there is no space. */
static void own_blocks_are_found(struct worker *worker, struct handful *handful)
{
    thread_caches_turn_off(&caches, THREAD_CACHES_STARVED);
    thread_caches_reclaim(&caches);
    assert_int_equal(out_of(handful), handful->count);
    heap.room = 0;
    handful->blocks[0] = NULL;
    handful->count = 1;
    worker_do(worker, do_alloc, handful);
    assert_non_null(handful->blocks[0]);
    nothing_is_lost();
}

static void own_blocks_are_found_without_membarrier(void **state)
{
    struct handful handful = {.size_class = size_class_of(BLOCK_SIZE), .count = FEW};
    struct worker *worker = worker_start();

    (void)state;
    worker_caches(worker, &handful);
    fault_set(&barrier_fault, ENOSYS, FAULT_ALWAYS);
    own_blocks_are_found(worker, &handful);
    worker_end(worker);
}

/* -- Time -------------------------------------------------------------------------------------- */

/* Advances the clock by a second, and allocates and frees on the slow path. */
static void scan(void)
{
    unsigned c = size_class_count;
    unsigned aged = heap.aged;

    atomic_fetch_add(&seconds, 1);
    void *block = record_held(thread_caches_alloc(&caches, c), c);
    assert_int_equal(heap.aged, aged + 1);
    record_freed(block);
    thread_caches_free(&caches, c, block);
    /* Once a second is enough. */
    assert_int_equal(heap.aged, aged + 1);
}

static void idle_caches_are_emptied(void **state)
{
    unsigned c = size_class_of(BLOCK_SIZE);
    struct handful handfuls[2] = {{.size_class = c, .count = FEW}, {.size_class = c, .count = FEW}};
    struct handful one = {.size_class = c, .count = 1};
    struct worker *pair[2] = {worker_start(), worker_start()};

    (void)state;
    for (int i = 0; i < 2; i++) {
        worker_caches(pair[i], &handfuls[i]);
    }
    scan();
    assert_int_equal(out_of(&handfuls[0]), FEW);
    assert_int_equal(out_of(&handfuls[1]), FEW);
    /* One thread is active, the other is not. */
    worker_do(pair[1], do_alloc, &one);
    scan();
    assert_int_equal(out_of(&handfuls[0]), 0);
    assert_int_equal(out_of(&handfuls[1]), FEW);
    nothing_is_lost();
    worker_do(pair[1], do_free, &one);
    /* The idle thread can go on as before. */
    worker_caches(pair[0], &handfuls[0]);
    for (int i = 0; i < 2; i++)
        worker_end(pair[i]);
    nothing_is_lost();
}

static void unused_transfer_cache_is_emptied(void **state)
{
    unsigned c = size_class_of(BLOCK_SIZE);
    void *blocks[CACHE_BIN_BLOCKS];

    (void)state;
    void *one_more = alloc_block(c);
    fill_bin(c, blocks);
    free_block(one_more);
    size_t bytes = transfer_cache_bytes(caches.transfer_cache);
    scan();
    assert_int_equal(transfer_cache_bytes(caches.transfer_cache), bytes);
    scan();
    assert_int_equal(transfer_cache_bytes(caches.transfer_cache), 0);
    assert_false(is_out(blocks[0]));
    nothing_is_lost();
}

static void idle_caches_stay_without_membarrier(void **state)
{
    struct handful handful = {.size_class = size_class_of(BLOCK_SIZE), .count = FEW};
    struct worker *worker = worker_start();

    (void)state;
    worker_caches(worker, &handful);
    fault_set(&barrier_fault, EPERM, FAULT_ALWAYS);
    scan();
    scan();
    assert_true(barrier_fault.calls > 0);
    assert_int_equal(out_of(&handful), FEW);
    unsigned refills = heap.refills;
    worker_do(worker, do_alloc, &handful);
    assert_int_equal(heap.refills, refills);
    worker_do(worker, do_free, &handful);
    worker_end(worker);
}

static void fast_way_is_left_once_in_a_while(void **state)
{
    unsigned c = size_class_of(BLOCK_SIZE);
    unsigned pops = 0;

    (void)state;
    free_block(alloc_block(c));
    for (unsigned i = 0; i < 2 * THREAD_CACHES_MAINTAIN_POPS; i++)
        free_block(alloc_block(c));
    /* No time has passed. */
    assert_int_equal(heap.aged, 0);
    atomic_fetch_add(&seconds, 1);
    while (heap.aged == 0 && pops <= 2 * THREAD_CACHES_MAINTAIN_POPS) {
        free_block(alloc_block(c));
        pops++;
    }
    assert_int_equal(heap.aged, 1);
    assert_true(pops <= THREAD_CACHES_MAINTAIN_POPS + 1);
    nothing_is_lost();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(reclaim_empties_all_caches_and_the_transfer_cache),
        TEST(one_heap_is_reclaimed),
        TEST(emptied_cache_is_closed_until_the_slow_way),
        TEST(membarrier_that_fails_spares_the_others),
        TEST(cache_in_use_is_left_alone),
        TEST(bin_emptied_during_a_refill_keeps_its_bounds),
        TEST(overflow_on_its_way_is_not_hidden_from_a_reclaim),
        TEST(refill_on_its_way_is_not_kept_when_off),
        TEST(own_blocks_are_found_without_membarrier),
        TEST(idle_caches_are_emptied),
        TEST(unused_transfer_cache_is_emptied),
        TEST(idle_caches_stay_without_membarrier),
        TEST(fast_way_is_left_once_in_a_while),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
