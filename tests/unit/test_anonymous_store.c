/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of spaces in anonymous memory: which maps are made, and that a failed one leaves none. */
/* WRAP: mmap munmap */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

#include "memkind.h"
#include "memkind/internal/memkind_private.h"
#include "space/address_map.h"
#include "space/space.h"
#include "store/anonymous_store.h"
#include "store/huge_page_store.h"
#include "support/fake_calloc.h"
#include "support/fake_mutex.h"
#include "support/faults.h"

#define SIZE  (2 * SPACE_CHUNK)
#define OWNER (ADDRESS_MAP_FIRST_OWNER + 2u)

static struct fault mmap_fault;
static int last_flags;
static size_t mapped; /* bytes of huge pages, which ordinary pages replace here */
static int flags_status, madvise_status, mbind_status;
static void *placed; /* the address of the operations' last call */

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
static struct space *space;

static int setup(void **state)
{
    (void)state;
    mmap_fault = calloc_fault = mutex_fault = (struct fault){0};
    flags_status = madvise_status = mbind_status = MEMKIND_SUCCESS;
    mapped = 0;
    placed = NULL;
    space = anonymous_store_create(&kind, OWNER);
    return space == NULL;
}

static int teardown(void **state)
{
    (void)state;
    space_destroy(space);
    return 0;
}

static void map_in_place_has_no_reservation(void **state)
{
    char *memory = __real_mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_int_equal(space->store->map(space, memory, SIZE, 0), 0);
    assert_ptr_equal(placed, memory);
    assert_true((last_flags & MAP_NORESERVE) != 0 && (last_flags & MAP_FIXED) != 0);
    memory[SIZE - 1] = 1;
    fault_set(&mmap_fault, ENOMEM, 1);
    assert_int_equal(space->store->map(space, memory, SIZE, 0), -ENOMEM);
    __real_munmap(memory, SIZE);
}

static void claim_is_placed_and_has_a_reservation(void **state)
{
    void *claimed = NULL;

    (void)state;
    assert_int_equal(anonymous_store_claim(space, SIZE, &claimed), 0);
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
    assert_int_equal(anonymous_store_claim(space, SIZE, &claimed), -ENOMEM);
    madvise_status = MEMKIND_ERROR_OPERATION_FAILED;
    assert_int_equal(anonymous_store_claim(space, SIZE, &claimed), -ENOMEM);
    madvise_status = MEMKIND_SUCCESS;
    mbind_status = MEMKIND_ERROR_MBIND;
    assert_int_equal(anonymous_store_claim(space, SIZE, &claimed), -ENOMEM);
    flags_status = MEMKIND_ERROR_INVALID;
    assert_int_equal(anonymous_store_claim(space, SIZE, &claimed), -EINVAL);
    assert_int_equal(mapped, 0);
    /* A kernel without nodes has all memory on the right node. */
    flags_status = MEMKIND_SUCCESS;
    mbind_status = MEMKIND_ERROR_UNAVAILABLE;
    assert_int_equal(anonymous_store_claim(space, SIZE, &claimed), 0);
    munmap(claimed, SIZE);
}

static void flags_of_the_kind_choose_the_store(void **state)
{
    struct memkind small = {.ops = MEMKIND_REGULAR->ops};
    struct space *other = anonymous_store_create(&small, OWNER);

    (void)state;
    assert_ptr_equal(space->store, &huge_page_store);
    assert_non_null(other);
    assert_ptr_not_equal(other->store, &huge_page_store);
    assert_false(space_shares_store(space, other));
    assert_true(space_shares_store(other, other));
    space_destroy(other);
}

static void space_that_cannot_be_made_is_null(void **state)
{
    (void)state;
    fault_set(&calloc_fault, ENOMEM, 1);
    assert_null(anonymous_store_create(&kind, OWNER));
    fault_set(&mutex_fault, EAGAIN, 1);
    assert_null(anonymous_store_create(&kind, OWNER));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(map_in_place_has_no_reservation, setup, teardown),
        cmocka_unit_test_setup_teardown(claim_is_placed_and_has_a_reservation, setup, teardown),
        cmocka_unit_test_setup_teardown(claim_that_fails_leaves_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(flags_of_the_kind_choose_the_store, setup, teardown),
        cmocka_unit_test_setup_teardown(space_that_cannot_be_made_is_null, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
