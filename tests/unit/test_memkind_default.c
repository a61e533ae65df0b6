/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the default kind, and of the helpers for other kinds: flags, masks, binding, advice. */
/* WRAP: mmap madvise memory_policy_bind memory_policy_allowed numa_nodes_with_cpus */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kinds/memkind_default_internal.h"
#include "memkind.h"
#include "memkind/internal/memkind_default.h"
#include "os/memory_policy.h"
#include "support/faults.h"

#define MIB        ((size_t)1 << 20)
#define GIB        ((size_t)1 << 30)
#define PAGE       4096
#define SOME_ERRNO 1234
#define LONG_BITS  (8 * sizeof(unsigned long))
#define GUARD      0x5555555555555555ul

static struct fault mmap_fault;
static struct fault madvise_fault;
static struct fault mbind_fault;
static struct fault numa_fault;
static int nodes_error;
static int seen_flags;
static int seen_advice;
static int seen_mode;
static unsigned long seen_nodes;

void *__real_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
int __wrap_madvise(void *addr, size_t size, int advice);
int __wrap_memory_policy_bind(void *addr, size_t size, int mode, const unsigned long *nodes,
                              unsigned long maxnode);
int __real_memory_policy_allowed(unsigned long *nodes, unsigned long maxnode);
int __wrap_memory_policy_allowed(unsigned long *nodes, unsigned long maxnode);
int __real_numa_nodes_with_cpus(unsigned long *mask, unsigned long maxnode);
int __wrap_numa_nodes_with_cpus(unsigned long *mask, unsigned long maxnode);

void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset)
{
    seen_flags = flags;
    return fault_hits(&mmap_fault) ? MAP_FAILED
                                   : __real_mmap(addr, size, protection, flags, fd, offset);
}

int __wrap_madvise(void *addr, size_t size, int advice)
{
    (void)addr;
    (void)size;
    seen_advice = advice;
    return fault_hits(&madvise_fault) ? -1 : 0;
}

int __wrap_memory_policy_bind(void *addr, size_t size, int mode, const unsigned long *nodes,
                              unsigned long maxnode)
{
    (void)addr;
    /* A size of 0 only checks the permission. */
    if (size == 0)
        return fault_hits(&mbind_fault) ? -mbind_fault.error : 0;
    assert_true(maxnode >= LONG_BITS);
    seen_mode = mode;
    seen_nodes = nodes[0];
    return fault_hits(&mbind_fault) ? -mbind_fault.error : 0;
}

int __wrap_memory_policy_allowed(unsigned long *nodes, unsigned long maxnode)
{
    return fault_hits(&numa_fault) ? -ENOSYS : __real_memory_policy_allowed(nodes, maxnode);
}

int __wrap_numa_nodes_with_cpus(unsigned long *mask, unsigned long maxnode)
{
    return nodes_error != 0 ? nodes_error : __real_numa_nodes_with_cpus(mask, maxnode);
}

static int setup(void **state)
{
    (void)state;
    mmap_fault = madvise_fault = mbind_fault = numa_fault = (struct fault){0};
    nodes_error = 0;
    errno = SOME_ERRNO;
    return 0;
}

/* -- Life -------------------------------------------------------------------------------------- */

static void create_sets_operations_and_name(void **state)
{
    char name[2 * MEMKIND_NAME_LENGTH_PRIV];
    struct memkind kind = {.allow_zero_allocs = true};

    (void)state;
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(kind.name)] = '\0';
    assert_int_equal(memkind_default_create(&kind, &MEMKIND_DEFAULT_OPS, name),
                     MEMKIND_ERROR_INVALID);
    name[sizeof(kind.name) - 1] = '\0';
    assert_int_equal(memkind_default_create(&kind, &MEMKIND_DEFAULT_OPS, name), MEMKIND_SUCCESS);
    assert_ptr_equal(kind.ops, &MEMKIND_DEFAULT_OPS);
    assert_int_equal(strlen(kind.name), MEMKIND_NAME_LENGTH_PRIV - 1);
    assert_false(kind.allow_zero_allocs);
    assert_int_equal(memkind_default_destroy(&kind), MEMKIND_SUCCESS);
    assert_int_equal(memkind_default_create(NULL, &MEMKIND_DEFAULT_OPS, "x"),
                     MEMKIND_ERROR_INVALID);
    assert_int_equal(memkind_default_create(&kind, NULL, "x"), MEMKIND_ERROR_INVALID);
    assert_int_equal(memkind_default_create(&kind, &MEMKIND_DEFAULT_OPS, NULL),
                     MEMKIND_ERROR_INVALID);
    memkind_default_init_once();
    memkind_default_init_once();
}

/* -- Blocks ------------------------------------------------------------------------------------ */

/*
 * The operations allocate from the default heap, whatever kind of the program they are called for.
 */
static void blocks_are_the_default_kinds(void **state)
{
    struct memkind kind = *MEMKIND_DEFAULT;
    void *block = memkind_default_malloc(&kind, 100);
    void *aligned = NULL;

    (void)state;
    assert_non_null(block);
    assert_ptr_equal(memkind_detect_kind(block), MEMKIND_DEFAULT);
    assert_true(memkind_default_malloc_usable_size(&kind, block) >= 100);
    block = memkind_default_realloc(&kind, block, 100 * MIB);
    assert_ptr_equal(memkind_detect_kind(block), MEMKIND_DEFAULT);
    memkind_default_free(&kind, block);
    block = memkind_default_calloc(&kind, 100, MIB);
    assert_ptr_equal(memkind_detect_kind(block), MEMKIND_DEFAULT);
    memkind_default_free(NULL, block);
    assert_int_equal(memkind_default_posix_memalign(&kind, &aligned, MIB, 1), 0);
    assert_int_equal((uintptr_t)aligned % MIB, 0);
    assert_ptr_equal(memkind_detect_kind(aligned), MEMKIND_DEFAULT);
    memkind_default_free(NULL, aligned);
}

static void requests_of_no_size(void **state)
{
    struct memkind kind = *MEMKIND_DEFAULT;
    void *block = &kind;

    (void)state;
    assert_null(memkind_default_malloc(&kind, 0));
    assert_null(memkind_default_calloc(&kind, 0, 1));
    assert_null(memkind_default_calloc(&kind, 1, 0));
    assert_int_equal(memkind_default_posix_memalign(&kind, &block, 8, 0), 0);
    assert_null(block);
    assert_int_equal(errno, SOME_ERRNO);
    kind.allow_zero_allocs = true;
    block = memkind_default_malloc(&kind, 0);
    assert_non_null(block);
    memkind_default_free(&kind, block);
    assert_int_equal(memkind_default_malloc_usable_size(&kind, NULL), 0);
    assert_null(memkind_default_realloc(&kind, memkind_default_malloc(&kind, 1), 0));
    block = memkind_default_realloc(&kind, NULL, 1);
    assert_non_null(block);
    memkind_default_free(&kind, block);
    memkind_default_free(&kind, NULL);
    assert_null(memkind_defrag_reallocate(&kind, NULL));
}

static void failures_are_enomem(void **state)
{
    void *aligned = &mmap_fault;
    void *block = memkind_default_malloc(MEMKIND_DEFAULT, 100);

    (void)state;
    fault_set(&mmap_fault, ENOMEM, FAULT_ALWAYS);
    errno = 0;
    assert_null(memkind_default_malloc(MEMKIND_DEFAULT, GIB));
    assert_int_equal(errno, ENOMEM);
    memset(block, 1, 100);
    errno = 0;
    assert_null(memkind_default_realloc(MEMKIND_DEFAULT, block, GIB));
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(((char *)block)[99], 1);
    errno = 0;
    assert_null(memkind_default_calloc(MEMKIND_DEFAULT, SIZE_MAX, 2));
    assert_int_equal(errno, ENOMEM);
    errno = SOME_ERRNO;
    assert_int_equal(memkind_default_posix_memalign(MEMKIND_DEFAULT, &aligned, 8, GIB), ENOMEM);
    assert_int_equal(memkind_default_posix_memalign(MEMKIND_DEFAULT, &aligned, 12, 8), EINVAL);
    assert_ptr_equal(aligned, &mmap_fault);
    assert_int_equal(errno, SOME_ERRNO);
    memkind_default_free(MEMKIND_DEFAULT, block);
}

static void alignments_are_powers_of_two_of_a_pointer_or_more(void **state)
{
    (void)state;
    for (size_t alignment = 0; alignment < 1000; alignment++) {
        bool power = alignment != 0 && (alignment & (alignment - 1)) == 0;

        assert_int_equal(memkind_posix_check_alignment(NULL, alignment),
                         power && alignment >= sizeof(void *) ? 0 : EINVAL);
    }
}

/* Blocks of all sizes, in whatever arena jemalloc keeps them. */
static void counters_count_blocks_of_all_sizes(void **state)
{
    const size_t sizes[] = {1000, MIB, 20 * MIB, 200 * MIB};
    size_t before;
    size_t after;

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_int_equal(memkind_update_cached_stats(), MEMKIND_SUCCESS);
        assert_int_equal(memkind_get_stat(MEMKIND_DEFAULT, MEMKIND_STAT_TYPE_ALLOCATED, &before),
                         MEMKIND_SUCCESS);
        void *blocks[64];
        for (int j = 0; j < 64; j++)
            blocks[j] = memkind_default_malloc(MEMKIND_DEFAULT, sizes[i]);
        assert_int_equal(memkind_update_cached_stats(), MEMKIND_SUCCESS);
        assert_int_equal(memkind_get_stat(MEMKIND_DEFAULT, MEMKIND_STAT_TYPE_ALLOCATED, &after),
                         MEMKIND_SUCCESS);
        for (int j = 0; j < 64; j++) {
            assert_non_null(blocks[j]);
            memkind_default_free(MEMKIND_DEFAULT, blocks[j]);
        }
        /* Some small blocks may have been in caches before. */
        assert_true(after >= before + 32 * sizes[i]);
    }
    assert_int_equal(memkind_get_stat(MEMKIND_DEFAULT, MEMKIND_STAT_TYPE_MAX_VALUE, &after),
                     MEMKIND_ERROR_INVALID);
}

/* -- Mapping ----------------------------------------------------------------------------------- */

static int flags_of_test(struct memkind *kind, int *flags)
{
    (void)kind;
    *flags = MAP_SHARED | MAP_ANONYMOUS;
    return MEMKIND_SUCCESS;
}

static int no_flags(struct memkind *kind, int *flags)
{
    (void)kind;
    (void)flags;
    return MEMKIND_ERROR_INVALID;
}

static void maps_have_the_kinds_flags(void **state)
{
    struct memkind_ops ops = {0};
    struct memkind kind = {.ops = &ops};
    int flags = 0;

    (void)state;
    assert_int_equal(memkind_default_get_mmap_flags(NULL, &flags), MEMKIND_SUCCESS);
    assert_int_equal(flags, MAP_PRIVATE | MAP_ANONYMOUS);
    void *mapped = memkind_default_mmap(&kind, NULL, PAGE);
    assert_int_equal(seen_flags, MAP_PRIVATE | MAP_ANONYMOUS);
    munmap(mapped, PAGE);
    ops.get_mmap_flags = flags_of_test;
    mapped = memkind_default_mmap(&kind, NULL, PAGE);
    assert_ptr_not_equal(mapped, MAP_FAILED);
    assert_int_equal(seen_flags, MAP_SHARED | MAP_ANONYMOUS);
    munmap(mapped, PAGE);
    fault_set(&mmap_fault, EAGAIN, 1);
    assert_ptr_equal(memkind_default_mmap(&kind, NULL, PAGE), MAP_FAILED);
    assert_int_equal(errno, EAGAIN);
    ops.get_mmap_flags = no_flags;
    assert_ptr_equal(memkind_default_mmap(&kind, NULL, PAGE), MAP_FAILED);
    assert_int_equal(errno, EINVAL);
}

static void modes_are_those_of_mbind(void **state)
{
    int mode = -1;

    (void)state;
    assert_int_equal(memkind_default_get_mbind_mode(NULL, &mode), MEMKIND_SUCCESS);
    assert_int_equal(mode, MPOL_BIND);
    assert_int_equal(memkind_preferred_get_mbind_mode(NULL, &mode), MEMKIND_SUCCESS);
    assert_int_equal(mode, MPOL_PREFERRED);
    assert_int_equal(memkind_interleave_get_mbind_mode(NULL, &mode), MEMKIND_SUCCESS);
    assert_int_equal(mode, MPOL_INTERLEAVE);
}

static void node_masks_are_checked_and_cleared(void **state)
{
    unsigned long mask[3] = {GUARD, GUARD, GUARD};

    (void)state;
    assert_int_equal(memkind_default_get_mbind_nodemask(NULL, NULL, LONG_BITS),
                     MEMKIND_ERROR_INVALID);
    assert_int_equal(memkind_default_get_mbind_nodemask(NULL, mask, 0), MEMKIND_ERROR_INVALID);
    fault_set(&numa_fault, 0, 1);
    assert_int_equal(memkind_default_get_mbind_nodemask(NULL, mask, LONG_BITS),
                     MEMKIND_ERROR_UNAVAILABLE);
    if (__real_memory_policy_allowed(mask, LONG_BITS) != 0)
        return;
    assert_int_equal(memkind_default_get_mbind_nodemask(NULL, mask, LONG_BITS + 1),
                     MEMKIND_SUCCESS);
    assert_true(mask[0] != 0);
    assert_true(mask[1] == 0 || mask[1] == 1);
    assert_true(mask[2] == GUARD);
}

static void nodes_with_processors_are_asked_for(void **state)
{
    unsigned long mask[1] = {0};

    (void)state;
    nodes_error = -EINVAL;
    assert_int_equal(memkind_regular_all_get_mbind_nodemask(NULL, mask, LONG_BITS),
                     MEMKIND_ERROR_INVALID);
    nodes_error = -ENOSYS;
    assert_int_equal(memkind_regular_all_get_mbind_nodemask(NULL, mask, LONG_BITS),
                     MEMKIND_ERROR_UNAVAILABLE);
    nodes_error = -ENOMEM;
    assert_int_equal(memkind_regular_all_get_mbind_nodemask(NULL, mask, LONG_BITS),
                     MEMKIND_ERROR_UNAVAILABLE);
}

static int one_node(struct memkind *kind, unsigned long *nodemask, unsigned long maxnode)
{
    (void)kind;
    (void)maxnode;
    nodemask[0] = 1ul << 3;
    return MEMKIND_SUCCESS;
}

static int no_nodes(struct memkind *kind, unsigned long *nodemask, unsigned long maxnode)
{
    (void)kind;
    (void)nodemask;
    (void)maxnode;
    return MEMKIND_ERROR_UNAVAILABLE;
}

static int no_mode(struct memkind *kind, int *mode)
{
    (void)kind;
    (void)mode;
    return MEMKIND_ERROR_INVALID;
}

static void binding_uses_the_kinds_mode_and_nodes(void **state)
{
    struct memkind_ops ops = {
        .get_mbind_nodemask = one_node,
        .get_mbind_mode = memkind_interleave_get_mbind_mode,
    };
    struct memkind kind = {.ops = &ops};

    (void)state;
    assert_int_equal(memkind_default_mbind(&kind, NULL, PAGE), MEMKIND_SUCCESS);
    assert_int_equal(seen_mode, MPOL_INTERLEAVE);
    assert_true(seen_nodes == 1ul << 3);
    ops.get_mbind_mode = NULL;
    assert_int_equal(memkind_default_mbind(&kind, NULL, PAGE), MEMKIND_SUCCESS);
    assert_int_equal(seen_mode, MPOL_BIND);
    fault_set(&mbind_fault, EIO, 1);
    assert_int_equal(memkind_default_mbind(&kind, NULL, PAGE), MEMKIND_ERROR_MBIND);
    assert_int_equal(errno, EIO);
    ops.get_mbind_mode = no_mode;
    assert_int_equal(memkind_default_mbind(&kind, NULL, PAGE), MEMKIND_ERROR_INVALID);
    ops.get_mbind_nodemask = no_nodes;
    assert_int_equal(memkind_default_mbind(&kind, NULL, PAGE), MEMKIND_ERROR_UNAVAILABLE);
}

/* The error of mbind(2) in a container. */
static void a_preference_does_without_binding(void **state)
{
    struct memkind_ops ops = {.get_mbind_nodemask = one_node};
    struct memkind kind = {.ops = &ops};
    static const int errors[] = {EPERM, ENOSYS};

    (void)state;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        ops.get_mbind_nodemask = one_node;
        ops.get_mbind_mode = memkind_preferred_get_mbind_mode;
        fault_set(&mbind_fault, errors[i], FAULT_ALWAYS);
        errno = 0;
        assert_int_equal(memkind_default_mbind(&kind, NULL, PAGE), MEMKIND_SUCCESS);
        assert_int_equal(errno, 0);
        ops.get_mbind_mode = memkind_interleave_get_mbind_mode;
        assert_int_equal(memkind_default_mbind(&kind, NULL, PAGE), MEMKIND_SUCCESS);
        ops.get_mbind_mode = memkind_default_get_mbind_mode;
        assert_int_equal(memkind_default_mbind(&kind, NULL, PAGE), MEMKIND_ERROR_MBIND);
        ops.get_mbind_nodemask = memkind_regular_all_get_mbind_nodemask;
        assert_int_equal(memkind_default_mbind(&kind, NULL, PAGE), MEMKIND_SUCCESS);
        /* All nodes: the operations name none. */
        ops.get_mbind_nodemask = NULL;
        assert_int_equal(memkind_default_mbind(&kind, NULL, PAGE), MEMKIND_SUCCESS);
    }
    /* Only this range is refused. */
    ops.get_mbind_mode = memkind_interleave_get_mbind_mode;
    fault_set(&mbind_fault, EPERM, 1);
    assert_int_equal(memkind_default_mbind(&kind, NULL, PAGE), MEMKIND_ERROR_MBIND);
}

static void advice_is_against_huge_pages(void **state)
{
    (void)state;
    assert_int_equal(memkind_nohugepage_madvise(NULL, NULL, PAGE), MEMKIND_SUCCESS);
    assert_int_equal(seen_advice, MADV_NOHUGEPAGE);
    fault_set(&madvise_fault, EINVAL, 1);
    assert_int_equal(memkind_nohugepage_madvise(NULL, (void *)1, PAGE),
                     MEMKIND_ERROR_OPERATION_FAILED);
    assert_int_equal(errno, EINVAL);
    fault_set(&madvise_fault, ENOMEM, 1);
    assert_int_equal(memkind_nohugepage_madvise(NULL, NULL, PAGE), MEMKIND_ERROR_OPERATION_FAILED);
}

static void huge_pages_that_cannot_be_need_no_advice(void **state)
{
    static const int errors[] = {EINVAL, EPERM, ENOSYS};

    (void)state;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        fault_set(&madvise_fault, errors[i], 1);
        errno = 0;
        assert_int_equal(memkind_nohugepage_madvise(NULL, NULL, PAGE), MEMKIND_SUCCESS);
        assert_int_equal(errno, 0);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
    const struct CMUnitTest tests[] = {
        TEST(create_sets_operations_and_name),
        TEST(blocks_are_the_default_kinds),
        TEST(requests_of_no_size),
        TEST(failures_are_enomem),
        TEST(alignments_are_powers_of_two_of_a_pointer_or_more),
        TEST(counters_count_blocks_of_all_sizes),
        TEST(maps_have_the_kinds_flags),
        TEST(huge_pages_that_cannot_be_need_no_advice),
        TEST(a_preference_does_without_binding),
        TEST(modes_are_those_of_mbind),
        TEST(node_masks_are_checked_and_cleared),
        TEST(nodes_with_processors_are_asked_for),
        TEST(binding_uses_the_kinds_mode_and_nodes),
        TEST(advice_is_against_huge_pages),
    };

    /* The idle thread would call the functions that are replaced here. */
    setenv("MEMKIND_IDLE_THREAD", "0", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
