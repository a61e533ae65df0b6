/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of refills from arenas: whole slabs are taken where no slab is partly used, free blocks of
 * slabs come first, and single blocks serve where whole slabs cannot.
 */
/* WRAP: jemalloc_block_alloc_slabs jemk_mallctlbymib jemk_mallctlnametomib */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "heap/fork_gate.h"
#include "heap/heap.h"
#include "heap/jemalloc_block.h"
#include "heap/slab_refill.h"
#include "support/faults.h"
#include "support/heap_fixture.h"

#define BLOCKS  ((size_t)16384)
#define SIZE    ((size_t)64)
#define SLAB    (16 * KIB)
#define IN_SLAB (SLAB / SIZE)
#define BATCH   ((size_t)128)

/* -- jemalloc's controls ----------------------------------------------------------------------- */

static size_t in_slabs; /* blocks that came in whole slabs */
static struct fault call_fault;
static struct fault name_fault;
static void *blocks[BLOCKS];

size_t __real_jemalloc_block_alloc_slabs(unsigned arena, size_t size, void **slabs, size_t count);
size_t __wrap_jemalloc_block_alloc_slabs(unsigned arena, size_t size, void **slabs, size_t count);
int __real_jemk_mallctlbymib(const size_t *mib, size_t parts, void *old, size_t *old_size,
                             void *new, size_t new_size);
int __wrap_jemk_mallctlbymib(const size_t *mib, size_t parts, void *old, size_t *old_size,
                             void *new, size_t new_size);
int __real_jemk_mallctlnametomib(const char *name, size_t *mib, size_t *parts);
int __wrap_jemk_mallctlnametomib(const char *name, size_t *mib, size_t *parts);

size_t __wrap_jemalloc_block_alloc_slabs(unsigned arena, size_t size, void **slabs, size_t count)
{
    size_t done = __real_jemalloc_block_alloc_slabs(arena, size, slabs, count);

    in_slabs += done;
    return done;
}

/* mallctl(3) returns its error, and leaves errno alone. */
static bool is_hit(struct fault *fault)
{
    int saved_errno = errno;
    bool hit = fault_hits_if_set(fault);

    errno = saved_errno;
    return hit;
}

int __wrap_jemk_mallctlbymib(const size_t *mib, size_t parts, void *old, size_t *old_size,
                             void *new, size_t new_size)
{
    return is_hit(&call_fault) ? call_fault.error
                               : __real_jemk_mallctlbymib(mib, parts, old, old_size, new, new_size);
}

int __wrap_jemk_mallctlnametomib(const char *name, size_t *mib, size_t *parts)
{
    return is_hit(&name_fault) ? name_fault.error : __real_jemk_mallctlnametomib(name, mib, parts);
}

/* -- Set-up ------------------------------------------------------------------------------------ */

static int setup_refills(void **state)
{
    call_fault = name_fault = (struct fault){0};
    in_slabs = 0;
    return setup(state);
}

/* -- The tests --------------------------------------------------------------------------------- */

/* Allocates the blocks, and checks that each is one of the heap. */
static void alloc_blocks(size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        blocks[i] = must_alloc(SIZE);
        assert_int_equal(address_map_owner(blocks[i]), OWNER);
        assert_int_equal(heap_usable_size(blocks[i]), SIZE);
        *(void **)blocks[i] = &blocks[i];
    }
}

/* No two blocks overlap: each has what was written to it. */
static void check_blocks(size_t first, size_t end)
{
    for (size_t i = first; i < end; i++)
        assert_ptr_equal(*(void **)blocks[i], &blocks[i]);
}

static void whole_slabs_serve_a_program_that_frees_nothing(void **state)
{
    (void)state;
    alloc_blocks(0, BLOCKS);
    check_blocks(0, BLOCKS);
    assert_true(in_slabs >= BLOCKS - 4 * IN_SLAB);
    assert_true(arena_set_active_bytes(&heap.arenas) <= BLOCKS * SIZE + 4 * SLAB);
}

static void slabs_that_are_freed_are_released(void **state)
{
    (void)state;
    alloc_blocks(0, BLOCKS);
    for (size_t i = 0; i < BLOCKS; i++)
        heap_free(&heap, blocks[i]);
    release_record();
    assert_int_equal(arena_set_active_bytes(&heap.arenas), 0);
    assert_int_equal(space_held(&space), 0);
}

/* Gives every second block back to the arena; the bins stay large. */
static void flush_every_second(void)
{
    void *batch[BATCH];

    for (size_t i = 0; i < BLOCKS; i += 2 * BATCH) {
        for (size_t k = 0; k < BATCH; k++)
            batch[k] = blocks[i + 2 * k];
        heap.source.flush(&heap.source, batch, BATCH);
    }
}

static void free_blocks_of_slabs_come_before_new_slabs(void **state)
{
    (void)state;
    alloc_blocks(0, BLOCKS);
    size_t active = arena_set_active_bytes(&heap.arenas);
    size_t taken = in_slabs;
    flush_every_second();
    for (size_t i = 0; i < BLOCKS; i += 2)
        alloc_blocks(i, i + 1);
    check_blocks(0, BLOCKS);
    /* The first refill does not know of the free blocks yet. */
    assert_true(arena_set_active_bytes(&heap.arenas) <= active + 2 * SLAB);
    assert_true(in_slabs <= taken + 2 * IN_SLAB);
}

static void slabs_are_taken_again_when_no_block_is_free(void **state)
{
    (void)state;
    alloc_blocks(0, BLOCKS / 2);
    heap.source.flush(&heap.source, blocks, BATCH);
    alloc_blocks(0, BATCH);
    size_t taken = in_slabs;
    alloc_blocks(BLOCKS / 2, BLOCKS);
    check_blocks(0, BLOCKS);
    assert_true(in_slabs >= taken + BLOCKS / 2 - 4 * IN_SLAB);
}

static void threads_that_start_take_single_blocks(void **state)
{
    (void)state;
    alloc_blocks(0, BATCH / 4);
    assert_int_equal(in_slabs, 0);
}

static void controls_that_fail_leave_single_blocks(void **state)
{
    (void)state;
    fault_set(&call_fault, EINVAL, FAULT_ALWAYS);
    alloc_blocks(0, BLOCKS);
    check_blocks(0, BLOCKS);
    assert_int_equal(in_slabs, 0);
}

/* This test is the first: names are translated once. */
static void jemalloc_without_the_controls_serves_single_blocks(void **state)
{
    (void)state;
    fault_set(&name_fault, ENOENT, FAULT_ALWAYS);
    alloc_blocks(0, BLOCKS);
    check_blocks(0, BLOCKS);
    assert_true(name_fault.calls != 0);
    assert_int_equal(in_slabs, 0);
}

static void thread_that_jemalloc_has_ended_gets_blocks_of_the_heap(void **state)
{
    (void)state;
    alloc_blocks(0, BLOCKS / 2);
    size_t taken = in_slabs;
    fork_gate_thread.has_left_jemalloc = true;
    alloc_blocks(BLOCKS / 2, BLOCKS);
    fork_gate_thread.has_left_jemalloc = false;
    check_blocks(0, BLOCKS);
    assert_int_equal(in_slabs, taken);
}

static void space_is_used_up_to_the_last_slab(void **state)
{
    static void *all[LIMIT / SIZE + 1];

    (void)state;
    size_t count = fill(SIZE, all, LIMIT / SIZE + 1);
    assert_true(in_slabs != 0);
    assert_true(count * SIZE + SLAB > LIMIT);
    for (size_t i = 0; i < count; i++)
        heap_free(&heap, all[i]);
    release_record();
    assert_int_equal(space_held(&space), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_refills, teardown)
    const struct CMUnitTest tests[] = {
        TEST(jemalloc_without_the_controls_serves_single_blocks),
        TEST(whole_slabs_serve_a_program_that_frees_nothing),
        TEST(slabs_that_are_freed_are_released),
        TEST(free_blocks_of_slabs_come_before_new_slabs),
        TEST(slabs_are_taken_again_when_no_block_is_free),
        TEST(threads_that_start_take_single_blocks),
        TEST(controls_that_fail_leave_single_blocks),
        TEST(thread_that_jemalloc_has_ended_gets_blocks_of_the_heap),
        TEST(space_is_used_up_to_the_last_slab),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
