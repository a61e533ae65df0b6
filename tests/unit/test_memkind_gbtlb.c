/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of kinds of huge pages of 1 GiB, with ordinary pages in their place: which blocks are
 * allocated, and what remains after a failed call.
 */
/* WRAP: mmap munmap madvise memcpy address_map_open huge_pages_pool_size_gigantic */
/* WRAP: memkind_hbw_get_mbind_nodemask node_kind_mbind */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/mman.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "hbwmalloc.h"
#include "kinds/kind_registry.h"
#include "memkind.h"
#include "memkind/internal/memkind_arena.h"
#include "memkind/internal/memkind_hbw.h"
#include "os/vm.h"
#include "space/address_map.h"
#include "support/faults.h"

#define GIB  ((size_t)1 << 30)
#define EDGE ((size_t)4096)

static size_t mapped;   /* bytes of such pages */
static size_t pool = 4; /* pages, from sysfs */
static int hbw_status;  /* of the nodes of high bandwidth */
static unsigned binds;
static struct fault mmap_fault, madvise_fault, open_fault, bind_fault;

void *__real_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *addr, size_t size);
int __wrap_munmap(void *addr, size_t size);
int __real_madvise(void *addr, size_t size, int advice);
int __wrap_madvise(void *addr, size_t size, int advice);
void *__real_memcpy(void *to, const void *from, size_t size);
void *__wrap_memcpy(void *to, const void *from, size_t size);
int __real_address_map_open(const void *base, size_t size);
int __wrap_address_map_open(const void *base, size_t size);
size_t __wrap_huge_pages_pool_size_gigantic(const unsigned long *mask, unsigned long maxnode);
int __wrap_memkind_hbw_get_mbind_nodemask(struct memkind *kind, unsigned long *nodemask,
                                          unsigned long maxnode);
int __wrap_node_kind_mbind(struct memkind *kind, void *ptr, size_t size);

/* -- The fake kernel --------------------------------------------------------------------------- */

/* Maps ordinary pages at a multiple of 1 GiB without touching them. */
static void *map_aligned(size_t size)
{
    char *base = __real_mmap(NULL, size + GIB, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    assert_ptr_not_equal(base, MAP_FAILED);
    size_t head = -(uintptr_t)base % GIB;
    if (head != 0)
        __real_munmap(base, head);
    if (head != GIB)
        __real_munmap(base + head + size, GIB - head);
    mapped += size;
    return base + head;
}

void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset)
{
    if ((flags & MAP_HUGETLB) == 0 || (unsigned)flags >> MAP_HUGE_SHIFT != 30)
        return __real_mmap(addr, size, protection, flags, fd, offset);
    assert_int_equal(size % GIB, 0);
    assert_int_equal(flags & MAP_NORESERVE, 0);
    return fault_hits(&mmap_fault) ? MAP_FAILED : map_aligned(size);
}

int __wrap_munmap(void *addr, size_t size)
{
    if ((uintptr_t)addr % GIB == 0 && size % GIB == 0)
        mapped -= size;
    return __real_munmap(addr, size);
}

int __wrap_madvise(void *addr, size_t size, int advice)
{
    if (advice != MADV_POPULATE_WRITE || size < GIB)
        return __real_madvise(addr, size, advice);
    return fault_hits(&madvise_fault) ? -1 : 0;
}

/*
 * Does not touch the pages in the middle of large blocks, for which the machine need not have
 * memory.
 */
void *__wrap_memcpy(void *to, const void *from, size_t size)
{
    if (size < GIB)
        return __real_memcpy(to, from, size);
    __real_memcpy(to, from, EDGE);
    __real_memcpy((char *)to + size - EDGE, (const char *)from + size - EDGE, EDGE);
    return to;
}

int __wrap_address_map_open(const void *base, size_t size)
{
    return size >= GIB && fault_hits(&open_fault) ? -errno : __real_address_map_open(base, size);
}

size_t __wrap_huge_pages_pool_size_gigantic(const unsigned long *mask, unsigned long maxnode)
{
    (void)maxnode;
    return mask == NULL || (mask[0] & 1) != 0 ? pool : 0;
}

int __wrap_memkind_hbw_get_mbind_nodemask(struct memkind *kind, unsigned long *nodemask,
                                          unsigned long maxnode)
{
    (void)kind;
    (void)maxnode;
    nodemask[0] = 1;
    return hbw_status;
}

int __wrap_node_kind_mbind(struct memkind *kind, void *ptr, size_t size)
{
    (void)kind;
    (void)ptr;
    assert_int_equal(size % GIB, 0);
    binds++;
    return fault_hits(&bind_fault) ? MEMKIND_ERROR_MBIND : MEMKIND_SUCCESS;
}

static size_t held(memkind_t kind)
{
    size_t bytes = 1;

    assert_int_equal(memkind_get_stat(kind, MEMKIND_STAT_TYPE_ALLOCATED, &bytes), MEMKIND_SUCCESS);
    return bytes;
}

static int setup(void **state)
{
    (void)state;
    mmap_fault = madvise_fault = open_fault = bind_fault = (struct fault){0};
    hbw_status = MEMKIND_SUCCESS;
    pool = 4;
    binds = 0;
    return 0;
}

/* Nothing may be left, whatever happened. */
static int teardown(void **state)
{
    (void)state;
    assert_int_equal(mapped, 0);
    assert_int_equal(held(MEMKIND_GBTLB), 0);
    assert_int_equal(held(MEMKIND_HBW_GBTLB), 0);
    assert_int_equal(held(MEMKIND_HBW_PREFERRED_GBTLB), 0);
    return 0;
}

/* -- Blocks ------------------------------------------------------------------------------------ */

static void check_block(char *block, memkind_t kind, size_t size)
{
    assert_non_null(block);
    assert_int_equal((uintptr_t)block % GIB, 0);
    assert_ptr_equal(memkind_detect_kind(block), kind);
    assert_ptr_equal(memkind_detect_kind(block + size - 1), kind);
    assert_int_equal(memkind_malloc_usable_size(kind, block), size);
    assert_int_equal(memkind_malloc_usable_size(NULL, block), size);
    assert_int_equal(held(kind), size);
    assert_int_equal(mapped, size);
    block[0] = block[size - 1] = 1;
}

static void blocks_are_whole_pages(void **state)
{
    void *block = NULL;

    (void)state;
    errno = 7;
    block = memkind_malloc(MEMKIND_GBTLB, 1);
    check_block(block, MEMKIND_GBTLB, GIB);
    memkind_free(MEMKIND_GBTLB, block);
    block = memkind_calloc(MEMKIND_HBW_GBTLB, GIB, 1);
    check_block(block, MEMKIND_HBW_GBTLB, GIB);
    memkind_free(NULL, block);
    assert_null(memkind_detect_kind(block));
    assert_int_equal(memkind_posix_memalign(MEMKIND_HBW_PREFERRED_GBTLB, &block, GIB, GIB + 1), 0);
    check_block(block, MEMKIND_HBW_PREFERRED_GBTLB, 2 * GIB);
    memkind_free(MEMKIND_DEFAULT, block);
    assert_int_equal(errno, 7);
    assert_int_equal(binds, 2);
}

static void blocks_of_no_size(void **state)
{
    void *block = MEMKIND_DEFAULT;

    (void)state;
    assert_null(memkind_malloc(MEMKIND_GBTLB, 0));
    assert_null(memkind_calloc(MEMKIND_GBTLB, 1, 0));
    assert_int_equal(memkind_posix_memalign(MEMKIND_GBTLB, &block, 64, 0), 0);
    assert_null(block);
    memkind_set_allow_zero_allocs(MEMKIND_GBTLB, true);
    block = memkind_malloc(MEMKIND_GBTLB, 0);
    check_block(block, MEMKIND_GBTLB, GIB);
    memkind_free(MEMKIND_GBTLB, block);
    memkind_set_allow_zero_allocs(MEMKIND_GBTLB, false);
    memkind_free(MEMKIND_GBTLB, NULL);
}

static void blocks_grow_and_shrink(void **state)
{
    char *block = memkind_realloc(MEMKIND_GBTLB, NULL, 100);

    (void)state;
    check_block(block, MEMKIND_GBTLB, GIB);
    assert_ptr_equal(memkind_realloc(MEMKIND_GBTLB, block, GIB), block);
    char *moved = memkind_realloc(NULL, block, 2 * GIB);
    check_block(moved, MEMKIND_GBTLB, 2 * GIB);
    assert_int_equal(moved[GIB - 1], 1);
    /* Through another kind's name. */
    assert_ptr_equal(memkind_realloc(MEMKIND_HBW_GBTLB, moved, 10), moved);
    check_block(moved, MEMKIND_GBTLB, GIB);
    assert_null(memkind_detect_kind(moved + GIB));
    assert_ptr_equal(memkind_realloc(MEMKIND_DEFAULT, moved, 20), moved);
    assert_null(memkind_realloc(MEMKIND_GBTLB, moved, 0));
}

/* A block of another kind stays that kind's, if it is passed with one of these kinds. */
static void blocks_of_other_kinds(void **state)
{
    char *block = memkind_malloc(MEMKIND_DEFAULT, 100);

    (void)state;
    assert_int_equal(memkind_malloc_usable_size(MEMKIND_GBTLB, block),
                     memkind_malloc_usable_size(MEMKIND_DEFAULT, block));
    block = memkind_realloc(MEMKIND_GBTLB, block, 1000);
    assert_ptr_equal(memkind_detect_kind(block), MEMKIND_DEFAULT);
    memkind_free(MEMKIND_GBTLB, block);
}

static void sizes_of_pages(void **state)
{
    void *block = NULL;

    (void)state;
    assert_int_equal(hbw_set_policy(HBW_POLICY_BIND), 0);
    assert_int_equal(hbw_posix_memalign_psize(&block, 64, 100, HBW_PAGESIZE_1GB), 0);
    check_block(block, MEMKIND_HBW_GBTLB, GIB);
    hbw_free(block);
    assert_int_equal(hbw_posix_memalign_psize(&block, 64, GIB + 1, HBW_PAGESIZE_1GB_STRICT),
                     EINVAL);
    assert_int_equal(hbw_posix_memalign_psize(&block, 64, 2 * GIB, HBW_PAGESIZE_1GB_STRICT), 0);
    check_block(block, MEMKIND_HBW_GBTLB, 2 * GIB);
    hbw_free(block);
}

/* -- Errors ------------------------------------------------------------------------------------ */

static void check_refused(memkind_t kind, struct fault *fault, int error)
{
    void *block = MEMKIND_DEFAULT;

    fault_set(fault, error, 1);
    errno = 0;
    assert_null(memkind_malloc(kind, GIB));
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(mapped, 0);
    assert_int_equal(held(kind), 0);
    fault_set(fault, error, 1);
    errno = 0;
    assert_int_equal(memkind_posix_memalign(kind, &block, 64, GIB), ENOMEM);
    assert_int_equal(errno, 0);
    assert_null(block);
    assert_int_equal(mapped, 0);
    block = memkind_malloc(kind, GIB);
    check_block(block, kind, GIB);
    memkind_free(kind, block);
}

static void calls_that_fail(void **state)
{
    (void)state;
    check_refused(MEMKIND_GBTLB, &mmap_fault, ENOMEM);
    check_refused(MEMKIND_GBTLB, &madvise_fault, EFAULT);
    check_refused(MEMKIND_GBTLB, &madvise_fault, EINVAL);
    check_refused(MEMKIND_GBTLB, &open_fault, ENOMEM);
    check_refused(MEMKIND_HBW_GBTLB, &bind_fault, EPERM);
}

static void block_that_cannot_grow_stays(void **state)
{
    char *block = memkind_malloc(MEMKIND_GBTLB, GIB);

    (void)state;
    fault_set(&mmap_fault, ENOMEM, 1);
    assert_null(memkind_realloc(MEMKIND_GBTLB, block, 2 * GIB));
    check_block(block, MEMKIND_GBTLB, GIB);
    memkind_free(MEMKIND_GBTLB, block);
}

static void sizes_that_cannot_be(void **state)
{
    void *block = NULL;

    (void)state;
    errno = 0;
    assert_null(memkind_malloc(MEMKIND_GBTLB, SIZE_MAX));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(memkind_calloc(MEMKIND_GBTLB, SIZE_MAX / 2, 4));
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(memkind_posix_memalign(MEMKIND_GBTLB, &block, 2 * GIB, GIB), ENOMEM);
    assert_int_equal(memkind_posix_memalign(MEMKIND_GBTLB, &block, 3, GIB), EINVAL);
}

static void what_is_available(void **state)
{
    (void)state;
    assert_int_equal(memkind_check_available(MEMKIND_GBTLB), MEMKIND_SUCCESS);
    assert_int_equal(memkind_check_available(MEMKIND_HBW_GBTLB), MEMKIND_SUCCESS);
    assert_int_equal(memkind_get_capacity(MEMKIND_GBTLB), 4 * GIB);
    assert_int_equal(memkind_get_capacity(MEMKIND_HBW_GBTLB), 4 * GIB);
    assert_int_equal(memkind_get_capacity(MEMKIND_HBW_PREFERRED_GBTLB), -1);
    hbw_status = MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE;
    assert_int_equal(memkind_check_available(MEMKIND_GBTLB), MEMKIND_SUCCESS);
    assert_int_equal(memkind_check_available(MEMKIND_HBW_GBTLB),
                     MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE);
    assert_int_equal(memkind_get_capacity(MEMKIND_HBW_GBTLB), -1);
    pool = 0;
    assert_int_equal(memkind_check_available(MEMKIND_GBTLB), MEMKIND_ERROR_HUGETLB);
    assert_int_equal(memkind_check_available(MEMKIND_HBW_GBTLB), MEMKIND_ERROR_HUGETLB);
    assert_int_equal(memkind_get_capacity(MEMKIND_GBTLB), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(blocks_are_whole_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(blocks_of_no_size, setup, teardown),
        cmocka_unit_test_setup_teardown(blocks_grow_and_shrink, setup, teardown),
        cmocka_unit_test_setup_teardown(blocks_of_other_kinds, setup, teardown),
        cmocka_unit_test_setup_teardown(sizes_of_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(calls_that_fail, setup, teardown),
        cmocka_unit_test_setup_teardown(block_that_cannot_grow_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(sizes_that_cannot_be, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_available, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
