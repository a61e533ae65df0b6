/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of jemalloc's metadata that is kept from one arena for the next: it is zero again. */
/* WRAP: madvise munmap */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "heap/extent_hooks.h"
#include "support/faults.h"

#define BLOCK     ((size_t)2 << 20)
#define LINE_SIZE 1024

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
    /* Nor does it matter where no advice on a new one is taken. */
    fault_set(&madvise_fault, EINVAL, 2);
    block = take();
    assert_int_equal(madvise_fault.calls, 2);
    give(block);
}

/* The line of smaps(5) on the flags of the mapping at this address. */
static bool find_flags(const char *address, char *line, int size)
{
    FILE *file = fopen("/proc/self/smaps", "re");
    bool is_in_it = false;

    if (file == NULL)
        return false;
    while (fgets(line, size, file) != NULL) {
        uintptr_t start, end;

        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &start, &end) == 2)
            is_in_it = (uintptr_t)address >= start && (uintptr_t)address < end;
        else if (is_in_it && strncmp(line, "VmFlags:", strlen("VmFlags:")) == 0)
            break;
    }
    bool found = feof(file) == 0;
    fclose(file);
    return found;
}

static void block_takes_no_large_page(void **state)
{
    char *block = take();
    char line[LINE_SIZE];

    (void)state;
    if (access("/sys/kernel/mm/transparent_hugepage/enabled", R_OK) != 0 ||
        !find_flags(block, line, sizeof(line)))
        skip();
    assert_non_null(strstr(line, " nh"));
    give(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(block_takes_no_large_page),
        cmocka_unit_test(kept_block_is_zero_again),
        cmocka_unit_test(block_that_cannot_be_cleared_is_unmapped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
