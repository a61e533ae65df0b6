/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of fixed kinds: what remains when a part of them cannot be created, and the single arena.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "heap/arena_set.h"
#include "heap/jemalloc_ctl.h"
#include "kinds/kind_registry.h"
#include "memkind.h"
#include "memkind/internal/memkind_arena.h"
#include "memkind/internal/memkind_fixed.h"
#include "space/range_map.h"
#include "support/arenas.h"
#include "support/fake_calloc.h"
#include "support/fake_malloc.h"
#include "support/fake_mmap.h"
#include "support/fake_mutex.h"
#include "support/faults.h"
#include "support/no_mapping_cache.h"

#define SIZE         ((size_t)4 << 20)
#define SIZE_OF_EACH (SIZE / MEMKIND_MAX_KIND)
#define MOST_CALLS   100u
#define UNTOUCHED    ((memkind_t)(uintptr_t)8)

static _Alignas(4096) char memory[SIZE];

static int setup(void **state)
{
    (void)state;
    mmap_fault = calloc_fault = malloc_fault = mutex_fault = (struct fault){0};
    arenas_reset_faults();
    unsetenv("MEMKIND_ARENA_NUM_PER_KIND");
    return 0;
}

static void check_nothing_left(void)
{
    assert_int_equal(arenas_alive, 0);
    for (unsigned i = MEMKIND_NUM_BASE_KIND; i < MEMKIND_NUM_BASE_KIND + MEMKIND_MAX_KIND; i++)
        assert_null(kind_registry_get(i));
    assert_null(memkind_detect_kind(memory + SIZE / 2));
}

static int teardown(void **state)
{
    (void)state;
    check_nothing_left();
    return 0;
}

/*
 * Makes each call of this fault fail in turn, and expects the status, or NULL for lack of DRAM.
 * Returns the number of calls.
 */
static unsigned fail_each_call(struct fault *fault, int error, int status)
{
    for (unsigned n = 0; n < MOST_CALLS; n++) {
        memkind_t kind = UNTOUCHED;

        fault_set(fault, error, 1);
        fault->skip = n;
        int result = memkind_create_fixed(memory, SIZE, &kind);
        bool was_hit = fault->calls > n;
        *fault = (struct fault){0};
        if (result == MEMKIND_SUCCESS) {
            assert_int_equal(memkind_destroy_kind(kind), MEMKIND_SUCCESS);
        } else {
            assert_true(result == status || result == MEMKIND_ERROR_MALLOC);
            assert_ptr_equal(kind, UNTOUCHED);
        }
        check_nothing_left();
        if (!was_hit)
            return n;
    }
    fail();
    return 0;
}

static void kind_that_cannot_be_made_leaves_nothing(void **state)
{
    memkind_t kind = UNTOUCHED;

    (void)state;
    assert_true(fail_each_call(&calloc_fault, ENOMEM, MEMKIND_ERROR_MALLOC) >= 3);
    assert_true(fail_each_call(&malloc_fault, ENOMEM, MEMKIND_ERROR_MALLOC) >= 2);
    assert_true(fail_each_call(&mmap_fault, ENOMEM, MEMKIND_ERROR_ARENAS_CREATE) >= 2);
    assert_true(fail_each_call(&mutex_fault, ENOMEM, MEMKIND_ERROR_MALLOC) >= 2);
    assert_int_equal(fail_each_call(&create_fault, EAGAIN, MEMKIND_ERROR_ARENAS_CREATE), 1);
    assert_int_equal(fail_each_call(&decay_fault, EFAULT, MEMKIND_ERROR_ARENAS_CREATE), 1);
    assert_int_equal(memkind_create_fixed((void *)((uintptr_t)1 << 60), SIZE, &kind),
                     MEMKIND_ERROR_INVALID);
    assert_ptr_equal(kind, UNTOUCHED);
}

static void there_can_be_too_many_kinds(void **state)
{
    static memkind_t kinds[MEMKIND_MAX_KIND];
    memkind_t more = UNTOUCHED;

    (void)state;
    for (size_t i = 0; i < MEMKIND_MAX_KIND; i++)
        assert_int_equal(memkind_create_fixed(memory + i * SIZE_OF_EACH, SIZE_OF_EACH, &kinds[i]),
                         MEMKIND_SUCCESS);
    assert_int_equal(memkind_create_fixed(memory + 1, SIZE - 1, &more), MEMKIND_ERROR_TOOMANY);
    assert_ptr_equal(more, UNTOUCHED);
    for (size_t i = 0; i < MEMKIND_MAX_KIND; i++)
        assert_int_equal(memkind_destroy_kind(kinds[i]), MEMKIND_SUCCESS);
}

/* Also with operations of the program, and with any environment. */
static void kind_has_one_arena(void **state)
{
    struct memkind_ops ops = MEMKIND_FIXED_OPS;
    struct memkind kind = {0};
    memkind_t made;
    unsigned arena = 0;

    (void)state;
    setenv("MEMKIND_ARENA_NUM_PER_KIND", "64", 1);
    assert_int_equal(memkind_create_fixed(memory, SIZE, &made), MEMKIND_SUCCESS);
    assert_int_equal(made->arena_map_len, 1);
    assert_int_equal(memkind_destroy_kind(made), MEMKIND_SUCCESS);
    ops.get_arena = memkind_thread_get_arena;
    assert_int_equal(memkind_fixed_create(&kind, &ops, "mine"), MEMKIND_SUCCESS);
    assert_int_equal(kind.arena_map_len, 1);
    assert_int_equal(kind.arena_map_mask, 0);
    arena_set_thread_number = 5;
    assert_int_equal(memkind_thread_get_arena(&kind, &arena, 1), MEMKIND_SUCCESS);
    assert_int_equal(arena, kind.arena_zero);
    assert_int_equal(memkind_fixed_destroy(&kind), MEMKIND_SUCCESS);
    setenv("MEMKIND_ARENA_NUM_PER_KIND", "none", 1);
    memset(&kind, 0, sizeof(kind));
    assert_int_equal(memkind_fixed_create(&kind, &ops, "mine"), MEMKIND_ERROR_ENVIRON);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(kind_that_cannot_be_made_leaves_nothing),
        TEST(there_can_be_too_many_kinds),
        TEST(kind_has_one_arena),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
