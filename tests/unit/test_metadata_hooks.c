/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of jemalloc's metadata: it is anonymous memory, and blocks that are kept for later arenas
 * are zero again.
 */
/* WRAP: madvise */
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

#include "heap/metadata_hooks.h"
#include "space/address_map.h"
#include "support/fake_mmap.h"
#include "support/faults.h"

#define PAGE       ((size_t)4096)
#define BLOCK      METADATA_HOOKS_BLOCK
#define LINE_SIZE  1024
#define SOME_ERRNO 1234

static struct fault madvise_fault, mmap_fault, munmap_fault;

int __real_madvise(void *addr, size_t size, int advice);
int __wrap_madvise(void *addr, size_t size, int advice);

int __wrap_madvise(void *addr, size_t size, int advice)
{
    return fault_hits(&madvise_fault) ? -1 : __real_madvise(addr, size, advice);
}

static char *alloc(size_t size, size_t alignment)
{
    bool zero = false;
    bool commit = false;
    char *addr = metadata_hooks.alloc(&metadata_hooks, NULL, size, alignment, &zero, &commit, 0);

    if (addr != NULL)
        assert_true(zero && commit);
    return addr;
}

static bool dalloc(char *addr, size_t size)
{
    return metadata_hooks.dalloc(&metadata_hooks, addr, size, true, 0);
}

static char *take(void)
{
    char *block = alloc(BLOCK, BLOCK);

    assert_non_null(block);
    for (size_t i = 0; i < BLOCK; i++)
        if (block[i] != 0)
            fail_msg("byte %zu is not zero", i);
    return block;
}

static void give(char *block)
{
    assert_false(dalloc(block, BLOCK));
}

static void kept_block_is_zero_again(void **state)
{
    (void)state;
    char *block = take();
    memset(block, 1, BLOCK);
    munmap_fault.calls = 0;
    give(block);
    assert_int_equal(munmap_fault.calls, 0);
    assert_ptr_equal(take(), block);
    give(block);
}

static void block_that_cannot_be_cleared_is_unmapped(void **state)
{
    (void)state;
    char *block = take();
    memset(block, 1, BLOCK);
    munmap_fault.calls = 0;
    fault_set(&madvise_fault, EINVAL, 1);
    give(block);
    assert_int_equal(munmap_fault.calls, 1);
    /* Rejected advice on a new mapping has no effect either. */
    fault_set(&madvise_fault, EINVAL, 2);
    block = take();
    assert_int_equal(madvise_fault.calls, 2);
    give(block);
}

/* Finds the line of smaps(5) with the flags of the mapping at this address. */
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

static void metadata_is_anonymous_and_is_unmapped(void **state)
{
    (void)state;
    for (size_t alignment = PAGE; alignment <= 16 * BLOCK; alignment *= 4) {
        const size_t size = BLOCK + PAGE;
        size_t before = mapped;
        char *addr = alloc(size, alignment);

        assert_non_null(addr);
        assert_int_equal((uintptr_t)addr % alignment, 0);
        assert_int_equal(mapped, before + size);
        memset(addr, 1, size);
        assert_int_equal(address_map_owner(addr), ADDRESS_MAP_NONE);
        assert_false(dalloc(addr, size));
        assert_int_equal(mapped, before);
    }
}

static void failures_are_reported(void **state)
{
    bool zero;
    bool commit;

    (void)state;
    errno = SOME_ERRNO;
    fault_set(&mmap_fault, ENOMEM, 1);
    assert_null(alloc(BLOCK, PAGE));
    assert_int_equal(errno, SOME_ERRNO);
    assert_null(alloc(SIZE_MAX - PAGE + 1, 2 * PAGE));
    assert_null(metadata_hooks.alloc(&metadata_hooks, &zero, BLOCK, PAGE, &zero, &commit, 0));
    char *addr = alloc(PAGE, PAGE);
    fault_set(&munmap_fault, ENOMEM, 1);
    assert_true(dalloc(addr, PAGE));
    fault_set(&munmap_fault, 0, 0);
    assert_false(dalloc(addr, PAGE));
}

/* If the first mapping is not aligned, others are attempted, which may fail too. */
static void failed_alignment_leaves_nothing(void **state)
{
    size_t before = mapped;

    (void)state;
    mmap_fault = (struct fault){.error = ENOMEM, .skip = 1, .times = FAULT_ALWAYS};
    char *addr = alloc(BLOCK + PAGE, 1024 * BLOCK);
    if (mmap_fault.calls < 2) {
        assert_false(dalloc(addr, BLOCK + PAGE));
        skip(); /* the first mapping was aligned by chance */
    }
    assert_null(addr);
    assert_int_equal(mapped, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(block_takes_no_large_page),
        cmocka_unit_test(kept_block_is_zero_again),
        cmocka_unit_test(block_that_cannot_be_cleared_is_unmapped),
        cmocka_unit_test(metadata_is_anonymous_and_is_unmapped),
        cmocka_unit_test(failures_are_reported),
        cmocka_unit_test(failed_alignment_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
