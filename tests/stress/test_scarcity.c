/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many threads and arenas in the smallest kind: each thread gets memory, and no free space is kept
 * from a block that would fit.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "stress/kinds.h"
#include "stress/parameters.h"
#include "stress/pattern.h"

#define THREADS          64
#define ARENAS           "256"
#define KIND_SIZE        ((size_t)MEMKIND_PMEM_MIN_SIZE)
#define SHARED_KIND_SIZE (64 * MIB) /* large enough for several arenas */
#define PAGE             ((size_t)4096)
#define FIVE_MIB         (5 * MIB)
#define SMALL_SIZE       100

/* Sizes that each thread holds at the same time as all others: together about half of the kind. */
static const size_t sizes[] = {8, 100, 1000, 10000, 100000};

#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

struct customer {
    pthread_t thread;
    memkind_t kind;
    pthread_barrier_t
        *together; /* before the first allocation, and when all threads hold their blocks */
    size_t served;
    size_t damaged;
};

static void *run_customer(void *argument)
{
    struct customer *customer = argument;
    char *blocks[SIZES];

    pthread_barrier_wait(customer->together);
    for (size_t i = 0; i < SIZES; i++) {
        blocks[i] = memkind_malloc(customer->kind, sizes[i]);
        if (blocks[i] != NULL) {
            customer->served++;
            pattern_fill(blocks[i], sizes[i]);
        }
    }
    pthread_barrier_wait(customer->together);
    for (size_t i = 0; i < SIZES; i++) {
        if (blocks[i] == NULL)
            continue;
        customer->damaged += !pattern_holds(blocks[i], sizes[i], pattern_seed(blocks[i], sizes[i]));
        memkind_free(customer->kind, blocks[i]);
    }
    return NULL;
}

static void serve_all(memkind_t kind)
{
    struct customer customers[THREADS];
    pthread_barrier_t together;
    size_t starved = 0;

    assert_int_equal(pthread_barrier_init(&together, NULL, THREADS), 0);
    for (size_t i = 0; i < THREADS; i++) {
        customers[i] = (struct customer){.kind = kind, .together = &together};
        assert_int_equal(pthread_create(&customers[i].thread, NULL, run_customer, &customers[i]),
                         0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(customers[i].thread, NULL), 0);
        assert_int_equal(customers[i].damaged, 0);
        starved += customers[i].served != SIZES;
    }
    pthread_barrier_destroy(&together);
    if (starved != 0)
        fail_msg("%zu of %d threads were not served", starved, THREADS);
}

/*
 * Returns the size of the largest block that the kind can allocate, found by trying; 0: none.
 * Nothing stays allocated.
 */
static size_t largest_block(memkind_t kind)
{
    for (size_t size = KIND_SIZE; size != 0; size -= PAGE) {
        char *block = memkind_malloc(kind, size);

        if (block != NULL) {
            pattern_fill(block, size);
            assert_true(pattern_holds(block, size, pattern_seed(block, size)));
            memkind_free(kind, block);
            return size;
        }
        assert_int_equal(errno, ENOMEM);
    }
    return 0;
}

/* Sizes are rounded up to a class. Each doubling has four classes. */
static void check_largest(memkind_t kind, size_t room)
{
    size_t largest = largest_block(kind);

    printf("room for %zu bytes, largest block %zu\n", room, largest);
    assert_true(largest <= room);
    assert_true(largest >= room / 5 * 4);
    assert_int_equal(largest_block(kind), largest);
}

static void probe(memkind_t kind)
{
    char *large = memkind_malloc(kind, FIVE_MIB);
    char *middle = memkind_malloc(kind, MIB);
    char *small = memkind_malloc(kind, SMALL_SIZE);

    assert_non_null(large);
    assert_non_null(middle);
    assert_non_null(small);
    pattern_fill(large, FIVE_MIB);
    pattern_fill(small, SMALL_SIZE);
    check_largest(kind, KIND_SIZE - FIVE_MIB - MIB - PAGE);
    memkind_free(kind, middle);
    check_largest(kind, KIND_SIZE - FIVE_MIB - PAGE);
    assert_true(pattern_holds(large, FIVE_MIB, pattern_seed(large, FIVE_MIB)));
    assert_true(pattern_holds(small, SMALL_SIZE, pattern_seed(small, SMALL_SIZE)));
    memkind_free(kind, large);
    memkind_free(kind, small);
    assert_int_equal(largest_block(kind), KIND_SIZE);
}

static void check_scarcity(memkind_mem_usage_policy policy)
{
    size_t rounds = parameter("STRESS_ROUNDS", 50);
    memkind_t kind = make_kind(KIND_SIZE, policy);

    serve_all(kind);
    probe(kind);
    for (size_t i = 0; i < rounds; i++) {
        /* Leaves the whole kind unused, and perhaps dirty, in this thread's arena. */
        assert_int_equal(largest_block(kind), KIND_SIZE);
        serve_all(kind);
    }
    probe(kind);
    assert_int_equal(memkind_destroy_kind(kind), MEMKIND_SUCCESS);
}

/* -- All at once ------------------------------------------------------------------------------- */

struct claim {
    pthread_t thread;
    memkind_t kind;
    size_t size;
    pthread_barrier_t *together;
    bool refused;
};

static void *run_claim(void *argument)
{
    struct claim *claim = argument;

    pthread_barrier_wait(claim->together);
    char *block = memkind_malloc(claim->kind, claim->size);
    claim->refused = block == NULL;
    pthread_barrier_wait(claim->together);
    memkind_free(claim->kind, block);
    return NULL;
}

/* All threads allocate a block of this size at the same moment. Returns how many get NULL. */
static size_t claim_at_once(memkind_t kind, size_t threads, size_t size)
{
    struct claim claims[THREADS];
    pthread_barrier_t together;
    size_t refused = 0;

    assert_int_equal(pthread_barrier_init(&together, NULL, (unsigned)threads), 0);
    for (size_t i = 0; i < threads; i++) {
        claims[i] = (struct claim){.kind = kind, .size = size, .together = &together};
        assert_int_equal(pthread_create(&claims[i].thread, NULL, run_claim, &claims[i]), 0);
    }
    for (size_t i = 0; i < threads; i++) {
        assert_int_equal(pthread_join(claims[i].thread, NULL), 0);
        refused += claims[i].refused;
    }
    pthread_barrier_destroy(&together);
    return refused;
}

/*
 * Fills the kind with pages and frees them: the kind is empty, but this thread's arena keeps the
 * pages dirty.
 */
static void make_dirty(memkind_t kind)
{
    static void *pages[SHARED_KIND_SIZE / PAGE];
    size_t count = 0;

    while (count < SHARED_KIND_SIZE / PAGE && (pages[count] = memkind_malloc(kind, PAGE)) != NULL)
        count++;
    assert_true(count > SHARED_KIND_SIZE / PAGE / 2);
    while (count > 0)
        memkind_free(kind, pages[--count]);
}

static void check_at_once(size_t threads, size_t size)
{
    size_t rounds = parameter("STRESS_ROUNDS", 50);
    memkind_t kind = make_kind(SHARED_KIND_SIZE, MEMKIND_MEM_USAGE_POLICY_DEFAULT);

    for (size_t i = 0; i < rounds; i++) {
        make_dirty(kind);
        size_t refused = claim_at_once(kind, threads, size);
        if (refused != 0)
            fail_msg("round %zu: %zu of %zu threads are refused %zu bytes of an empty kind of %zu",
                     i, refused, threads, size, SHARED_KIND_SIZE);
    }
    assert_int_equal(memkind_destroy_kind(kind), MEMKIND_SUCCESS);
}

static void test_large_blocks_at_once(void **state)
{
    (void)state;
    check_at_once(THREADS / 8, 4 * MIB);
}

static void test_small_blocks_at_once(void **state)
{
    (void)state;
    check_at_once(THREADS, 4 * PAGE);
}

static void test_default_policy(void **state)
{
    (void)state;
    check_scarcity(MEMKIND_MEM_USAGE_POLICY_DEFAULT);
}

static void test_conservative_policy(void **state)
{
    (void)state;
    check_scarcity(MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_policy),
        cmocka_unit_test(test_conservative_policy),
        cmocka_unit_test(test_large_blocks_at_once),
        cmocka_unit_test(test_small_blocks_at_once),
    };

    setenv("MEMKIND_ARENA_NUM_PER_KIND", ARENAS, 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
