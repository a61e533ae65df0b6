/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of spaces in anonymous memory: which maps are made, and that a failed one leaves none. */
/* WRAP: mmap munmap */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/mman.h>

#include "memkind.h"
#include "memkind/internal/memkind_private.h"
#include "space/space.h"
#include "store/anonymous_store.h"
#include "support/faults.h"

#define SIZE (2 * SPACE_CHUNK)

static struct fault mmap_fault;
static int last_flags;
static size_t mapped; /* bytes of huge pages, which ordinary ones stand for */
static int flags_status, madvise_status, mbind_status;
static void *placed; /* what the operations were last called for */

void *__real_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *addr, size_t size);
int __wrap_munmap(void *addr, size_t size);

void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset)
{
    if ((flags & MAP_HUGETLB) == 0)
        return __real_mmap(addr, size, protection, flags, fd, offset);
    last_flags = flags;
    if (fault_hits(&mmap_fault))
        return MAP_FAILED;
    if ((flags & MAP_FIXED) == 0)
        mapped += size;
    return __real_mmap(addr, size, protection, flags & ~MAP_HUGETLB, fd, offset);
}

int __wrap_munmap(void *addr, size_t size)
{
    mapped -= size;
    return __real_munmap(addr, size);
}

static int huge_flags(struct memkind *kind, int *flags)
{
    (void)kind;
    *flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB;
    return flags_status;
}

static int note_madvise(struct memkind *kind, void *addr, size_t size)
{
    (void)kind;
    (void)size;
    placed = addr;
    return madvise_status;
}

static int note_mbind(struct memkind *kind, void *addr, size_t size)
{
    (void)kind;
    (void)size;
    assert_ptr_equal(addr, placed);
    return mbind_status;
}

static struct memkind_ops ops = {
    .get_mmap_flags = huge_flags, .madvise = note_madvise, .mbind = note_mbind};
static struct memkind kind = {.ops = &ops};
static struct space space;

static int setup(void **state)
{
    (void)state;
    mmap_fault = (struct fault){0};
    flags_status = madvise_status = mbind_status = MEMKIND_SUCCESS;
    mapped = 0;
    placed = NULL;
    space.store_arg = &kind;
    space.store = anonymous_store_of(&kind);
    return 0;
}

static void map_in_place_has_no_reservation(void **state)
{
    char *memory = __real_mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_int_equal(space.store->map(&space, memory, SIZE, 0), 0);
    assert_ptr_equal(placed, memory);
    assert_true((last_flags & MAP_NORESERVE) != 0 && (last_flags & MAP_FIXED) != 0);
    memory[SIZE - 1] = 1;
    fault_set(&mmap_fault, ENOMEM, 1);
    assert_int_equal(space.store->map(&space, memory, SIZE, 0), -ENOMEM);
    __real_munmap(memory, SIZE);
}

static void claim_is_placed_and_has_a_reservation(void **state)
{
    void *claimed = NULL;

    (void)state;
    assert_int_equal(space.store->map_claimed(&space, SIZE, &claimed), 0);
    assert_ptr_equal(placed, claimed);
    assert_int_equal(last_flags & (MAP_NORESERVE | MAP_FIXED), 0);
    ((char *)claimed)[SIZE - 1] = 1;
    munmap(claimed, SIZE);
    assert_int_equal(mapped, 0);
}

static void claim_that_fails_leaves_nothing(void **state)
{
    void *claimed;

    (void)state;
    fault_set(&mmap_fault, ENOMEM, 1);
    assert_int_equal(space.store->map_claimed(&space, SIZE, &claimed), -ENOMEM);
    madvise_status = MEMKIND_ERROR_OPERATION_FAILED;
    assert_int_equal(space.store->map_claimed(&space, SIZE, &claimed), -ENOMEM);
    madvise_status = MEMKIND_SUCCESS;
    mbind_status = MEMKIND_ERROR_MBIND;
    assert_int_equal(space.store->map_claimed(&space, SIZE, &claimed), -ENOMEM);
    flags_status = MEMKIND_ERROR_INVALID;
    assert_int_equal(space.store->map_claimed(&space, SIZE, &claimed), -EINVAL);
    assert_int_equal(mapped, 0);
    /* A kernel without nodes has all memory on the right one. */
    flags_status = MEMKIND_SUCCESS;
    mbind_status = MEMKIND_ERROR_UNAVAILABLE;
    assert_int_equal(space.store->map_claimed(&space, SIZE, &claimed), 0);
    munmap(claimed, SIZE);
}

static void small_pages_are_not_claimed(void **state)
{
    struct memkind small = {.ops = MEMKIND_REGULAR->ops};

    (void)state;
    assert_null(anonymous_store_of(&small)->map_claimed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(map_in_place_has_no_reservation, setup),
        cmocka_unit_test_setup(claim_is_placed_and_has_a_reservation, setup),
        cmocka_unit_test_setup(claim_that_fails_leaves_nothing, setup),
        cmocka_unit_test_setup(small_pages_are_not_claimed, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
