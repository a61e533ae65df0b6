/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of kinds with their own arenas: where their memory comes from, failures, and which kind
 * owns a block.
 */
/* WRAP: mmap madvise memory_policy_bind */
/* WRAP: jemalloc_ctl_add_arena_stats */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <jemalloc/jemalloc.h>

#include "heap/heap.h"
#include "heap/jemalloc_ctl.h"
#include "kinds/kind_registry.h"
#include "memkind.h"
#include "memkind/internal/memkind_arena.h"
#include "memkind/internal/memkind_default.h"
#include "memkind/internal/memkind_pmem.h"
#include "os/memory_policy.h"
#include "space/address_map.h"
#include "support/arenas.h"
#include "support/fake_calloc.h"
#include "support/fake_malloc.h"
#include "support/fake_mutex.h"
#include "support/faults.h"

#define MIB        ((size_t)1 << 20)
#define SOME_ERRNO 1234
#define FILLER     0x2d
#define MANY       300
#define PARTITIONS (MEMKIND_NUM_BASE_KIND + MEMKIND_MAX_KIND)
#define MOST_CALLS 600u

static struct memkind *kinds_before[PARTITIONS];
static struct fault mmap_fault; /* of maps at a fixed address: the kind's own memory */
static struct fault madvise_fault;
static struct fault mbind_fault;
static struct fault stats_fault;
static int bound_mode;

void *__real_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
int __real_madvise(void *addr, size_t size, int advice);
int __wrap_madvise(void *addr, size_t size, int advice);
int __wrap_memory_policy_bind(void *addr, size_t size, int mode, const unsigned long *nodes,
                              unsigned long maxnode);
int __real_jemalloc_ctl_add_arena_stats(unsigned arena, struct jemalloc_stats *stats);
int __wrap_jemalloc_ctl_add_arena_stats(unsigned arena, struct jemalloc_stats *stats);

void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset)
{
    if ((flags & MAP_FIXED) != 0 && fault_hits_if_set(&mmap_fault))
        return MAP_FAILED;
    return __real_mmap(addr, size, protection, flags, fd, offset);
}

int __wrap_madvise(void *addr, size_t size, int advice)
{
    return fault_hits_if_set(&madvise_fault) ? -1 : __real_madvise(addr, size, advice);
}

int __wrap_memory_policy_bind(void *addr, size_t size, int mode, const unsigned long *nodes,
                              unsigned long maxnode)
{
    (void)addr;
    (void)size;
    (void)nodes;
    (void)maxnode;
    bound_mode = mode;
    return fault_hits_if_set(&mbind_fault) ? -mbind_fault.error : 0;
}

int __wrap_jemalloc_ctl_add_arena_stats(unsigned arena, struct jemalloc_stats *stats)
{
    return fault_hits_if_set(&stats_fault) ? -stats_fault.error
                                           : __real_jemalloc_ctl_add_arena_stats(arena, stats);
}

/* -- Fixture ----------------------------------------------------------------------------------- */

static struct memkind_ops ops; /* of the kinds of the tests; each test may change it */
static struct memkind kind;

static void no_faults(void)
{
    mmap_fault = madvise_fault = mbind_fault = calloc_fault = malloc_fault = (struct fault){0};
    mutex_fault = stats_fault = (struct fault){0};
    arenas_reset_faults();
}

static int setup_nothing(void **state)
{
    (void)state;
    no_faults();
    unsetenv("MEMKIND_ARENA_NUM_PER_KIND");
    arenas_alive = 0;
    bound_mode = -1;
    ops = MEMKIND_REGULAR_OPS;
    ops.destroy = memkind_arena_destroy;
    memset(&kind, 0, sizeof(kind));
    for (unsigned i = 0; i < PARTITIONS; i++)
        kinds_before[i] = kind_registry_get(i);
    return 0;
}

static void check_nothing_left(void)
{
    assert_int_equal(arenas_alive, 0);
    for (unsigned i = 0; i < PARTITIONS; i++)
        assert_ptr_equal(kind_registry_get(i), kinds_before[i]);
}

static int teardown_nothing(void **state)
{
    (void)state;
    check_nothing_left();
    return 0;
}

static int setup(void **state)
{
    setup_nothing(state);
    return memkind_arena_create(&kind, &ops, "arena kind");
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(memkind_arena_destroy(&kind), MEMKIND_SUCCESS);
    check_nothing_left();
    return 0;
}

static bool is_filled(const unsigned char *block, size_t size, unsigned char value)
{
    for (size_t i = 0; i < size; i++)
        if (block[i] != value)
            return false;
    return true;
}

/* -- The kind of the library ------------------------------------------------------------------- */

/* Before any other kind: the library has not been initialised. */
static void regular_kind_can_be_the_first_of_all(void **state)
{
    void *block = memkind_malloc(MEMKIND_REGULAR, 100);

    (void)state;
    assert_non_null(block);
    memset(block, FILLER, 100);
    assert_ptr_equal(memkind_detect_kind(block), MEMKIND_REGULAR);
    memkind_free(MEMKIND_REGULAR, block);
}

static void *malloc_of_regular(void *arg)
{
    (void)arg;
    return memkind_malloc(MEMKIND_REGULAR, 64);
}

static void regular_kind_has_one_heap(void **state)
{
    pthread_t threads[4];
    void *blocks[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, malloc_of_regular, NULL), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], &blocks[i]), 0);
    for (int i = 0; i < 4; i++) {
        assert_ptr_equal(memkind_detect_kind(blocks[i]), MEMKIND_REGULAR);
        memkind_free(NULL, blocks[i]);
    }
    arenas_alive = 0; /* REGULAR's arenas are kept */
}

/* -- Create ------------------------------------------------------------------------------------ */

static void created_kind_works(void **state)
{
    (void)state;
    assert_string_equal(kind.name, "arena kind");
    assert_ptr_equal(kind_registry_get(kind.partition), &kind);
    assert_int_equal(kind.arena_map_len & kind.arena_map_mask, 0);
    assert_int_equal(kind.arena_map[0], kind.arena_zero);
    unsigned char *block = memkind_calloc(&kind, 10, 10);
    assert_non_null(block);
    assert_true(is_filled(block, 100, 0));
    assert_int_equal(address_map_owner(block), kind_registry_owner(&kind));
    assert_int_equal(bound_mode, MPOL_BIND);
    memkind_free(&kind, block);
}

/* Returns whether creation failed with the n-th call of this fault. */
static bool create_fails_at(struct fault *fault, int error, unsigned n, int status)
{
    memset(&kind, 0, sizeof(kind));
    fault_set(fault, error, 1);
    fault->skip = n;
    int result = memkind_arena_create(&kind, &ops, "x");
    bool was_hit = fault->calls > n;
    no_faults();
    if (result == MEMKIND_SUCCESS)
        memkind_arena_destroy(&kind);
    else
        assert_int_equal(result, status);
    check_nothing_left();
    return was_hit;
}

static unsigned fail_each_call(struct fault *fault, int error, int status)
{
    unsigned n = 0;

    while (create_fails_at(fault, error, n, status)) {
        n++;
        assert_true(n < MOST_CALLS);
    }
    return n;
}

static void kind_that_cannot_be_made_leaves_nothing(void **state)
{
    (void)state;
    assert_true(fail_each_call(&calloc_fault, ENOMEM, MEMKIND_ERROR_MALLOC) >= 1);
    assert_true(fail_each_call(&malloc_fault, ENOMEM, MEMKIND_ERROR_MALLOC) >= 2);
    assert_true(fail_each_call(&mutex_fault, ENOMEM, MEMKIND_ERROR_MALLOC) >= 1);
    assert_int_equal(fail_each_call(&create_fault, EAGAIN, MEMKIND_ERROR_ARENAS_CREATE), 1);
    assert_int_equal(fail_each_call(&decay_fault, EFAULT, MEMKIND_ERROR_ARENAS_CREATE), 1);
    setenv("MEMKIND_ARENA_NUM_PER_KIND", "none", 1);
    memset(&kind, 0, sizeof(kind));
    assert_int_equal(memkind_arena_create(&kind, &ops, "x"), MEMKIND_ERROR_ENVIRON);
    check_nothing_left();
}

static void incomplete_arguments_are_invalid(void **state)
{
    (void)state;
    assert_int_equal(memkind_arena_create(NULL, &ops, "x"), MEMKIND_ERROR_INVALID);
    assert_int_equal(memkind_arena_create(&kind, NULL, "x"), MEMKIND_ERROR_INVALID);
    assert_int_equal(memkind_arena_create(&kind, &ops, NULL), MEMKIND_ERROR_INVALID);
}

static void bijective_kind_has_one_arena(void **state)
{
    unsigned arena = 0;

    (void)state;
    setenv("MEMKIND_ARENA_NUM_PER_KIND", "64", 1);
    ops.get_arena = memkind_bijective_get_arena;
    assert_int_equal(memkind_arena_create(&kind, &ops, "one"), MEMKIND_SUCCESS);
    assert_int_equal(kind.arena_map_len, 1);
    assert_int_equal(memkind_bijective_get_arena(&kind, &arena, 1), MEMKIND_SUCCESS);
    assert_int_equal(arena, kind.arena_zero);
    assert_int_equal(memkind_arena_destroy(&kind), MEMKIND_SUCCESS);
}

/* -- Memory ------------------------------------------------------------------------------------ */

static int no_advice(struct memkind *of, void *addr, size_t size)
{
    (void)of;
    (void)addr;
    (void)size;
    return MEMKIND_ERROR_OPERATION_FAILED;
}

static int no_flags(struct memkind *of, int *flags)
{
    (void)of;
    (void)flags;
    return MEMKIND_ERROR_INVALID;
}

static int no_numa(struct memkind *of, void *addr, size_t size)
{
    (void)of;
    (void)addr;
    (void)size;
    return MEMKIND_ERROR_UNAVAILABLE;
}

static void expect_no_block(void)
{
    for (size_t size = 1; size <= MIB; size *= 1024) {
        errno = 0;
        assert_null(memkind_malloc(&kind, size));
        assert_int_equal(errno, ENOMEM);
    }
}

static void memory_that_cannot_be_mapped_is_null(void **state)
{
    (void)state;
    fault_set(&mmap_fault, ENOMEM, FAULT_ALWAYS);
    expect_no_block();
    no_faults();
    memkind_free(&kind, memkind_malloc(&kind, 1));
}

static void memory_that_cannot_be_bound_is_null(void **state)
{
    (void)state;
    fault_set(&mbind_fault, EINVAL, FAULT_ALWAYS);
    expect_no_block();
    no_faults();
    memkind_free(&kind, memkind_malloc(&kind, 1));
}

static void memory_without_its_flags_or_advice_is_null(void **state)
{
    (void)state;
    ops.get_mmap_flags = no_flags;
    expect_no_block();
    ops.get_mmap_flags = NULL;
    ops.madvise = memkind_nohugepage_madvise;
    fault_set(&madvise_fault, EAGAIN, FAULT_ALWAYS);
    expect_no_block();
    no_faults();
    memkind_free(&kind, memkind_malloc(&kind, 1));
}

/* An operation of the program need not set errno. */
static void advice_that_fails_without_errno_is_null(void **state)
{
    (void)state;
    ops.madvise = no_advice;
    errno = 0;
    void *block = memkind_malloc(&kind, 1);
    ops.madvise = NULL;
    assert_null(block);
}

static void memory_of_a_kernel_without_nodes_is_used(void **state)
{
    (void)state;
    ops.mbind = no_numa;
    void *block = memkind_malloc(&kind, MIB);
    assert_non_null(block);
    memkind_free(&kind, block);
}

static void pages_go_back_and_are_zero_again(void **state)
{
    (void)state;
    assert_int_equal(
        memkind_arena_update_memory_usage_policy(&kind, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE),
        MEMKIND_SUCCESS);
    for (int i = 0; i < 3; i++) {
        unsigned char *block = memkind_calloc(&kind, 1, MIB);

        assert_true(is_filled(block, MIB, 0));
        memset(block, FILLER, MIB);
        memkind_free(&kind, block);
    }
    /* If the pages cannot be released, they are reused all the same, and zeroed. */
    fault_set(&madvise_fault, EINVAL, FAULT_ALWAYS);
    for (int i = 0; i < 3; i++) {
        unsigned char *block = memkind_calloc(&kind, 1, MIB);

        assert_true(is_filled(block, MIB, 0));
        memset(block, FILLER, MIB);
        memkind_free(&kind, block);
    }
}

/* -- Blocks ------------------------------------------------------------------------------------ */

static void requests_of_no_size_are_refused_or_smallest(void **state)
{
    void *block = &kind;

    (void)state;
    errno = SOME_ERRNO;
    assert_null(memkind_arena_malloc(&kind, 0));
    assert_null(memkind_arena_calloc(&kind, 0, 5));
    assert_null(memkind_arena_calloc(&kind, 5, 0));
    assert_int_equal(memkind_arena_posix_memalign(&kind, &block, 64, 0), 0);
    assert_null(block);
    assert_int_equal(errno, SOME_ERRNO);
    kind.allow_zero_allocs = true;
    block = memkind_arena_malloc(&kind, 0);
    assert_non_null(block);
    memkind_arena_free(&kind, block);
    block = memkind_arena_calloc(&kind, 0, 5);
    assert_non_null(block);
    memkind_arena_free(&kind, block);
    assert_int_equal(memkind_arena_posix_memalign(&kind, &block, 64, 0), 0);
    assert_non_null(block);
    memkind_arena_free(&kind, block);
}

static void impossible_requests_are_refused(void **state)
{
    void *block = &kind;

    (void)state;
    errno = 0;
    assert_null(memkind_arena_calloc(&kind, SIZE_MAX / 2, 3));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(memkind_arena_malloc(&kind, SIZE_MAX));
    assert_int_equal(errno, ENOMEM);
    errno = SOME_ERRNO;
    assert_int_equal(memkind_arena_posix_memalign(&kind, &block, 64, SIZE_MAX), ENOMEM);
    assert_int_equal(memkind_arena_posix_memalign(&kind, &block, 3, 8), EINVAL);
    assert_int_equal(memkind_arena_posix_memalign(&kind, &block, 4, 8), EINVAL);
    assert_int_equal(memkind_arena_posix_memalign(&kind, &block, 0, 8), EINVAL);
    assert_null(block);
    assert_int_equal(errno, SOME_ERRNO);
}

static void realloc_is_malloc_or_free_at_its_ends(void **state)
{
    void *block = memkind_arena_realloc(&kind, NULL, 100);

    (void)state;
    assert_non_null(block);
    assert_null(memkind_arena_realloc(&kind, block, 0));
    memkind_arena_free(&kind, NULL);
    memkind_arena_free_with_kind_detect(NULL);
    assert_null(memkind_arena_detect_kind(NULL));
    assert_null(memkind_arena_defrag_reallocate(&kind, NULL));
    errno = 0;
    assert_null(memkind_arena_realloc_with_kind_detect(NULL, 1));
    assert_int_equal(errno, EINVAL);
}

static void kind_is_found_from_the_block(void **state)
{
    void *block = memkind_arena_malloc(&kind, 100);

    (void)state;
    assert_ptr_equal(memkind_arena_detect_kind(block), &kind);
    block = memkind_arena_realloc_with_kind_detect(block, MIB);
    assert_ptr_equal(memkind_arena_detect_kind(block), &kind);
    memkind_arena_free_with_kind_detect(block);
    block = memkind_arena_malloc(&kind, 100);
    memkind_default_free(NULL, block);
}

/* A program that passes the wrong kind must not make one kind allocate another's memory. */
static void blocks_stay_with_their_kind(void **state)
{
    static void *blocks[MANY];
    struct memkind other = {0};

    (void)state;
    assert_int_equal(memkind_arena_create(&other, &ops, "other"), MEMKIND_SUCCESS);
    for (size_t i = 0; i < MANY; i++) {
        blocks[i] = memkind_arena_malloc(&other, 100);
        assert_non_null(blocks[i]);
    }
    for (size_t i = 0; i < MANY / 2; i++)
        memkind_arena_free(&kind, blocks[i]);
    for (size_t i = MANY / 2; i < MANY; i++)
        blocks[i] = memkind_arena_realloc(&kind, blocks[i], 1000);
    size_t strangers = 0;
    for (size_t i = 0; i < MANY / 2; i++) {
        blocks[i] = memkind_arena_malloc(&kind, 100);
        strangers += memkind_arena_detect_kind(blocks[i]) != &kind;
    }
    for (size_t i = 0; i < MANY; i++)
        memkind_arena_free_with_kind_detect(blocks[i]);
    assert_int_equal(memkind_arena_destroy(&other), MEMKIND_SUCCESS);
    assert_int_equal(strangers, 0);
}

/* -- Memory from the program's hooks ----------------------------------------------------------- */

static void *foreign_alloc(extent_hooks_t *hooks, void *addr, size_t size, size_t alignment,
                           bool *zero, bool *commit, unsigned arena)
{
    (void)hooks;
    (void)arena;
    if (addr != NULL)
        return NULL;
    char *memory = __real_mmap(NULL, size + alignment, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    *zero = true;
    *commit = true;
    return memory + (-(uintptr_t)memory & (alignment - 1));
}

static void kind_over_hooks_works(void **state)
{
    static extent_hooks_t hooks = {.alloc = foreign_alloc};

    (void)state;
    assert_int_equal(memkind_default_create(&kind, &ops, "hooks"), MEMKIND_SUCCESS);
    assert_int_equal(memkind_arena_create_map(&kind, &hooks), MEMKIND_SUCCESS);
    for (size_t size = 1; size <= 4 * MIB; size *= 8) {
        void *block = memkind_malloc(&kind, size);

        assert_non_null(block);
        memset(block, FILLER, size);
        assert_int_equal(address_map_owner(block), ADDRESS_MAP_MIXED);
        assert_ptr_equal(memkind_detect_kind(block), &kind);
        memkind_free(size % 16 == 0 ? NULL : &kind, block);
    }
    assert_int_equal(memkind_arena_destroy(&kind), MEMKIND_SUCCESS);
    memset(&kind, 0, sizeof(kind));
    memkind_default_create(&kind, &ops, "hooks");
    fault_set(&create_fault, EAGAIN, 1);
    assert_int_equal(memkind_arena_create_map(&kind, &hooks), MEMKIND_ERROR_ARENAS_CREATE);
}

/* -- Arenas, policy, counters ------------------------------------------------------------------ */

static void arena_of_a_thread_is_one_of_the_kind(void **state)
{
    unsigned arena = 0;

    (void)state;
    assert_int_equal(memkind_thread_get_arena(&kind, &arena, 1), MEMKIND_SUCCESS);
    assert_true(arena_set_has(&kind.heap->arenas, arena));
}

static void policy_is_checked(void **state)
{
    (void)state;
    assert_int_equal(
        memkind_arena_update_memory_usage_policy(&kind, MEMKIND_MEM_USAGE_POLICY_MAX_VALUE),
        MEMKIND_ERROR_INVALID);
    assert_int_equal(memkind_arena_update_memory_usage_policy(&kind, (memkind_mem_usage_policy)-1),
                     MEMKIND_ERROR_INVALID);
    fault_set(&decay_fault, EFAULT, 1);
    assert_int_equal(
        memkind_arena_update_memory_usage_policy(&kind, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE),
        MEMKIND_ERROR_RUNTIME);
}

static void counters_are_the_kinds_own(void **state)
{
    void *other = memkind_malloc(MEMKIND_DEFAULT, 3 * MIB);
    void *block = memkind_malloc(&kind, MIB);
    size_t value = 0;

    (void)state;
    assert_int_equal(memkind_update_cached_stats(), MEMKIND_SUCCESS);
    assert_int_equal(memkind_arena_get_stat(&kind, MEMKIND_STAT_TYPE_ALLOCATED, &value),
                     MEMKIND_SUCCESS);
    assert_int_equal(value, MIB);
    assert_int_equal(memkind_arena_get_stat(&kind, MEMKIND_STAT_TYPE_MAX_VALUE, &value),
                     MEMKIND_ERROR_INVALID);
    fault_set(&stats_fault, EFAULT, 1);
    assert_int_equal(memkind_arena_get_stat(&kind, MEMKIND_STAT_TYPE_ALLOCATED, &value),
                     MEMKIND_ERROR_RUNTIME);
    memkind_free(&kind, block);
    memkind_free(NULL, other);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define BARE(name) cmocka_unit_test_setup_teardown(name, setup_nothing, teardown_nothing)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(regular_kind_can_be_the_first_of_all, setup_nothing),
        cmocka_unit_test_setup(regular_kind_has_one_heap, setup_nothing),
        TEST(created_kind_works),
        BARE(kind_that_cannot_be_made_leaves_nothing),
        BARE(incomplete_arguments_are_invalid),
        BARE(bijective_kind_has_one_arena),
        TEST(memory_that_cannot_be_mapped_is_null),
        TEST(memory_that_cannot_be_bound_is_null),
        TEST(memory_without_its_flags_or_advice_is_null),
        TEST(advice_that_fails_without_errno_is_null),
        TEST(memory_of_a_kernel_without_nodes_is_used),
        TEST(pages_go_back_and_are_zero_again),
        TEST(requests_of_no_size_are_refused_or_smallest),
        TEST(impossible_requests_are_refused),
        TEST(realloc_is_malloc_or_free_at_its_ends),
        TEST(kind_is_found_from_the_block),
        TEST(blocks_stay_with_their_kind),
        BARE(kind_over_hooks_works),
        TEST(arena_of_a_thread_is_one_of_the_kind),
        TEST(policy_is_checked),
        TEST(counters_are_the_kinds_own),
    };

    /* The default kind creates its arena before others are counted. */
    memkind_free(NULL, memkind_malloc(MEMKIND_DEFAULT, 1));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
