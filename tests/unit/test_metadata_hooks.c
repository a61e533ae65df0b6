/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of jemalloc's metadata that is kept from one arena for the next: it is zero again. */
/* WRAP: madvise munmap */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "heap/extent_hooks.h"
#include "support/faults.h"

#define BLOCK ((size_t)2 << 20)

static struct fault madvise_fault;
static unsigned unmapped;

int __real_madvise(void *addr, size_t size, int advice);
int __wrap_madvise(void *addr, size_t size, int advice);
int __real_munmap(void *addr, size_t size);
int __wrap_munmap(void *addr, size_t size);

int __wrap_madvise(void *addr, size_t size, int advice)
{
    return fault_hits(&madvise_fault) ? -1 : __real_madvise(addr, size, advice);
}

int __wrap_munmap(void *addr, size_t size)
{
    unmapped++;
    return __real_munmap(addr, size);
}

static char *take(void)
{
    bool zero = false;
    bool commit = false;
    char *block =
        extent_hooks_metadata.alloc(&extent_hooks_metadata, NULL, BLOCK, BLOCK, &zero, &commit, 0);

    assert_non_null(block);
    assert_true(zero && commit);
    for (size_t i = 0; i < BLOCK; i++)
        if (block[i] != 0)
            fail_msg("byte %zu is not zero", i);
    return block;
}

static void give(char *block)
{
    assert_false(extent_hooks_metadata.dalloc(&extent_hooks_metadata, block, BLOCK, true, 0));
}

static void kept_block_is_zero_again(void **state)
{
    (void)state;
    char *block = take();
    memset(block, 1, BLOCK);
    unmapped = 0;
    give(block);
    assert_int_equal(unmapped, 0);
    assert_ptr_equal(take(), block);
    give(block);
}

static void block_that_cannot_be_cleared_is_unmapped(void **state)
{
    (void)state;
    char *block = take();
    memset(block, 1, BLOCK);
    unmapped = 0;
    fault_set(&madvise_fault, EINVAL, 1);
    give(block);
    assert_int_equal(unmapped, 1);
    /* Nor does it matter where a new one cannot be populated. */
    fault_set(&madvise_fault, EINVAL, 1);
    give(take());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kept_block_is_zero_again),
        cmocka_unit_test(block_that_cannot_be_cleared_is_unmapped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
