/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the bins of a thread's cache: the order of blocks, the size of batches, the bounds of a
 * bin, and the way of blocks that a bin has no room for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "heap/size_class.h"
#include "heap/thread_caches.h"
#include "heap/transfer_cache.h"
#include "support/thread_cache_fixture.h"

static void newest_block_comes_again_first(void **state)
{
    unsigned c = size_class_of(BLOCK_SIZE);
    void *a = alloc_block(c);
    void *b = alloc_block(c);

    (void)state;
    free_block(a);
    free_block(b);
    unsigned refills = heap.refills;
    unsigned flushes = heap.flushes;
    assert_ptr_equal(alloc_block(c), b);
    assert_ptr_equal(alloc_block(c), a);
    assert_int_equal(heap.refills, refills);
    assert_int_equal(heap.flushes, flushes);
    nothing_is_lost();
}

static void classes_have_bins_of_their_own(void **state)
{
    void *blocks[SIZE_CLASS_LIMIT];

    (void)state;
    for (unsigned c = 1; c <= size_class_count; c++)
        assert_non_null(blocks[c] = alloc_block(c));
    for (unsigned c = 1; c <= size_class_count; c++)
        free_block(blocks[c]);
    nothing_is_lost();
    unsigned refills = heap.refills;
    for (unsigned c = size_class_count; c > 0; c--)
        assert_ptr_equal(alloc_block(c), blocks[c]);
    assert_int_equal(heap.refills, refills);
}

static void batches_grow_with_use(void **state)
{
    unsigned c = size_class_of(BLOCK_SIZE);
    size_t before = 0;
    size_t first = 0;

    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        unsigned refills = heap.refills;
        assert_non_null(alloc_block(c));
        if (heap.refills == refills)
            continue;
        if (first == 0)
            first = heap.wanted;
        assert_true(heap.wanted >= before);
        before = heap.wanted;
    }
    assert_in_range(first, 1, FEW);
    assert_int_equal(before, BATCH);
    nothing_is_lost();
}

static void empty_bin_is_filled_by_one_batch(void **state)
{
    unsigned c = size_class_of(BLOCK_SIZE);

    (void)state;
    for (size_t i = 0; i < 2 * MANY; i++) {
        assert_non_null(alloc_block(c));
        if (cache_bin_capacity(own_bin(c)) == CACHE_BIN_BLOCKS && own_count(c) == 0)
            break;
    }
    assert_int_equal(cache_bin_capacity(own_bin(c)), CACHE_BIN_BLOCKS);
    assert_int_equal(own_count(c), 0);
    assert_true(thread_caches_fill(&caches, c));
    assert_int_equal(heap.wanted, BATCH);
    assert_int_equal(own_count(c), BATCH);
    nothing_is_lost();
}

static size_t capacity(unsigned size_class)
{
    size_t blocks = CACHE_BIN_BYTES / size_class_size(size_class);

    return blocks < CACHE_BIN_BLOCKS ? blocks : CACHE_BIN_BLOCKS;
}

static void bins_are_bounded(void **state)
{
    static void *blocks[MANY];

    (void)state;
    for (unsigned c = 1; c <= size_class_count; c++) {
        alloc_blocks(c, blocks, MANY);
        assert_true(own_count(c) <= capacity(c) / 2);
        for (size_t i = 0; i < MANY; i++) {
            free_block(blocks[i]);
            assert_true(own_count(c) <= capacity(c));
        }
        nothing_is_lost();
        thread_caches_reclaim(&caches);
        nothing_is_kept();
    }
}

static void bin_that_runs_full_grows_first(void **state)
{
    unsigned c = size_class_of(BLOCK_SIZE);
    void *blocks[CACHE_BIN_BLOCKS];

    (void)state;
    alloc_blocks(c, blocks, CACHE_BIN_BLOCKS);
    /* A new cache begins small. */
    thread_caches_reclaim(&caches);
    assert_int_equal(own_count(c), 0);
    unsigned flushes = heap.flushes;
    free_blocks(blocks, CACHE_BIN_BLOCKS);
    assert_int_equal(own_count(c), CACHE_BIN_BLOCKS);
    assert_int_equal(heap.flushes, flushes);
    assert_int_equal(transfer_cache_bytes(caches.transfer_cache), 0);
}

static void oldest_batch_goes_to_the_transfer_cache(void **state)
{
    unsigned c = size_class_of(BLOCK_SIZE);
    void *blocks[CACHE_BIN_BLOCKS];
    struct handful handful = {.size_class = c, .count = BATCH};
    struct worker *worker = worker_start();

    (void)state;
    void *one_more = alloc_block(c);
    fill_bin(c, blocks);
    unsigned flushes = heap.flushes;
    free_block(one_more);
    assert_int_equal(own_count(c), CACHE_BIN_BLOCKS - BATCH + 1);
    assert_int_equal(transfer_cache_bytes(caches.transfer_cache), BATCH * size_class_size(c));
    assert_int_equal(heap.flushes, flushes);
    nothing_is_lost();
    /* Another thread finds them there before it calls the heap. */
    unsigned refills = heap.refills;
    worker_do(worker, do_alloc, &handful);
    assert_int_equal(heap.refills, refills);
    for (size_t i = 0; i < BATCH; i++)
        assert_true(info_of(blocks[i])->held);
    worker_do(worker, do_free, &handful);
    worker_end(worker);
}

static void what_the_transfer_cache_has_no_room_for_goes_to_the_heap(void **state)
{
    static void *blocks[2 * MANY];
    unsigned c = size_class_of(BLOCK_SIZE);

    (void)state;
    alloc_blocks(c, blocks, 2 * MANY);
    free_blocks(blocks, 2 * MANY);
    assert_int_equal(transfer_cache_bytes(caches.transfer_cache),
                     TRANSFER_CACHE_BLOCKS * size_class_size(c));
    assert_true(own_count(c) <= CACHE_BIN_BLOCKS);
    assert_int_equal(heap.out, (TRANSFER_CACHE_BLOCKS + own_count(c)) * size_class_size(c));
    nothing_is_lost();
}

/* A source that has more blocks than a bin holds. */
static void blocks_of_a_refill_beyond_the_bin_stay_in_the_transfer_cache(void **state)
{
    unsigned c = size_class_of(BLOCK_SIZE);
    void *blocks[FEW + MANY];

    (void)state;
    heap.more = MANY;
    alloc_blocks(c, blocks, 1);
    assert_true(own_count(c) <= capacity(c) / 2);
    assert_int_equal(heap.flushes, 0);
    nothing_is_lost();
    size_t got = heap.wanted;
    assert_true(got > own_count(c) + 1);
    alloc_blocks(c, blocks + 1, got - 1);
    assert_int_equal(heap.refills, 1);
    assert_int_equal(heap.out, held_bytes);
}

static void blocks_of_a_refill_for_which_there_is_no_room_go_back(void **state)
{
    unsigned c = size_class_count;
    void *block;

    (void)state;
    heap.more = MANY;
    alloc_blocks(c, &block, 1);
    assert_int_equal(heap.flushes, 1);
    nothing_is_lost();
    assert_true(thread_caches_bytes(&caches) <= CACHE_BIN_BYTES + TRANSFER_CACHE_BYTES);
}

static void turn_off(void)
{
    thread_caches_turn_off(&caches, THREAD_CACHES_POLICY);
    thread_caches_reclaim(&caches);
}

static void blocks_of_a_refill_stay_nowhere_when_caches_are_turned_off(void **state)
{
    unsigned c = size_class_of(BLOCK_SIZE);
    void *block;

    (void)state;
    heap.more = MANY;
    during_insert = turn_off;
    alloc_blocks(c, &block, 1);
    assert_null(during_insert);
    nothing_is_kept();
}

static void null_means_that_there_is_no_space(void **state)
{
    unsigned c = size_class_of(BLOCK_SIZE);
    void *blocks[FEW];

    (void)state;
    heap.room = FEW;
    alloc_blocks(c, blocks, FEW);
    assert_null(alloc_block(c));
    assert_null(alloc_block(c + 1));
    free_block(blocks[0]);
    assert_ptr_equal(alloc_block(c), blocks[0]);
    assert_null(alloc_block(c));
    nothing_is_kept();
}

static void heap_without_a_number_has_no_caches(void **state)
{
    struct thread_caches none;
    unsigned c = size_class_of(BLOCK_SIZE);

    (void)state;
    assert_int_equal(thread_caches_init(&none, &next_heap.source, 0), 0);
    for (size_t i = 0; i < FEW; i++) {
        assert_null(thread_cache_pop(0, c));
        void *block = thread_caches_alloc(&none, c);
        assert_non_null(block);
        assert_int_equal(next_heap.out, size_class_size(c));
        assert_false(thread_cache_push(0, c, block));
        thread_caches_free(&none, c, block);
        assert_int_equal(next_heap.out, 0);
    }
    thread_caches_reclaim(&none);
    assert_int_equal(thread_caches_bytes(&none), 0);
    thread_caches_destroy(&none);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(newest_block_comes_again_first),
        TEST(classes_have_bins_of_their_own),
        TEST(batches_grow_with_use),
        TEST(empty_bin_is_filled_by_one_batch),
        TEST(bins_are_bounded),
        TEST(bin_that_runs_full_grows_first),
        TEST(oldest_batch_goes_to_the_transfer_cache),
        TEST(what_the_transfer_cache_has_no_room_for_goes_to_the_heap),
        TEST(blocks_of_a_refill_beyond_the_bin_stay_in_the_transfer_cache),
        TEST(blocks_of_a_refill_for_which_there_is_no_room_go_back),
        TEST(blocks_of_a_refill_stay_nowhere_when_caches_are_turned_off),
        TEST(null_means_that_there_is_no_space),
        TEST(heap_without_a_number_has_no_caches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
