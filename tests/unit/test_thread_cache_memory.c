/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the caches' own memory: it is used again, and blocks go between program and heap where
 * there is none, no key, no destructor, or no membarrier(2).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "heap/size_class.h"
#include "heap/thread_caches.h"
#include "os/mapping_cache.h"
#include "support/faults.h"
#include "support/thread_cache_fixture.h"

/* pieces of a kind that are kept for later threads */
#define SPARES        ((size_t)MAPPING_CACHE_PIECES)
#define SCENARIO_SIZE 64

/* -- Fresh processes --------------------------------------------------------------------------- */

/* Runs the scenario of that name, see main(), in a new program: a fork would inherit state. */
static void in_new_process(const char *scenario)
{
    char program[] = "test_thread_cache_memory";
    char name[SCENARIO_SIZE];
    char *argv[] = {program, name, NULL};
    int status;
    pid_t pid;

    snprintf(name, sizeof(name), "%s", scenario);
    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, EXIT_SUCCESS);
}

static void fail_to_make_key(void)
{
    fault_set(&key_fault, EAGAIN, 1);
    CHECK(start(&heap) == -EAGAIN);
    CHECK(key_fault.calls == 1);
    fault_set(&key_fault, EAGAIN, 1);
    key_fault.skip = 3; /* twice jemalloc's, and the fork gate's */
    CHECK(start(&heap) == -EAGAIN);
    CHECK(key_fault.calls == 4);
    /* Until a key can be created. */
    CHECK(start(&heap) == 0);
}

static void key_that_cannot_be_made_is_an_error(void **state)
{
    (void)state;
    in_new_process("fail_to_make_key");
}

static void use_without_memory(void)
{
    unsigned c = size_class_of(BLOCK_SIZE);
    void *blocks[FEW];

    alloc_blocks(c, blocks, FEW);
    CHECK(heap.out == held_bytes);
    free_blocks(blocks, FEW);
    CHECK(heap.out == 0);
    CHECK(thread_caches_bytes(&caches) == 0);
    thread_caches_reclaim(&caches);
    CHECK(mmap_fault.calls > mmap_fault.skip);
}

static void run_out_of_memory(void)
{
    CHECK(start(&heap) == 0);
    long before = pieces; /* jemalloc's */
    /* Not even for the table. */
    fault_set(&mmap_fault, ENOMEM, FAULT_ALWAYS);
    use_without_memory();
    CHECK(pieces == before);
    /* For the table only. */
    fault_set(&mmap_fault, ENOMEM, FAULT_ALWAYS);
    mmap_fault.skip = 1;
    use_without_memory();
    CHECK(pieces == before + 1);
    /* Once there is memory, the thread gets a cache. */
    fault_set(&mmap_fault, 0, 0);
    free_block(alloc_block(size_class_of(BLOCK_SIZE)));
    CHECK(thread_caches_bytes(&caches) == heap.out && heap.out > 0);
}

static void without_memory_for_caches_blocks_go_straight(void **state)
{
    (void)state;
    in_new_process("run_out_of_memory");
}

static void have_no_membarrier(void)
{
    fault_set(&register_fault, ENOSYS, FAULT_ALWAYS);
    CHECK(start(&heap) == 0);
    CHECK(register_fault.calls > 0);
    reclaim_own_only();
}

static void kernel_without_membarrier_is_no_error(void **state)
{
    (void)state;
    in_new_process("have_no_membarrier");
}

static void heap_without_memory_for_a_transfer_cache_is_not_made(void **state)
{
    struct thread_caches none;

    (void)state;
    fault_set(&calloc_fault, ENOMEM, 1);
    assert_int_equal(thread_caches_init(&none, &next_heap.source, NUMBER + 1), -ENOMEM);
    assert_true(calloc_fault.calls > 0);
}

/* -- Memory of the caches ---------------------------------------------------------------------- */

static void thread_without_a_destructor_has_no_cache(void **state)
{
    struct handful handful = {.size_class = size_class_of(BLOCK_SIZE), .count = FEW};
    struct worker *worker = worker_start();

    (void)state;
    long before = pieces;
    fault_set(&specific_fault, ENOMEM, FAULT_ALWAYS);
    worker_do(worker, do_alloc, &handful);
    nothing_is_kept();
    worker_do(worker, do_free, &handful);
    assert_int_equal(heap.out, 0);
    assert_true(specific_fault.calls > 0);
    assert_true(pieces <= before);
    /* Later the thread may get one. */
    fault_set(&specific_fault, 0, 0);
    worker_caches(worker, &handful);
    nothing_is_lost();
    worker_end(worker);
    nothing_is_kept_by_ended_threads();
}

static void start_threads_with_caches(void)
{
    struct handful handful = {.size_class = size_class_of(BLOCK_SIZE), .count = 1};

    for (size_t i = 0; i < WORKERS_MOST; i++) {
        worker_caches(worker_start(), &handful);
    }
}

static void memory_of_ended_threads_is_used_again(void **state)
{
    (void)state;
    thread_caches_destroy(&caches);
    assert_int_equal(start(&heap), 0);
    free_block(alloc_block(size_class_of(BLOCK_SIZE)));
    for (int round = 0; round < 2; round++) {
        start_threads_with_caches();
        assert_true(pieces >= (long)(2 * WORKERS_MOST));
        long before = pieces;
        for (size_t i = 0; i < WORKERS_MOST; i++)
            worker_end(&workers[i]);
        /* Some of it is kept, and the rest is unmapped. */
        assert_int_equal(before - pieces, 2 * (WORKERS_MOST - SPARES) - OWNED_CACHE_PARKED);
        nothing_is_lost();
    }
}

static void memory_of_ended_heaps_is_used_again(void **state)
{
    (void)state;
    free_block(alloc_block(size_class_of(BLOCK_SIZE)));
    long before = pieces;
    for (size_t i = 0; i < 2 * SPARES; i++) {
        thread_caches_destroy(&caches);
        reset_pool();
        reset_heap(&heap);
        assert_int_equal(start(&heap), 0);
        free_block(alloc_block(size_class_of(BLOCK_SIZE)));
        nothing_is_lost();
    }
    assert_int_equal(pieces, before);
}

/* -- The program ------------------------------------------------------------------------------- */

static int run_scenario(const char *name)
{
    const struct {
        const char *name;
        void (*run)(void);
    } scenarios[] = {
        {"fail_to_make_key", fail_to_make_key},
        {"run_out_of_memory", run_out_of_memory},
        {"have_no_membarrier", have_no_membarrier},
    };

    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
        if (strcmp(name, scenarios[i].name) == 0) {
            reset();
            scenarios[i].run();
            return EXIT_SUCCESS;
        }
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return run_scenario(argv[1]);
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_that_cannot_be_made_is_an_error),
        cmocka_unit_test(without_memory_for_caches_blocks_go_straight),
        cmocka_unit_test(kernel_without_membarrier_is_no_error),
        TEST(heap_without_memory_for_a_transfer_cache_is_not_made),
        TEST(thread_without_a_destructor_has_no_cache),
        TEST(memory_of_ended_threads_is_used_again),
        TEST(memory_of_ended_heaps_is_used_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
