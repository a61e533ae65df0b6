/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of spaces over huge pages, whose pool ordinary memory simulates: which pages are committed,
 * released and zeroed, and that no missing page is touched.
 */
/* WRAP: madvise mincore mmap munmap mremap anonymous_store_place anonymous_store_claim */
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
#include "space/segment.h"
#include "store/anonymous_store.h"
#include "store/huge_page_store.h"
#include "support/faults.h"

#define PAGE   ((size_t)4096)
#define CHUNK  SPACE_CHUNK
#define CHUNKS 16
#define OWNER  (ADDRESS_MAP_FIRST_OWNER + 2u)
#define DIRT   0x5a

static struct space space;
static struct fault populate_fault;
static struct fault release_fault;
static struct fault mincore_fault;
static bool populates_in_vain; /* madvise(2) succeeds without effect */
static char *base;             /* of the first chunk */
static bool is_there[CHUNKS];  /* the huge pages that the pool has given */

int __wrap_madvise(void *addr, size_t size, int advice);
int __wrap_mincore(void *addr, size_t size, unsigned char *there);

/* Sets whether the pool has given a chunk's page. A chunk without a page must not be touched. */
static void protect(size_t chunk, bool there)
{
    is_there[chunk] = there;
    assert_int_equal(
        mprotect(base + chunk * CHUNK, CHUNK, there ? PROT_READ | PROT_WRITE : PROT_NONE), 0);
}

static struct fault claim_fault;
static struct fault claim_populate_fault;
static struct fault mremap_fault;
static struct fault map_fault;
static char *claimed; /* a map that has not been moved to its place yet */
static size_t claimed_size;

int __wrap_madvise(void *addr, size_t size, int advice)
{
    size_t first = (size_t)((char *)addr - base) / CHUNK;

    if (claimed != NULL && addr == claimed) {
        assert_int_equal(advice, MADV_POPULATE_WRITE);
        assert_int_equal(size, claimed_size);
        return fault_hits(&claim_populate_fault) ? -1 : 0;
    }
    assert_true(advice == MADV_POPULATE_WRITE || advice == MADV_DONTNEED);
    assert_int_equal((uintptr_t)addr % CHUNK, 0);
    assert_int_equal(size % CHUNK, 0);
    if (advice == MADV_POPULATE_WRITE && populates_in_vain)
        return 0;
    for (size_t i = first; i < first + size / CHUNK; i++) {
        assert_true(i < CHUNKS);
        if (fault_hits(advice == MADV_POPULATE_WRITE ? &populate_fault : &release_fault))
            return -1;
        if (advice == MADV_DONTNEED && is_there[i])
            memset(base + i * CHUNK, 0, CHUNK);
        protect(i, advice == MADV_POPULATE_WRITE);
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

/* The pool has one unrequested page, or none. */
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
    if (claimed != NULL && addr == claimed) {
        assert_int_equal(size, claimed_size);
        claimed = NULL;
    }
    pages_of_pool -= size == CHUNK;
    return __real_munmap(addr, size);
}

static int map_space(void *addr, size_t size)
{
    return mmap(addr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
                0) == MAP_FAILED
               ? -errno
               : 0;
}

/* -- A pool that has pages for this process alone ---------------------------------------------- */

static bool is_claimed[CHUNKS];

/* One call: the old map is moved, and replaces the map at the new place. */
void *__real_mremap(void *old, size_t old_size, size_t size, int flags, void *addr);
void *__wrap_mremap(void *old, size_t old_size, size_t size, int flags, void *addr);

void *__wrap_mremap(void *old, size_t old_size, size_t size, int flags, void *addr)
{
    size_t first = (size_t)((char *)addr - base) / CHUNK;

    assert_ptr_equal(old, claimed);
    assert_int_equal(old_size, claimed_size);
    assert_int_equal(size, claimed_size);
    assert_int_equal(flags, MREMAP_MAYMOVE | MREMAP_FIXED);
    if (fault_hits(&mremap_fault))
        return MAP_FAILED;
    for (size_t i = first; i < first + size / CHUNK; i++)
        is_there[i] = is_claimed[i] = true;
    claimed = NULL;
    return __real_mremap(old, old_size, size, flags, addr);
}

static bool claims; /* the kernel has reserved pages for this process */

int __wrap_anonymous_store_claim(struct space *of, size_t size, void **addr);
int __wrap_anonymous_store_place(struct space *of, void *addr, size_t size, enum vm_access access);

int __wrap_anonymous_store_claim(struct space *of, size_t size, void **addr)
{
    (void)of;
    assert_null(claimed);
    if (fault_hits(&claim_fault) || !claims)
        return -ENOMEM;
    *addr = __real_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(*addr, MAP_FAILED);
    claimed = *addr;
    claimed_size = size;
    return 0;
}

int __wrap_anonymous_store_place(struct space *of, void *addr, size_t size, enum vm_access access)
{
    assert_int_equal(access, VM_WRITE);
    if (segment_of(of, addr) == NULL)
        return map_space(addr, size);
    if (!claims)
        return -ENOMEM;
    if (fault_hits(&map_fault))
        return -map_fault.error;
    size_t first = (size_t)((char *)addr - base) / CHUNK;
    for (size_t i = first; i < first + size / CHUNK; i++)
        is_there[i] = is_claimed[i] = false;
    return map_space(addr, size);
}

/* Other segments of the space come first, so that offsets and addresses differ. */
static int set_up(bool pool_claims)
{
    void *addr;

    populate_fault = release_fault = mincore_fault = (struct fault){0};
    claim_fault = claim_populate_fault = mremap_fault = map_fault = (struct fault){0};
    memset(is_there, 0, sizeof(is_there));
    memset(is_claimed, 0, sizeof(is_claimed));
    claims = pool_claims;
    assert_int_equal(space_init(&space, &huge_page_store, 0, OWNER), 0);
    assert_int_equal(space_reserve(&space, ADDRESS_MAP_GRANULE, CHUNK, &addr), 0);
    assert_int_equal(space_reserve(&space, CHUNK, CHUNK, &addr), 0);
    base = addr;
    return 0;
}

static int setup(void **state)
{
    (void)state;
    return set_up(false);
}

static int setup_claiming(void **state)
{
    (void)state;
    return set_up(true);
}

static int teardown(void **state)
{
    (void)state;
    space_fini(&space);
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

/* A region that ends within a chunk does not share the chunk. */
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

/*
 * However many pages the pool had for a commit: no other page is touched, and the commit is undone.
 */
static void pool_runs_out(void **state)
{
    char *region = reserve(4 * CHUNK);

    (void)state;
    for (unsigned requested = 0; requested < 4; requested++) {
        fault_set(&populate_fault, EFAULT, FAULT_ALWAYS);
        populate_fault.skip = requested;
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

/* A part of a huge page is zeroed, whatever mincore(2) returns. */
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

/*
 * It is unknown whether the page exists, and it cannot be committed: it is zeroed before its next
 * use.
 */
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

/* Each chunk is tried once, and none that has live pages. */
static void empty_chunks_are_claimed(void **state)
{
    char *region = reserve(4 * CHUNK);
    const bool *claimed_here = is_claimed + (region - base) / (ptrdiff_t)CHUNK;

    (void)state;
    assert_int_equal(space_commit(&space, region + CHUNK + PAGE, PAGE), 0);
    memset(region + CHUNK + PAGE, DIRT, PAGE);
    assert_true(claimed_here[1]);
    assert_int_equal(claim_fault.calls, 1);
    assert_int_equal(space_commit(&space, region + CHUNK + 2 * PAGE, PAGE), 0);
    assert_int_equal(claim_fault.calls, 1);
    /* The chunk before, the rest of this one, and two after it. */
    assert_int_equal(space_commit(&space, region + PAGE, CHUNK), 0);
    assert_int_equal(space_commit(&space, region + CHUNK + 3 * PAGE, 3 * CHUNK - 3 * PAGE), 0);
    assert_int_equal(claim_fault.calls, 3);
    for (size_t i = 0; i < 4; i++)
        assert_true(claimed_here[i]);
    assert_int_equal(region[CHUNK + PAGE], DIRT);
    memset(region, DIRT, 4 * CHUNK);
}

static void what_was_claimed_goes_back(void **state)
{
    char *region = reserve(3 * CHUNK);
    const bool *claimed_here = is_claimed + (region - base) / (ptrdiff_t)CHUNK;
    const bool *there = is_there + (region - base) / (ptrdiff_t)CHUNK;

    (void)state;
    assert_int_equal(space_commit(&space, region, 3 * CHUNK), 0);
    memset(region, DIRT, 3 * CHUNK);
    assert_int_equal(space_decommit(&space, region + PAGE, 2 * CHUNK), 0);
    assert_true(claimed_here[0] && !claimed_here[1] && claimed_here[2]);
    assert_int_equal(release_fault.calls, 0);
    assert_true(is_zero(region + PAGE, CHUNK - PAGE));
    assert_int_equal(region[2 * CHUNK + PAGE], DIRT);
    /* If the map cannot be made, the pages are released nevertheless. */
    fault_set(&map_fault, ENOMEM, 1);
    assert_int_equal(space_decommit(&space, region, PAGE), 0);
    assert_int_equal(release_fault.calls, 1);
    assert_false(there[0]);
    assert_int_equal(space_commit(&space, region, CHUNK), 0);
    assert_true(is_zero(region, CHUNK));
}

/* Each step of a claim fails: the pages are committed in place, and no map is left elsewhere. */
static void what_cannot_be_claimed_is_taken_in_place(void **state)
{
    struct fault *const faults[] = {&claim_fault, &claim_populate_fault, &mremap_fault};
    char *region = reserve(2 * CHUNK);
    const bool *claimed_here = is_claimed + (region - base) / (ptrdiff_t)CHUNK;
    const bool *there = is_there + (region - base) / (ptrdiff_t)CHUNK;

    (void)state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
        fault_set(faults[i], ENOMEM, 1);
        assert_int_equal(space_commit(&space, region + PAGE, CHUNK), 0);
        assert_null(claimed);
        assert_int_equal(faults[i]->calls, 1);
        assert_true(there[0] && there[1] && !claimed_here[0] && !claimed_here[1]);
        memset(region + PAGE, DIRT, CHUNK);
        assert_int_equal(space_decommit(&space, region + PAGE, CHUNK), 0);
        assert_int_equal(count_there(), 0);
    }
    fault_set(&claim_fault, ENOMEM, FAULT_ALWAYS);
    fault_set(&populate_fault, EFAULT, FAULT_ALWAYS);
    assert_int_equal(space_commit(&space, region + PAGE, CHUNK), -ENOMEM);
    assert_int_equal(count_there(), 0);
    assert_int_equal(space_held(&space), 0);
}

#define CLAIMING(test) cmocka_unit_test_setup_teardown(test, setup_claiming, teardown)
#define TEST(test)     cmocka_unit_test_setup_teardown(test, setup, teardown)

static void empty_pool_is_seen(void **state)
{
    (void)state;
    errno = EXDEV;
    pool_is_empty = true;
    assert_false(space_has_room(&space, 1));
    /* The result is cached for a moment, but not after a page was released. */
    pool_is_empty = false;
    assert_false(space_has_room(&space, 1));
    char *block = reserve(CHUNK);
    assert_int_equal(space_commit(&space, block, CHUNK), 0);
    assert_int_equal(space_decommit(&space, block, CHUNK), 0);
    pages_of_pool = 0;
    assert_true(space_has_room(&space, 1));
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
        CLAIMING(empty_chunks_are_claimed),
        CLAIMING(what_was_claimed_goes_back),
        CLAIMING(what_cannot_be_claimed_is_taken_in_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
