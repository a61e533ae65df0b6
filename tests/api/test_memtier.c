/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of libmemtier(3): the ratio, the counts, and refused arguments. */
#include "api/fixture.h"

#include <pthread.h>

#include "memkind/internal/memkind_arena.h"
#include "memkind/internal/memkind_default.h"
#include "memkind_memtier.h"

#define BLOCKS  4000
#define THREADS 8

/* Creates a memory of two tiers with the shares 1 and `share`. */
static struct memtier_memory *memory_of(memtier_policy_t policy, memkind_t first, memkind_t second,
                                        unsigned share)
{
    struct memtier_builder *builder = memtier_builder_new(policy);

    assert_non_null(builder);
    assert_int_equal(memtier_builder_add_tier(builder, first, 1), 0);
    assert_int_equal(memtier_builder_add_tier(builder, second, share), 0);
    struct memtier_memory *memory = memtier_builder_construct_memtier_memory(builder);
    memtier_builder_delete(builder);
    assert_non_null(memory);
    return memory;
}

/*
 * Checks that the second kind holds `share` times the bytes of the first, within the threads'
 * slack.
 */
static void check_ratio(memkind_t first, memkind_t second, unsigned share, size_t slack)
{
    size_t low = memtier_kind_allocated_size(first);
    size_t high = memtier_kind_allocated_size(second);

    assert_in_range(high + share * slack, share * low, share * low + 2 * share * slack);
}

static size_t size_of(size_t i)
{
    return 8 + i * 37 % 3000;
}

/* -- Static ratio ------------------------------------------------------------------------------ */

static void test_ratio(void **state)
{
    memkind_t pmem = *state;
    struct memtier_memory *memory =
        memory_of(MEMTIER_POLICY_STATIC_RATIO, MEMKIND_REGULAR, pmem, 4);
    void *blocks[BLOCKS];
    size_t bytes = 0;

    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = memtier_malloc(memory, size_of(i));
        assert_non_null(blocks[i]);
        bytes += memtier_usable_size(blocks[i]);
        check_ratio(MEMKIND_REGULAR, pmem, 4, 8 * KIB);
    }
    assert_int_equal(
        memtier_kind_allocated_size(MEMKIND_REGULAR) + memtier_kind_allocated_size(pmem), bytes);
    for (size_t i = 0; i < BLOCKS; i++)
        memtier_free(blocks[i]);
    assert_int_equal(memtier_kind_allocated_size(MEMKIND_REGULAR), 0);
    assert_int_equal(memtier_kind_allocated_size(pmem), 0);
    memtier_delete_memtier_memory(memory);
}

/* After frees in one tier, allocations there restore the ratio. */
static void test_ratio_after_frees(void **state)
{
    memkind_t pmem = *state;
    struct memtier_memory *memory =
        memory_of(MEMTIER_POLICY_STATIC_RATIO, MEMKIND_REGULAR, pmem, 1);
    void *blocks[2 * BLOCKS] = {0};

    for (size_t i = 0; i < BLOCKS; i++)
        blocks[i] = memtier_malloc(memory, 512);
    for (size_t i = 0; i < BLOCKS; i++)
        if (memkind_detect_kind(blocks[i]) == pmem) {
            memtier_free(blocks[i]);
            blocks[i] = NULL;
        }
    for (size_t i = BLOCKS; i < 3 * BLOCKS / 2; i++) {
        blocks[i] = memtier_malloc(memory, 512);
        assert_ptr_equal(memkind_detect_kind(blocks[i]), pmem);
    }
    check_ratio(MEMKIND_REGULAR, pmem, 1, 8 * KIB);
    for (size_t i = 0; i < 2 * BLOCKS; i++)
        memtier_free(blocks[i]);
    memtier_delete_memtier_memory(memory);
}

static void test_share_of_zero(void **state)
{
    memkind_t pmem = *state;
    struct memtier_memory *memory =
        memory_of(MEMTIER_POLICY_STATIC_RATIO, MEMKIND_REGULAR, pmem, 0);

    for (size_t i = 0; i < BLOCKS; i++) {
        void *block = memtier_malloc(memory, size_of(i));

        assert_ptr_equal(memkind_detect_kind(block), MEMKIND_REGULAR);
        memtier_free(block);
    }
    memtier_delete_memtier_memory(memory);
}

/* More tiers than a thread caches sums of. */
static void test_many_tiers(void **state)
{
    enum { TIERS = 14 };
    struct memtier_builder *builder = memtier_builder_new(MEMTIER_POLICY_STATIC_RATIO);
    memkind_t kinds[TIERS];
    void *blocks[BLOCKS];

    (void)state;
    for (unsigned i = 0; i < TIERS; i++) {
        kinds[i] = fixture_pmem(0);
        assert_int_equal(memtier_builder_add_tier(builder, kinds[i], i + 1), 0);
    }
    struct memtier_memory *memory = memtier_builder_construct_memtier_memory(builder);
    memtier_builder_delete(builder);
    for (size_t i = 0; i < BLOCKS; i++)
        blocks[i] = memtier_malloc(memory, size_of(i));
    for (unsigned i = 1; i < TIERS; i++)
        check_ratio(kinds[0], kinds[i], i + 1, 8 * KIB);
    for (size_t i = 0; i < BLOCKS; i++)
        memtier_free(blocks[i]);
    memtier_delete_memtier_memory(memory);
    for (unsigned i = 0; i < TIERS; i++)
        fixture_destroy(kinds[i]);
}

/* A thread that alternates between more memories than it caches turns of. */
static void test_many_memories(void **state)
{
    enum { MEMORIES = 20 };
    memkind_t pmem = *state;
    struct memtier_memory *memories[MEMORIES];
    void *blocks[BLOCKS];

    for (size_t i = 0; i < MEMORIES; i++)
        memories[i] = memory_of(MEMTIER_POLICY_STATIC_RATIO, MEMKIND_REGULAR, pmem, 3);
    for (size_t i = 0; i < BLOCKS; i++)
        blocks[i] = memtier_malloc(memories[i % MEMORIES], size_of(i));
    check_ratio(MEMKIND_REGULAR, pmem, 3, 8 * KIB);
    for (size_t i = 0; i < BLOCKS; i++)
        memtier_free(blocks[i]);
    for (size_t i = 0; i < MEMORIES; i++)
        memtier_delete_memtier_memory(memories[i]);
}

/* -- Dynamic threshold ------------------------------------------------------------------------- */

static void test_threshold_follows_ratio(void **state)
{
    memkind_t pmem = *state;
    struct memtier_memory *memory =
        memory_of(MEMTIER_POLICY_DYNAMIC_THRESHOLD, MEMKIND_REGULAR, pmem, 4);
    static void *blocks[5 * BLOCKS];

    for (size_t i = 0; i < COUNT_OF(blocks); i++)
        blocks[i] = memtier_malloc(memory, 1 + i * 37 % 2000);
    size_t low = memtier_kind_allocated_size(MEMKIND_REGULAR);
    size_t high = memtier_kind_allocated_size(pmem);
    assert_in_range(high, 38 * low / 10, 42 * low / 10);
    for (size_t i = 0; i < COUNT_OF(blocks); i++)
        memtier_free(blocks[i]);
    memtier_delete_memtier_memory(memory);
}

/* Thresholds stay within the program's limits, also where the ratio cannot be reached. */
static void test_threshold_limits(void **state)
{
    memkind_t pmem = *state;
    struct memtier_builder *builder = memtier_builder_new(MEMTIER_POLICY_DYNAMIC_THRESHOLD);
    size_t value = 100, min = 50, max = 200;
    unsigned check_count = 1;
    float degree = 0.5f;

    memtier_builder_add_tier(builder, MEMKIND_REGULAR, 1);
    memtier_builder_add_tier(builder, pmem, 1000);
    assert_int_equal(memtier_ctl_set(builder, "policy.dynamic_threshold.thresholds[0].val", &value),
                     0);
    assert_int_equal(memtier_ctl_set(builder, "policy.dynamic_threshold.thresholds[0].min", &min),
                     0);
    assert_int_equal(memtier_ctl_set(builder, "policy.dynamic_threshold.thresholds[0].max", &max),
                     0);
    assert_int_equal(memtier_ctl_set(builder, "policy.dynamic_threshold.check_cnt", &check_count),
                     0);
    assert_int_equal(memtier_ctl_set(builder, "policy.dynamic_threshold.degree", &degree), 0);
    struct memtier_memory *memory = memtier_builder_construct_memtier_memory(builder);
    memtier_builder_delete(builder);
    void *kept[1000];
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        void *small = memtier_malloc(memory, min - 1);
        void *large = memtier_malloc(memory, max);

        assert_ptr_equal(memkind_detect_kind(small), MEMKIND_REGULAR);
        assert_ptr_equal(memkind_detect_kind(large), pmem);
        memtier_free(large);
        kept[i] = small;
    }
    void *block = memtier_malloc(memory, min);
    assert_ptr_equal(memkind_detect_kind(block), pmem);
    memtier_free(block);
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        memtier_free(kept[i]);
    memtier_delete_memtier_memory(memory);
}

/* -- Threads and processes --------------------------------------------------------------------- */

struct worker {
    struct memtier_memory *memory;
    void **blocks;
    pthread_t thread;
};

static void *allocate(void *argument)
{
    struct worker *worker = argument;

    for (size_t i = 0; i < BLOCKS; i++)
        worker->blocks[i] = memtier_malloc(worker->memory, size_of(i));
    return NULL;
}

static void *release(void *argument)
{
    struct worker *worker = argument;

    for (size_t i = 0; i < BLOCKS; i++)
        memtier_free(worker->blocks[i]);
    return NULL;
}

static void run(struct worker workers[THREADS], void *(*work)(void *))
{
    for (size_t t = 0; t < THREADS; t++)
        assert_int_equal(pthread_create(&workers[t].thread, NULL, work, &workers[t]), 0);
    for (size_t t = 0; t < THREADS; t++)
        assert_int_equal(pthread_join(workers[t].thread, NULL), 0);
}

/* Threads leave blocks behind that other threads free. The counts are exact at each step. */
static void test_threads(void **state)
{
    memkind_t pmem = *state;
    struct worker workers[THREADS];
    size_t bytes = 0;

    for (size_t t = 0; t < THREADS; t++) {
        workers[t].memory = memory_of(MEMTIER_POLICY_STATIC_RATIO, MEMKIND_REGULAR, pmem, 2);
        workers[t].blocks = calloc(BLOCKS, sizeof(void *));
        assert_non_null(workers[t].blocks);
    }
    run(workers, allocate);
    for (size_t t = 0; t < THREADS; t++)
        for (size_t i = 0; i < BLOCKS; i++)
            bytes += memtier_usable_size(workers[t].blocks[i]);
    assert_int_equal(
        memtier_kind_allocated_size(MEMKIND_REGULAR) + memtier_kind_allocated_size(pmem), bytes);
    check_ratio(MEMKIND_REGULAR, pmem, 2, THREADS * 8 * KIB);
    run(workers, release);
    assert_int_equal(memtier_kind_allocated_size(MEMKIND_REGULAR), 0);
    assert_int_equal(memtier_kind_allocated_size(pmem), 0);
    for (size_t t = 0; t < THREADS; t++) {
        memtier_delete_memtier_memory(workers[t].memory);
        free(workers[t].blocks);
    }
}

static pthread_key_t late_key;
static struct memtier_memory *late_memory;

/* Allocates and frees in each round of destructors. */
static void use_late(void *value)
{
    memtier_free(memtier_malloc(late_memory, 100));
    memtier_free(value);
    pthread_setspecific(late_key, memtier_malloc(late_memory, 200));
}

static void *end_late(void *argument)
{
    (void)argument;
    pthread_setspecific(late_key, memtier_malloc(late_memory, 200));
    return NULL;
}

static void test_late_destructors(void **state)
{
    enum { LIVES = 50 };
    memkind_t pmem = *state;

    /* The second tier has no share, so that all blocks are freed with the kind. */
    /* The thread sanitizer's state of a thread ends before the last destructors. */
    if (FIXTURE_TSAN)
        skip();
    late_memory = memory_of(MEMTIER_POLICY_STATIC_RATIO, pmem, MEMKIND_REGULAR, 0);
    assert_int_equal(pthread_key_create(&late_key, use_late), 0);
    for (int i = 0; i < LIVES; i++) {
        pthread_t thread;

        assert_int_equal(pthread_create(&thread, NULL, end_late, NULL), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    /* Each thread's last block is still counted after the thread has ended. */
    assert_int_equal(memtier_kind_allocated_size(MEMKIND_REGULAR) +
                         memtier_kind_allocated_size(pmem),
                     LIVES * 224);
    pthread_key_delete(late_key);
    memtier_delete_memtier_memory(late_memory);
}

static void test_child(void **state)
{
    memkind_t pmem = *state;
    struct memtier_memory *memory =
        memory_of(MEMTIER_POLICY_STATIC_RATIO, MEMKIND_REGULAR, pmem, 1);
    void *block = memtier_malloc(memory, 1000);
    size_t before =
        memtier_kind_allocated_size(MEMKIND_REGULAR) + memtier_kind_allocated_size(pmem);
    pid_t child = fork();

    if (child == 0) {
        for (size_t i = 0; i < BLOCKS; i++)
            memtier_free(memtier_malloc(memory, size_of(i)));
        _exit(memtier_kind_allocated_size(MEMKIND_REGULAR) + memtier_kind_allocated_size(pmem) !=
              before);
    }
    assert_int_equal(fixture_wait(child), 0);
    memtier_free(block);
    memtier_delete_memtier_memory(memory);
}

/* -- Kinds of the program's own ---------------------------------------------------------------- */

static unsigned own_calls;

static void *own_malloc(struct memkind *kind, size_t size)
{
    own_calls++;
    return memkind_arena_malloc(kind, size);
}

static void test_own_operations(void **state)
{
    struct memkind_ops ops = MEMKIND_REGULAR->ops[0];
    struct memkind kind = {0};

    (void)state;
    ops.create = memkind_arena_create;
    ops.destroy = memkind_arena_destroy;
    ops.malloc = own_malloc;
    assert_int_equal(memkind_arena_create(&kind, &ops, "own"), MEMKIND_SUCCESS);
    struct memtier_builder *builder = memtier_builder_new(MEMTIER_POLICY_STATIC_RATIO);
    assert_int_equal(memtier_builder_add_tier(builder, &kind, 1), 0);
    struct memtier_memory *memory = memtier_builder_construct_memtier_memory(builder);
    memtier_builder_delete(builder);
    own_calls = 0;
    for (unsigned i = 0; i < 100; i++)
        memtier_free(memtier_malloc(memory, 100));
    assert_int_equal(own_calls, 100);
    memtier_delete_memtier_memory(memory);
    assert_int_equal(memkind_arena_destroy(&kind), MEMKIND_SUCCESS);
}

/* -- Refusals ---------------------------------------------------------------------------------- */

static void test_wrong_arguments(void **state)
{
    struct memtier_builder *builder = memtier_builder_new(MEMTIER_POLICY_DYNAMIC_THRESHOLD);
    void *block = builder;
    size_t value = 1;

    (void)state;
    errno = 0;
    assert_null(memtier_builder_new(MEMTIER_POLICY_MAX_VALUE));
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_int_equal(memtier_builder_add_tier(builder, NULL, 1), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(memtier_builder_add_tier(builder, MEMKIND_REGULAR, 1), 0);
    assert_int_equal(memtier_builder_add_tier(builder, MEMKIND_REGULAR, 1), -1);
    assert_int_equal(errno, EEXIST);
    errno = 0;
    assert_null(memtier_builder_construct_memtier_memory(builder));
    assert_int_equal(errno, EINVAL);
    assert_int_equal(memtier_builder_add_tier(NULL, MEMKIND_REGULAR, 1), -1);
    assert_null(memtier_builder_construct_memtier_memory(NULL));
    assert_int_equal(memtier_ctl_set(NULL, "policy.dynamic_threshold.check_cnt", &value), -1);
    assert_int_equal(memtier_ctl_set(builder, NULL, &value), -1);
    assert_int_equal(memtier_ctl_set(builder, "policy.dynamic_threshold.check_cnt", NULL), -1);
    memtier_builder_delete(builder);
    memtier_builder_delete(NULL);
    memtier_delete_memtier_memory(NULL);
    assert_null(memtier_malloc(NULL, 1));
    assert_null(memtier_calloc(NULL, 1, 1));
    assert_null(memtier_realloc(NULL, NULL, 1));
    assert_int_equal(memtier_posix_memalign(NULL, &block, 8, 1), EINVAL);
    assert_null(memtier_kind_malloc(NULL, 1));
    assert_null(memtier_kind_calloc(NULL, 1, 1));
    assert_null(memtier_kind_realloc(NULL, NULL, 1));
    assert_int_equal(memtier_kind_posix_memalign(NULL, &block, 8, 1), EINVAL);
    assert_int_equal(memtier_kind_allocated_size(NULL), 0);
}

static void test_no_room(void **state)
{
    memkind_t small = fixture_pmem(MEMKIND_PMEM_MIN_SIZE);
    struct memtier_memory *memory =
        memory_of(MEMTIER_POLICY_STATIC_RATIO, MEMKIND_REGULAR, small, 1000);
    void *block = (void *)state;

    void *first = memtier_malloc(memory, 1);
    assert_ptr_equal(memkind_detect_kind(first), MEMKIND_REGULAR);
    errno = 0;
    assert_null(memtier_malloc(memory, 2 * MEMKIND_PMEM_MIN_SIZE));
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(memtier_posix_memalign(memory, &block, 64, 2 * MEMKIND_PMEM_MIN_SIZE), ENOMEM);
    assert_null(block);
    block = (void *)state;
    assert_int_equal(memtier_posix_memalign(memory, &block, 3, 100), EINVAL);
    assert_null(block);
    assert_int_equal(memtier_kind_allocated_size(small), 0);
    block = memtier_kind_malloc(small, 100);
    assert_null(memtier_kind_realloc(small, block, 2 * MEMKIND_PMEM_MIN_SIZE));
    assert_int_equal(memtier_kind_allocated_size(small), 112);
    memtier_kind_free(small, block);
    assert_int_equal(memtier_kind_allocated_size(small), 0);
    memtier_free(first);
    memtier_delete_memtier_memory(memory);
    fixture_destroy(small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST_ON_PMEM(test_ratio),
        FIXTURE_TEST_ON_PMEM(test_ratio_after_frees),
        FIXTURE_TEST_ON_PMEM(test_share_of_zero),
        FIXTURE_TEST(test_many_tiers),
        FIXTURE_TEST_ON_PMEM(test_many_memories),
        FIXTURE_TEST_ON_PMEM(test_threshold_follows_ratio),
        FIXTURE_TEST_ON_PMEM(test_threshold_limits),
        FIXTURE_TEST_ON_PMEM(test_threads),
        FIXTURE_TEST_ON_PMEM(test_late_destructors),
        FIXTURE_TEST_ON_PMEM(test_child),
        FIXTURE_TEST(test_own_operations),
        FIXTURE_TEST(test_wrong_arguments),
        FIXTURE_TEST(test_no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
