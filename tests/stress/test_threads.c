/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads that share one kind: blocks of 8 bytes to 3 MB, each freed by any thread.
 *
 * Threads exchange blocks in slots. A thread allocates a block, fills it with the pattern of its
 * address and size, and exchanges it for the block in a random slot. It then checks the block that
 * it got, and frees it, or resizes it and puts it into the next slot. A slot's lock guards the slot
 * alone: the contents of a block belong to the thread that holds the block.
 *
 * The third test does the same in a kind that is too small, where requests often fail.
 *
 * STRESS_SECONDS (6, for the three tests together), STRESS_THREADS (10), STRESS_SLOTS (1,000),
 * STRESS_SEED (1).
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "stress/kinds.h"
#include "stress/parameters.h"
#include "stress/pattern.h"

#define SMALLEST        ((size_t)8)
#define LARGEST         ((size_t)3 << 20)
#define SMALL_KIND      (64 * MIB)
#define DOUBLINGS       19 /* doublings from the smallest size to beyond the largest */
#define ALIGNMENT_LOG2  5  /* alignments from 32 bytes ... */
#define ALIGNMENT_COUNT 13 /* ... to 128 KiB */
#define SEED_DISTANCE   UINT64_C(0x100000001)

struct block {
    char *address; /* NULL: none */
    size_t size;
};

struct slot {
    pthread_mutex_t lock;
    struct block block; /* guarded by lock */
};

struct work {
    memkind_t kind;
    struct slot *slots;
    size_t slot_count;
    bool may_refuse; /* true: the kind is too small for all, and may return NULL */
    atomic_bool stop;
    atomic_bool failed;
    atomic_size_t operations;
};

struct worker {
    pthread_t thread;
    struct work *work;
    uint64_t random;
};

static void complain(struct work *work, const char *what, const struct block *block)
{
    fprintf(stderr, "%s: block of %zu bytes at %p\n", what, block->size, (void *)block->address);
    atomic_store(&work->failed, true);
    atomic_store(&work->stop, true);
}

/* All doublings of the size are equally likely. */
static size_t random_size(struct worker *worker)
{
    size_t size;

    do {
        size_t least = SMALLEST << pattern_random(&worker->random) % DOUBLINGS;
        size = least + pattern_random(&worker->random) % least;
    } while (size > LARGEST);
    return size;
}

static bool is_zero(const char *bytes, size_t size)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

static void make_aligned(struct worker *worker, struct block *block)
{
    size_t alignment =
        (size_t)1 << (ALIGNMENT_LOG2 + pattern_random(&worker->random) % ALIGNMENT_COUNT);
    void *address = NULL;

    if (memkind_posix_memalign(worker->work->kind, &address, alignment, block->size) != 0)
        address = NULL;
    block->address = address;
    if ((uintptr_t)address % alignment != 0)
        complain(worker->work, "not aligned", block);
}

static struct block make_block(struct worker *worker)
{
    struct work *work = worker->work;
    struct block block = {.size = random_size(worker)};

    switch (pattern_random(&worker->random) % 8) {
    case 0:
        block.address = memkind_calloc(work->kind, 1, block.size);
        if (block.address != NULL && !is_zero(block.address, block.size))
            complain(work, "not zero", &block);
        break;
    case 1:
        make_aligned(worker, &block);
        break;
    default:
        block.address = memkind_malloc(work->kind, block.size);
    }
    if (block.address != NULL)
        pattern_fill(block.address, block.size);
    else if (!work->may_refuse)
        complain(work, "no space", &block);
    return block;
}

static void check(struct work *work, const struct block *block)
{
    if (!pattern_holds(block->address, block->size, pattern_seed(block->address, block->size)))
        complain(work, "overwritten", block);
}

static void resize(struct worker *worker, struct block *block)
{
    struct work *work = worker->work;
    uint64_t seed = pattern_seed(block->address, block->size);
    struct block resized = {.size = random_size(worker)};

    resized.address = memkind_realloc(work->kind, block->address, resized.size);
    if (resized.address == NULL) {
        check(work, block);
        if (!work->may_refuse)
            complain(work, "no space to resize to", &resized);
        return;
    }
    size_t kept = resized.size < block->size ? resized.size : block->size;
    if (!pattern_holds(resized.address, kept, seed))
        complain(work, "lost by realloc", &resized);
    pattern_fill(resized.address, resized.size);
    *block = resized;
}

static struct block transfer_cache(struct work *work, size_t at, struct block block)
{
    struct slot *slot = &work->slots[at % work->slot_count];

    pthread_mutex_lock(&slot->lock);
    struct block found = slot->block;
    slot->block = block;
    pthread_mutex_unlock(&slot->lock);
    return found;
}

static void free_block(struct work *work, const struct block *block)
{
    if (block->address == NULL)
        return;
    check(work, block);
    memkind_free(work->kind, block->address);
}

static void step(struct worker *worker)
{
    struct work *work = worker->work;
    size_t at = (size_t)pattern_random(&worker->random);
    struct block found = transfer_cache(work, at, make_block(worker));

    if (found.address != NULL && pattern_random(&worker->random) % 4 == 0) {
        check(work, &found);
        resize(worker, &found);
        found = transfer_cache(work, at + 1, found);
    }
    free_block(work, &found);
}

static void *run_worker(void *argument)
{
    struct worker *worker = argument;
    size_t operations = 0;

    for (; !atomic_load_explicit(&worker->work->stop, memory_order_relaxed); operations++)
        step(worker);
    atomic_fetch_add(&worker->work->operations, operations);
    return NULL;
}

static void sleep_seconds(struct work *work, double seconds)
{
    const struct timespec tenth = {.tv_nsec = 100000000};

    for (unsigned slept = 0; slept < seconds * 10 && !atomic_load(&work->stop); slept++)
        nanosleep(&tenth, NULL);
}

static void run_workers(struct work *work, double seconds)
{
    size_t count = parameter("STRESS_THREADS", 10);
    struct worker *workers = calloc(count, sizeof(*workers));

    assert_non_null(workers);
    for (size_t i = 0; i < count; i++) {
        workers[i].work = work;
        workers[i].random = (parameter("STRESS_SEED", 1) << 16 | i) * SEED_DISTANCE;
        assert_int_equal(pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]), 0);
    }
    sleep_seconds(work, seconds);
    atomic_store(&work->stop, true);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
    free(workers);
}

static void run(struct work *work, double seconds)
{
    work->slot_count = parameter("STRESS_SLOTS", 1000);
    work->slots = calloc(work->slot_count, sizeof(*work->slots));
    assert_non_null(work->slots);
    for (size_t i = 0; i < work->slot_count; i++)
        assert_int_equal(pthread_mutex_init(&work->slots[i].lock, NULL), 0);
    run_workers(work, seconds);
    for (size_t i = 0; i < work->slot_count; i++) {
        free_block(work, &work->slots[i].block);
        pthread_mutex_destroy(&work->slots[i].lock);
    }
    free(work->slots);
    printf("%zu operations\n", atomic_load(&work->operations));
    assert_false(atomic_load(&work->failed));
}

static void check_kind(size_t max_size, memkind_mem_usage_policy policy)
{
    struct work work = {.kind = make_kind(max_size, policy), .may_refuse = max_size != 0};
    size_t allocated = 1;

    run(&work, (double)parameter("STRESS_SECONDS", 6) / 3);
    assert_int_equal(memkind_update_cached_stats(), MEMKIND_SUCCESS);
    assert_int_equal(memkind_get_stat(work.kind, MEMKIND_STAT_TYPE_ALLOCATED, &allocated),
                     MEMKIND_SUCCESS);
    assert_int_equal(allocated, 0);
    if (max_size != 0) {
        char *block = memkind_malloc(work.kind, max_size);

        assert_non_null(block);
        memkind_free(work.kind, block);
    }
    assert_int_equal(memkind_destroy_kind(work.kind), MEMKIND_SUCCESS);
}

static void test_default_policy(void **state)
{
    (void)state;
    check_kind(0, MEMKIND_MEM_USAGE_POLICY_DEFAULT);
}

static void test_conservative_policy(void **state)
{
    (void)state;
    check_kind(0, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
}

static void test_small_kind(void **state)
{
    (void)state;
    check_kind(SMALL_KIND, MEMKIND_MEM_USAGE_POLICY_DEFAULT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_policy),
        cmocka_unit_test(test_conservative_policy),
        cmocka_unit_test(test_small_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
