/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the transfer cache: no block is lost or handed out twice, stacks grow where threads need
 * that, and what lies there unused goes back.
 *
 * The heap is fake and records which blocks come back. Blocks are addresses in an array that is
 * never read.
 */
/* WRAP: malloc calloc */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "heap/block_source.h"
#include "heap/size_class.h"
#include "heap/transfer_cache.h"
#include "support/faults.h"

#define BLOCKS  1024 /* of the array: more than a stack holds */
#define BATCH   16
#define SMALL   1u /* the smallest class */
#define THREADS 4
#define MANY \
    (TRANSFER_CACHE_GROWTH * TRANSFER_CACHE_BLOCKS + BLOCKS) /* more than a stack can grow to */
#define GROWTH_LOG2 6
#define ROUNDS      20000

static unsigned flushed; /* blocks */
static struct transfer_cache *transfer_cache;
static char field[BLOCKS];
static atomic_uchar away[BLOCKS]; /* in the transfer cache, neither taken nor flushed */
static atomic_uint wrong;         /* blocks from where they were not */
static void (*during_flush)(void);
static struct fault malloc_fault;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
    return malloc_fault.times > 0 && fault_hits(&malloc_fault) ? NULL : __real_malloc(size);
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
    return malloc_fault.times > 0 && fault_hits(&malloc_fault) ? NULL : __real_calloc(count, size);
}

static void came_back(void *const *blocks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (atomic_exchange(&away[(char *)blocks[i] - field], 0) != 1)
            atomic_fetch_add(&wrong, 1);
}

static void flush(struct block_source *source, void *const *blocks, size_t count)
{
    void (*action)(void) = during_flush;

    (void)source;
    flushed += (unsigned)count;
    came_back(blocks, count);
    if (count != 0 && action != NULL) {
        during_flush = NULL;
        action();
    }
}

static struct block_source source = {.flush = flush};

/* -- Fixture ----------------------------------------------------------------------------------- */

static int setup(void **state)
{
    (void)state;
    flushed = 0;
    wrong = 0;
    during_flush = NULL;
    fault_set(&malloc_fault, 0, 0);
    memset(away, 0, sizeof(away));
    transfer_cache = size_class_init() == 0 ? transfer_cache_create() : NULL;
    return transfer_cache == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    unsigned before = flushed;

    (void)state;
    transfer_cache_destroy(transfer_cache);
    /* The contents of the transfer cache stay. */
    assert_int_equal(flushed, before);
    assert_int_equal(wrong, 0);
    return 0;
}

/*
 * Passes blocks [first, first + count) of the array to the transfer cache, which may accept fewer.
 */
static size_t give(unsigned size_class, size_t first, size_t count)
{
    void *blocks[BLOCKS] = {NULL};

    for (size_t i = 0; i < count; i++) {
        blocks[i] = &field[first + i];
        atomic_store(&away[first + i], 1);
    }
    size_t taken = transfer_cache_insert(transfer_cache, size_class, blocks, count);
    for (size_t i = taken; i < count; i++)
        atomic_store(&away[first + i], 0);
    return taken;
}

static size_t take(unsigned size_class, size_t wanted)
{
    void *blocks[BLOCKS];
    size_t count = transfer_cache_remove(transfer_cache, size_class, blocks, wanted);

    came_back(blocks, count);
    return count;
}

static size_t capacity(unsigned size_class)
{
    size_t blocks = TRANSFER_CACHE_BYTES / size_class_size(size_class);

    return blocks < TRANSFER_CACHE_BLOCKS ? blocks : TRANSFER_CACHE_BLOCKS;
}

/* -- Tests ------------------------------------------------------------------------------------- */

static void new_transfer_cache_is_empty(void **state)
{
    (void)state;
    for (unsigned c = 1; c <= size_class_count; c++)
        assert_int_equal(take(c, BATCH), 0);
    assert_int_equal(transfer_cache_bytes(transfer_cache), 0);
    transfer_cache_flush(transfer_cache, &source);
    assert_int_equal(flushed, 0);
}

static void what_is_given_can_be_taken(void **state)
{
    (void)state;
    assert_int_equal(give(SMALL, 0, 0), 0);
    assert_int_equal(give(SMALL, 0, BATCH), BATCH);
    assert_int_equal(give(SMALL, BATCH, BATCH), BATCH);
    /* Only as that class, and only as many as requested. */
    assert_int_equal(take(SMALL + 1, BATCH), 0);
    assert_int_equal(take(SMALL, 0), 0);
    assert_int_equal(take(SMALL, BATCH + 1), BATCH + 1);
    assert_int_equal(take(SMALL, BLOCKS), BATCH - 1);
    assert_int_equal(take(SMALL, 1), 0);
}

static void each_class_has_its_own_room(void **state)
{
    size_t bytes = 0;

    (void)state;
    for (unsigned c = 1; c <= size_class_count; c++) {
        /* The array is too small for all classes: only the counts are checked. */
        size_t room = capacity(c);
        assert_true(room > 0);
        assert_int_equal(give(c, 0, room - 1), room - 1);
        assert_int_equal(give(c, 0, BLOCKS - 1), 1);
        assert_int_equal(give(c, 0, 1), 0);
        bytes += room * size_class_size(c);
        assert_int_equal(transfer_cache_bytes(transfer_cache), bytes);
    }
    for (unsigned c = 1; c <= size_class_count; c++) {
        void *blocks[BLOCKS];

        assert_int_equal(transfer_cache_remove(transfer_cache, c, blocks, BLOCKS), capacity(c));
    }
    assert_int_equal(transfer_cache_bytes(transfer_cache), 0);
}

static void first_ones_are_put_in(void **state)
{
    const size_t room = capacity(SMALL);

    (void)state;
    assert_true(room + BATCH <= BLOCKS);
    assert_int_equal(give(SMALL, 0, room + BATCH), room);
    for (size_t i = 0; i < room; i++)
        assert_int_equal(away[i], 1);
    assert_int_equal(take(SMALL, BLOCKS), room);
    for (size_t i = 0; i < BLOCKS; i++)
        assert_int_equal(away[i], 0);
}

static void emptying_gives_all_to_the_heap(void **state)
{
    (void)state;
    give(SMALL, 0, BATCH);
    give(size_class_count, BATCH, 1);
    transfer_cache_flush(transfer_cache, &source);
    assert_int_equal(flushed, BATCH + 1);
    assert_int_equal(transfer_cache_bytes(transfer_cache), 0);
    assert_int_equal(take(SMALL, 1), 0);
    /* The transfer cache can be used as before. */
    assert_int_equal(give(SMALL, 0, BATCH), BATCH);
    assert_int_equal(take(SMALL, BATCH), BATCH);
}

static void unused_blocks_go_back_with_age(void **state)
{
    (void)state;
    give(SMALL, 0, BATCH);
    give(SMALL + 1, BATCH, BATCH);
    transfer_cache_flush_unused(transfer_cache, &source);
    assert_int_equal(flushed, 0);
    /* A class that is used stays, by either function. */
    assert_int_equal(take(SMALL, 1), 1);
    transfer_cache_flush_unused(transfer_cache, &source);
    assert_int_equal(flushed, BATCH);
    assert_int_equal(transfer_cache_bytes(transfer_cache), (BATCH - 1) * size_class_size(SMALL));
    give(SMALL, 2 * BATCH, 1);
    transfer_cache_flush_unused(transfer_cache, &source);
    assert_int_equal(flushed, BATCH);
    transfer_cache_flush_unused(transfer_cache, &source);
    assert_int_equal(flushed, 2 * BATCH);
    assert_int_equal(transfer_cache_bytes(transfer_cache), 0);
}

static size_t given_during_flush;

static void use_during_flush(void)
{
    given_during_flush = give(SMALL, BLOCKS - 1, 1);
}

/*
 * While the heap takes a class's blocks, other threads use the class, and blocks that they insert
 * stay.
 */
static void flush_keeps_nobody_out(void **state)
{
    (void)state;
    given_during_flush = 0;
    give(SMALL, 0, BATCH);
    during_flush = use_during_flush;
    transfer_cache_flush(transfer_cache, &source);
    assert_null(during_flush);
    assert_int_equal(given_during_flush, 1);
    assert_int_equal(flushed, BATCH);
    assert_int_equal(take(SMALL, BLOCKS), 1);
}

/* -- Growth ------------------------------------------------------------------------------------ */

/* Inserts and removes blocks of the smallest class. Returns how many were accepted. */
static size_t swing(size_t count)
{
    static void *many[MANY];
    size_t taken = 0;

    for (size_t i = 0; i < count; i += BATCH)
        taken += transfer_cache_insert(transfer_cache, SMALL, &many[i], BATCH);
    assert_int_equal(transfer_cache_bytes(transfer_cache), taken * size_class_size(SMALL));
    assert_int_equal(transfer_cache_remove(transfer_cache, SMALL, many, MANY), taken);
    return taken;
}

static void stack_that_is_too_small_both_ways_grows(void **state)
{
    size_t room = capacity(SMALL);

    (void)state;
    assert_int_equal(swing(MANY), room);
    /* Each round, a removal found too few. */
    for (int i = 0; i < GROWTH_LOG2; i++)
        assert_int_equal(swing(MANY), room *= 2);
    /* But only up to a limit. */
    assert_int_equal(swing(MANY), room);
}

static void stack_that_nobody_misses_does_not_grow(void **state)
{
    (void)state;
    give(SMALL, 0, BLOCKS);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(take(SMALL, BATCH), BATCH);
        assert_int_equal(give(SMALL, capacity(SMALL), 2 * BATCH), BATCH);
    }
    assert_int_equal(take(SMALL, BLOCKS), capacity(SMALL));
}

static void stack_stays_as_it_is_without_memory(void **state)
{
    (void)state;
    assert_int_equal(swing(MANY), capacity(SMALL));
    errno = 0;
    fault_set(&malloc_fault, ENOMEM, FAULT_ALWAYS);
    assert_int_equal(swing(MANY), capacity(SMALL));
    assert_true(malloc_fault.calls > 0);
    assert_int_equal(errno, 0);
    fault_set(&malloc_fault, 0, 0);
    assert_int_equal(swing(MANY), 2 * capacity(SMALL));
}

/* A grown stack keeps the blocks that threads reuse, and no more. */
static void surplus_of_a_grown_stack_goes_back_with_age(void **state)
{
    (void)state;
    swing(MANY);
    swing(MANY);
    give(SMALL, 0, BLOCKS);
    transfer_cache_flush_unused(transfer_cache, &source);
    assert_int_equal(flushed, 0);
    assert_int_equal(take(SMALL, BATCH), BATCH);
    transfer_cache_flush_unused(transfer_cache, &source);
    assert_int_equal(flushed, BLOCKS - BATCH);
    assert_int_equal(transfer_cache_bytes(transfer_cache), 0);
}

static void without_memory_there_is_none(void **state)
{
    (void)state;
    fault_set(&malloc_fault, ENOMEM, 1);
    assert_null(transfer_cache_create());
    assert_true(malloc_fault.calls > 0);
}

/* -- Threads ----------------------------------------------------------------------------------- */

static void *trade(void *arg)
{
    const size_t first = *(size_t *)arg * BATCH;
    void *blocks[BATCH];
    size_t count = BATCH;

    for (size_t i = 0; i < BATCH; i++)
        blocks[i] = &field[first + i];
    for (int i = 0; i < ROUNDS; i++) {
        for (size_t j = 0; j < count; j++)
            if (atomic_exchange(&away[(char *)blocks[j] - field], 1) != 0)
                atomic_fetch_add(&wrong, 1);
        size_t requested = transfer_cache_insert(transfer_cache, SMALL, blocks, count);
        /* The other blocks stay here. */
        came_back(blocks + requested, count - requested);
        memmove(blocks, blocks + requested, (count - requested) * sizeof(*blocks));
        count -= requested;
        size_t got = transfer_cache_remove(transfer_cache, SMALL, blocks + count, BATCH - count);
        came_back(blocks + count, got);
        count += got;
    }
    for (size_t j = 0; j < count; j++)
        atomic_store(&away[(char *)blocks[j] - field], 1);
    came_back(blocks, count);
    return (void *)count; /* the number that this thread has in the end */
}

static void threads_lose_no_block(void **state)
{
    pthread_t threads[THREADS];
    size_t numbers[THREADS];
    size_t held = 0;

    (void)state;
    for (size_t i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, trade, &numbers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        void *count;

        assert_int_equal(pthread_join(threads[i], &count), 0);
        held += (size_t)count;
    }
    assert_int_equal(held + take(SMALL, BLOCKS), THREADS * BATCH);
    for (size_t i = 0; i < BLOCKS; i++)
        assert_int_equal(away[i], 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(new_transfer_cache_is_empty),
        TEST(what_is_given_can_be_taken),
        TEST(each_class_has_its_own_room),
        TEST(first_ones_are_put_in),
        TEST(emptying_gives_all_to_the_heap),
        TEST(unused_blocks_go_back_with_age),
        TEST(flush_keeps_nobody_out),
        TEST(stack_that_is_too_small_both_ways_grows),
        TEST(stack_that_nobody_misses_does_not_grow),
        TEST(stack_stays_as_it_is_without_memory),
        TEST(surplus_of_a_grown_stack_goes_back_with_age),
        TEST(without_memory_there_is_none),
        TEST(threads_lose_no_block),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
