/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of spaces over huge pages, whose pool is played by ordinary memory: what is taken, given
 * back and set to zero, and that nothing that is not there is touched. */
/* WRAP: madvise mincore mmap munmap */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "space/address_map.h"
#include "space/huge_pages.h"
#include "support/faults.h"

#define PAGE     ((size_t)4096)
#define CHUNK    SPACE_CHUNK
#define CHUNKS   16
#define OWNER    (ADDRESS_MAP_FIRST_OWNER + 2u)
#define POPULATE 23 /* MADV_POPULATE_WRITE, which the headers may not have */
#define DIRT     0x5a

static struct space space;
static struct fault populate_fault;
static struct fault release_fault;
static struct fault mincore_fault;
static bool populates_in_vain; /* madvise(2) answers yes and does nothing */
static char *base;             /* of the first chunk */
static bool is_there[CHUNKS];  /* which huge pages the pool has given */

int __wrap_madvise(void *addr, size_t size, int advice);
int __wrap_mincore(void *addr, size_t size, unsigned char *there);

/* A chunk that is not there must not be touched. */
static void protect(size_t chunk, bool there)
{
    is_there[chunk] = there;
    assert_int_equal(
        mprotect(base + chunk * CHUNK, CHUNK, there ? PROT_READ | PROT_WRITE : PROT_NONE), 0);
}

int __wrap_madvise(void *addr, size_t size, int advice)
{
    size_t first = (size_t)((char *)addr - base) / CHUNK;

    assert_true(advice == POPULATE || advice == MADV_DONTNEED);
    assert_int_equal((uintptr_t)addr % CHUNK, 0);
    assert_int_equal(size % CHUNK, 0);
    if (advice == POPULATE && populates_in_vain)
        return 0;
    for (size_t i = first; i < first + size / CHUNK; i++) {
        assert_true(i < CHUNKS);
        if (fault_hits(advice == POPULATE ? &populate_fault : &release_fault))
            return -1;
        if (advice == MADV_DONTNEED && is_there[i])
            memset(base + i * CHUNK, 0, CHUNK);
        protect(i, advice == POPULATE);
    }
    return 0;
}

int __wrap_mincore(void *addr, size_t size, unsigned char *there)
{
    assert_int_equal((uintptr_t)addr % PAGE, 0);
    assert_true(size <= PAGE);
    if (fault_hits(&mincore_fault))
        return -1;
    *there = is_there[(size_t)((char *)addr - base) / CHUNK];
    return 0;
}

void *__real_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *addr, size_t size);
int __wrap_munmap(void *addr, size_t size);

/* The pool has one page that nobody has asked for, or none. */
static bool pool_is_empty;
static int pages_of_pool;

void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset)
{
    if ((flags & MAP_HUGETLB) == 0)
        return __real_mmap(addr, size, protection, flags, fd, offset);
    assert_int_equal(size, CHUNK);
    if (pool_is_empty) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    pages_of_pool++;
    return __real_mmap(addr, size, PROT_NONE, flags & MAP_PRIVATE ? MAP_PRIVATE | MAP_ANONYMOUS : 0,
                       fd, offset);
}

int __wrap_munmap(void *addr, size_t size)
{
    pages_of_pool -= size == CHUNK;
    return __real_munmap(addr, size);
}

static int map_space(struct space *of, void *addr, size_t size, off_t offset)
{
    (void)of;
    (void)offset;
    return mmap(addr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
                0) == MAP_FAILED
               ? -errno
               : 0;
}

static const struct space_backing backing = {
    .map = map_space,
    .commit = huge_pages_commit,
    .release = huge_pages_release,
};

/* Other segments of the space come before, so that offsets and addresses are not the same. */
static int setup(void **state)
{
    void *addr;

    (void)state;
    populate_fault = release_fault = mincore_fault = (struct fault){0};
    memset(is_there, 0, sizeof(is_there));
    assert_int_equal(space_init(&space, &backing, 0, OWNER), 0);
    assert_int_equal(space_reserve(&space, ADDRESS_MAP_GRANULE, CHUNK, &addr), 0);
    assert_int_equal(space_reserve(&space, CHUNK, CHUNK, &addr), 0);
    base = addr;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    space_destroy(&space);
    return 0;
}

static char *reserve(size_t size)
{
    void *addr;

    assert_int_equal(space_reserve(&space, size, CHUNK, &addr), 0);
    return addr;
}

static size_t count_there(void)
{
    size_t count = 0;

    for (size_t i = 0; i < CHUNKS; i++)
        count += is_there[i];
    return count;
}

static bool is_zero(const char *memory, size_t size)
{
    return memory[0] == 0 && memcmp(memory, memory + 1, size - 1) == 0;
}

static void pages_are_taken_before_they_are_used(void **state)
{
    char *region = reserve(3 * CHUNK);

    (void)state;
    assert_int_equal(count_there(), 0);
    assert_int_equal(space_commit(&space, region + PAGE, PAGE), 0);
    assert_int_equal(count_there(), 1);
    memset(region + PAGE, DIRT, PAGE);
    assert_int_equal(space_commit(&space, region + CHUNK - PAGE, 2 * PAGE), 0);
    memset(region + CHUNK - PAGE, DIRT, 2 * PAGE);
    assert_int_equal(count_there(), 2);
}

static void empty_pages_go_back(void **state)
{
    char *region = reserve(3 * CHUNK);

    (void)state;
    assert_int_equal(space_commit(&space, region, 3 * CHUNK), 0);
    memset(region, DIRT, 3 * CHUNK);
    assert_int_equal(space_decommit(&space, region + PAGE, 2 * CHUNK), 0);
    assert_int_equal(count_there(), 2);
    assert_int_equal(region[0], DIRT);
    assert_int_equal(region[2 * CHUNK + PAGE], DIRT);
    assert_true(is_zero(region + PAGE, CHUNK - PAGE));
    assert_true(is_zero(region + 2 * CHUNK, PAGE));
    assert_int_equal(space_decommit(&space, region, PAGE), 0);
    assert_int_equal(space_decommit(&space, region + 2 * CHUNK + PAGE, CHUNK - PAGE), 0);
    assert_int_equal(count_there(), 0);
    assert_int_equal(space_held(&space), 0);
}

/* A region that ends within a chunk is alone in it. */
static void last_page_of_a_region_goes_back(void **state)
{
    char *region = reserve(CHUNK + 5 * PAGE);

    (void)state;
    assert_int_equal(space_commit(&space, region, CHUNK + 5 * PAGE), 0);
    assert_int_equal(count_there(), 2);
    assert_int_equal(space_decommit(&space, region + CHUNK + PAGE, 4 * PAGE), 0);
    assert_int_equal(count_there(), 2);
    assert_int_equal(space_decommit(&space, region, CHUNK + PAGE), 0);
    assert_int_equal(count_there(), 0);
}

/* Whatever part of a commit the pool had pages for: no other is touched, and all of it is undone.
 */
static void pool_runs_out(void **state)
{
    char *region = reserve(4 * CHUNK);

    (void)state;
    for (unsigned given = 0; given < 4; given++) {
        fault_set(&populate_fault, EFAULT, FAULT_ALWAYS);
        populate_fault.skip = given;
        assert_int_equal(space_commit(&space, region + PAGE, 4 * CHUNK - 2 * PAGE), -ENOMEM);
        assert_int_equal(space_held(&space), 0);
        populate_fault = (struct fault){0};
        space_trim(&space);
    }
    assert_int_equal(space_commit(&space, region + PAGE, 4 * CHUNK - 2 * PAGE), 0);
    assert_true(is_zero(region + PAGE, 4 * CHUNK - 2 * PAGE));
    memset(region + PAGE, DIRT, 4 * CHUNK - 2 * PAGE);
    assert_int_equal(space_decommit(&space, region + PAGE, 4 * CHUNK - 2 * PAGE), 0);
    assert_int_equal(count_there(), 0);
}

static void old_kernel_takes_none(void **state)
{
    char *region = reserve(CHUNK);

    (void)state;
    fault_set(&populate_fault, EINVAL, FAULT_ALWAYS);
    assert_int_equal(space_commit(&space, region, PAGE), -ENOMEM);
    assert_int_equal(count_there(), 0);
}

static void emulator_that_ignores_advice_takes_none(void **state)
{
    char *region = reserve(CHUNK);

    (void)state;
    populates_in_vain = true;
    assert_int_equal(space_commit(&space, region, PAGE), -ENOMEM);
    assert_int_equal(space_held(&space), 0);
    populates_in_vain = false;
    assert_int_equal(space_commit(&space, region, PAGE), 0);
}

static void old_kernel_keeps_pages_and_they_are_zero(void **state)
{
    char *region = reserve(2 * CHUNK);

    (void)state;
    fault_set(&release_fault, EINVAL, FAULT_ALWAYS);
    assert_int_equal(space_commit(&space, region, 2 * CHUNK), 0);
    memset(region, DIRT, 2 * CHUNK);
    assert_int_equal(space_decommit(&space, region, 2 * CHUNK), 0);
    assert_int_equal(count_there(), 2);
    assert_int_equal(space_commit(&space, region, 2 * CHUNK), 0);
    assert_true(is_zero(region, 2 * CHUNK));
}

/* A part of a huge page that is set to zero whatever mincore(2) says. */
static void forbidden_mincore_clears_nevertheless(void **state)
{
    static const int errors[] = {EAGAIN, EPERM, ENOSYS};
    char *region = reserve(CHUNK);

    (void)state;
    for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
        fault_set(&mincore_fault, errors[i], FAULT_ALWAYS);
        assert_int_equal(space_commit(&space, region, CHUNK), 0);
        memset(region, DIRT, CHUNK);
        assert_int_equal(space_decommit(&space, region + PAGE, 3 * PAGE), 0);
        assert_true(is_zero(region + PAGE, 3 * PAGE));
        assert_int_equal(region[0], DIRT);
        assert_int_equal(region[4 * PAGE], DIRT);
        assert_int_equal(space_decommit(&space, region, PAGE), 0);
        assert_int_equal(space_decommit(&space, region + 4 * PAGE, CHUNK - 4 * PAGE), 0);
        assert_int_equal(count_there(), 0);
    }
}

/* Nobody tells whether the page is there, and it cannot be taken: it is cleared before its next
 * use. */
static void what_cannot_be_cleared_is_cleared_later(void **state)
{
    char *region = reserve(CHUNK);

    (void)state;
    assert_int_equal(space_commit(&space, region, CHUNK), 0);
    memset(region, DIRT, CHUNK);
    fault_set(&mincore_fault, EPERM, FAULT_ALWAYS);
    fault_set(&populate_fault, EPERM, FAULT_ALWAYS);
    assert_int_equal(space_decommit(&space, region + PAGE, 3 * PAGE), 0);
    assert_int_equal(region[PAGE], DIRT);
    assert_int_equal(space_commit(&space, region + PAGE, PAGE), -ENOMEM);
    fault_set(&populate_fault, 0, 0);
    assert_int_equal(space_commit(&space, region + PAGE, 2 * PAGE), 0);
    assert_true(is_zero(region + PAGE, 2 * PAGE));
    assert_int_equal(region[0], DIRT);
    assert_int_equal(space_decommit(&space, region, 3 * PAGE), 0);
    assert_int_equal(space_decommit(&space, region + 4 * PAGE, CHUNK - 4 * PAGE), 0);
    assert_int_equal(count_there(), 0);
    assert_int_equal(space_held(&space), 0);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static void empty_pool_is_seen(void **state)
{
    (void)state;
    errno = EXDEV;
    pool_is_empty = true;
    assert_true(huge_pages_are_used_up(&space));
    /* Believed for a moment, but not after a page was given back. */
    pool_is_empty = false;
    assert_true(huge_pages_are_used_up(&space));
    char *block = reserve(CHUNK);
    assert_int_equal(space_commit(&space, block, CHUNK), 0);
    assert_int_equal(space_decommit(&space, block, CHUNK), 0);
    pages_of_pool = 0;
    assert_false(huge_pages_are_used_up(&space));
    assert_int_equal(pages_of_pool, 0);
    assert_int_equal(errno, EXDEV);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pages_are_taken_before_they_are_used),
        TEST(empty_pages_go_back),
        TEST(last_page_of_a_region_goes_back),
        TEST(pool_runs_out),
        TEST(old_kernel_takes_none),
        TEST(emulator_that_ignores_advice_takes_none),
        TEST(old_kernel_keeps_pages_and_they_are_zero),
        TEST(forbidden_mincore_clears_nevertheless),
        TEST(what_cannot_be_cleared_is_cleared_later),
        TEST(empty_pool_is_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
