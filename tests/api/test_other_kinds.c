/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the library's other kinds: huge pages, interleaved pages, kinds that are not available,
 * and kinds by their properties.
 */
#include "api/fixture.h"

#include <limits.h>
#include <linux/mman.h>

#include "memkind/internal/memkind_arena.h"
#include "memkind/internal/memkind_default.h"
#include "memkind/internal/memkind_hugetlb.h"
#include "memkind/internal/memkind_interleave.h"
#include "support/mappings.h"

#define HUGE_PAGE   (2 * MIB)
#define POOL        "/proc/sys/vm/nr_hugepages"
#define POOL_PAGES  48
#define NEEDED      16 /* other processes, and recently freed blocks, may hold the rest */
#define INTERLEAVED 3  /* a mode of mbind(2), whose header may be missing */

/* -- Huge pages -------------------------------------------------------------------------------- */

static long read_pool(void)
{
    long pages = -1;
    FILE *file = fopen(POOL, "re");

    if (file != NULL) {
        if (fscanf(file, "%ld", &pages) != 1)
            pages = -1;
        fclose(file);
    }
    return pages;
}

static bool write_pool(long pages)
{
    FILE *file = fopen(POOL, "we");

    if (file == NULL)
        return false;
    bool written = fprintf(file, "%ld\n", pages) > 0;
    return fclose(file) == 0 && written;
}

static long pool_free(void)
{
    char line[128];
    long pages = -1;
    FILE *file = fopen("/proc/meminfo", "re");

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL)
        (void)sscanf(line, "HugePages_Free: %ld", &pages);
    fclose(file);
    return pages;
}

static long pool_before;

/* Tests with huge pages need a pool, which is enlarged if possible. */
static int setup_pool(void **state)
{
    pool_before = read_pool();
    if (pool_before >= 0 && pool_before < POOL_PAGES)
        write_pool(POOL_PAGES);
    /* A kind of the library keeps the address space of its first block. */
    if (memkind_check_available(MEMKIND_HUGETLB) == MEMKIND_SUCCESS)
        memkind_free(MEMKIND_HUGETLB, memkind_malloc(MEMKIND_HUGETLB, 1));
    return fixture_setup(state);
}

static int teardown_pool(void **state)
{
    if (pool_before >= 0 && pool_before < POOL_PAGES)
        write_pool(pool_before);
    return fixture_teardown(state);
}

static bool has_pool(void)
{
    if (pool_free() >= NEEDED)
        return true;
    print_message("no pool of %d huge pages can be had here\n", NEEDED);
    return false;
}

static void test_huge_pages_that_are_not_there(void **state)
{
    void *block = NULL;

    (void)state;
    if (read_pool() > 0)
        skip();
    assert_int_equal(memkind_check_available(MEMKIND_HUGETLB), MEMKIND_ERROR_HUGETLB);
    assert_int_equal(memkind_hugetlb_check_available_2mb(MEMKIND_HUGETLB), MEMKIND_ERROR_HUGETLB);
    errno = 0;
    assert_null(memkind_malloc(MEMKIND_HUGETLB, 100));
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(memkind_posix_memalign(MEMKIND_HUGETLB, &block, 64, 100), ENOMEM);
    assert_int_equal(memkind_get_capacity(MEMKIND_HUGETLB), 0);
}

static void test_huge_pages(void **state)
{
    static const size_t sizes[] = {1, 100, 10 * KIB, 100 * KIB, MIB, 3 * MIB, 10 * MIB};

    (void)state;
    if (!has_pool())
        skip();
    assert_int_equal(memkind_check_available(MEMKIND_HUGETLB), MEMKIND_SUCCESS);
    assert_true(memkind_get_capacity(MEMKIND_HUGETLB) >= (ssize_t)(NEEDED * HUGE_PAGE));
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        char *block = memkind_calloc(MEMKIND_HUGETLB, 1, sizes[i]);

        assert_non_null(block);
        assert_true(fixture_is_zero(block, sizes[i]));
        memset(block, 1, sizes[i]);
        assert_int_equal(page_size_at(block), HUGE_PAGE);
        assert_ptr_equal(memkind_detect_kind(block), MEMKIND_HUGETLB);
        memkind_free(i % 2 == 0 ? NULL : MEMKIND_HUGETLB, block);
    }
}

/* Using the last huge page raises no SIGBUS, and all pages return to the pool. */
static void test_huge_pages_run_out(void **state)
{
    struct memkind_ops ops = MEMKIND_HUGETLB_OPS;
    struct memkind kind = {0};
    void **list = NULL;
    void **block;
    size_t count = 0;

    (void)state;
    if (!has_pool())
        skip();
    long before = pool_free();
    ops.get_arena = memkind_bijective_get_arena;
    assert_int_equal(memkind_arena_create(&kind, &ops, "huge"), MEMKIND_SUCCESS);
    assert_int_equal(
        memkind_arena_update_memory_usage_policy(&kind, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE),
        MEMKIND_SUCCESS);
    while ((block = memkind_malloc(&kind, 100 * KIB)) != NULL) {
        memset(block, 1, 100 * KIB);
        *block = list;
        list = block;
        count++;
    }
    assert_int_equal(errno, ENOMEM);
    assert_true(count * 100 * KIB >= (size_t)before * HUGE_PAGE / 4 * 3);
    while (list != NULL) {
        block = *list;
        memkind_free(&kind, list);
        list = block;
    }
    assert_true(pool_free() >= before);
    char *large = memkind_calloc(&kind, 1, 12 * MIB);
    assert_non_null(large);
    assert_true(fixture_is_zero(large, 12 * MIB));
    assert_int_equal(memkind_arena_destroy(&kind), MEMKIND_SUCCESS);
    assert_true(pool_free() >= before);
}

/* Returns whether the kernel can move huge pages: Linux 5.16 and later. */
static bool can_move_huge_pages(void)
{
    char *pages = mmap(NULL, 2 * HUGE_PAGE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

    assert_ptr_not_equal(pages, MAP_FAILED);
    bool can = mremap(pages + HUGE_PAGE, HUGE_PAGE, HUGE_PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
                      pages) != MAP_FAILED;
    munmap(pages, 2 * HUGE_PAGE);
    return can;
}

/* Takes all free huge pages. */
static void *take_the_rest(size_t *size)
{
    *size = (size_t)pool_free() * HUGE_PAGE;
    if (*size == 0)
        return NULL;
    void *rest =
        mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
    assert_ptr_not_equal(rest, MAP_FAILED);
    return rest;
}

/* The child of a fork: waits, and reads the block. The block is as at the fork, or not mapped. */
static void read_block(int wait_for, const char *block, size_t size)
{
    char byte;

    if (read(wait_for, &byte, 1) != 0)
        _exit(2);
    for (size_t at = 0; at < size; at += HUGE_PAGE)
        if (block[at] != 1)
            _exit(3);
    _exit(0);
}

/*
 * No huge page is free for the first write to a page that parent and child share: the parent goes
 * on, and the child loses the page.
 */
static void test_fork_without_huge_pages_left(void **state)
{
    static struct memkind_ops ops; /* static: must outlive a test that fails */
    static struct memkind kind;
    size_t size = NEEDED / 2 * HUGE_PAGE;
    size_t rest_size;
    int status, ends[2];

    (void)state;
    if (!has_pool() || !can_move_huge_pages())
        skip();
    long before = pool_free();
    ops = MEMKIND_HUGETLB_OPS;
    ops.get_arena = memkind_bijective_get_arena;
    assert_int_equal(memkind_arena_create(&kind, &ops, "huge"), MEMKIND_SUCCESS);
    char *block = memkind_malloc(&kind, size);
    assert_non_null(block);
    memset(block, 1, size);
    void *rest = take_the_rest(&rest_size);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fixture_fork();
    if (child == 0) {
        close(ends[1]);
        read_block(ends[0], block, size);
    }
    close(ends[0]);
    memset(block, 2, size);
    close(ends[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGBUS : WEXITSTATUS(status) == 0);
    for (size_t at = 0; at < size; at += HUGE_PAGE)
        assert_int_equal(block[at], 2);
    if (rest != NULL)
        munmap(rest, rest_size);
    memkind_free(&kind, block);
    assert_int_equal(memkind_arena_destroy(&kind), MEMKIND_SUCCESS);
    assert_true(pool_free() >= before);
}

static int no_nodes(struct memkind *kind, unsigned long *mask, unsigned long maxnode)
{
    (void)kind;
    memset(mask, 0, maxnode / CHAR_BIT);
    return MEMKIND_SUCCESS;
}

static int nodes_fail(struct memkind *kind, unsigned long *mask, unsigned long maxnode)
{
    (void)kind;
    (void)mask;
    (void)maxnode;
    return MEMKIND_ERROR_RUNTIME;
}

/* Only the kind's own nodes are searched for huge pages. */
static void test_huge_pages_of_nodes(void **state)
{
    struct memkind_ops ops = MEMKIND_HUGETLB_OPS;
    struct memkind kind = {.ops = &ops};

    (void)state;
    ops.get_mbind_nodemask = no_nodes;
    assert_int_equal(memkind_hugetlb_check_available_2mb(&kind), MEMKIND_ERROR_HUGETLB);
    ops.get_mbind_nodemask = nodes_fail;
    assert_int_equal(memkind_hugetlb_check_available_2mb(&kind), MEMKIND_ERROR_RUNTIME);
    if (!has_pool())
        skip();
    ops.get_mbind_nodemask = memkind_default_get_mbind_nodemask;
    assert_int_equal(memkind_hugetlb_check_available_2mb(&kind), MEMKIND_SUCCESS);
    ops.get_mbind_nodemask = NULL;
    assert_int_equal(memkind_hugetlb_check_available_2mb(&kind), MEMKIND_SUCCESS);
}

static void test_huge_page_flags(void **state)
{
    int flags = 0;

    (void)state;
    assert_int_equal(memkind_hugetlb_get_mmap_flags(MEMKIND_HUGETLB, &flags), MEMKIND_SUCCESS);
    assert_int_equal(flags, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB);
    assert_int_equal(memkind_hugetlb_get_mmap_flags(MEMKIND_HUGETLB, NULL), MEMKIND_ERROR_INVALID);
}

/* -- Interleaved pages ------------------------------------------------------------------------- */

/* Returns whether /proc/self/numa_maps shows the interleave policy for the mapping. */
static bool is_interleaved(const void *address)
{
    char line[512];
    FILE *file = fopen("/proc/self/numa_maps", "re");
    unsigned long start = 0;
    bool interleaved = false;

    if (file == NULL)
        skip();
    while (fgets(line, sizeof(line), file) != NULL) {
        char policy[32] = "";

        if (sscanf(line, "%lx %31s", &start, policy) == 2 && start <= (uintptr_t)address)
            interleaved = strncmp(policy, "interleave", strlen("interleave")) == 0;
    }
    fclose(file);
    return interleaved;
}

static void test_interleaved_pages(void **state)
{
    int mode = -1;
    char *block = memkind_malloc(MEMKIND_INTERLEAVE, MIB);

    (void)state;
    assert_non_null(block);
    memset(block, 1, MIB);
    assert_ptr_equal(memkind_detect_kind(block), MEMKIND_INTERLEAVE);
    assert_true(is_interleaved(block));
    memkind_free(MEMKIND_INTERLEAVE, block);
    assert_int_equal(MEMKIND_INTERLEAVE_OPS.get_mbind_mode(MEMKIND_INTERLEAVE, &mode),
                     MEMKIND_SUCCESS);
    assert_int_equal(mode, INTERLEAVED);
    assert_true(memkind_get_capacity(MEMKIND_INTERLEAVE) > 0);
}

static void test_init_once(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        errno = 0;
        memkind_hugetlb_init_once();
        memkind_interleave_init_once();
        assert_int_equal(errno, 0);
    }
    assert_non_null(MEMKIND_INTERLEAVE->arena_map);
    assert_non_null(MEMKIND_HUGETLB->arena_map);
}

/* -- Kinds that are not available -------------------------------------------------------------- */

static const struct {
    memkind_t *kind;
    int partition;
    int status; /* the status in memkind 1.14 where there is no such memory */
} unavailable[] = {
    {&MEMKIND_HBW, MEMKIND_PARTITION_HBW, MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE},
    {&MEMKIND_HBW_ALL, MEMKIND_PARTITION_HBW_ALL, MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE},
    {&MEMKIND_HBW_HUGETLB, MEMKIND_PARTITION_HBW_HUGETLB, MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE},
    {&MEMKIND_HBW_ALL_HUGETLB, MEMKIND_PARTITION_HBW_ALL_HUGETLB,
     MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE},
    {&MEMKIND_HBW_PREFERRED, MEMKIND_PARTITION_HBW_PREFERRED, MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE},
    {&MEMKIND_HBW_PREFERRED_HUGETLB, MEMKIND_PARTITION_HBW_PREFERRED_HUGETLB,
     MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE},
    {&MEMKIND_HBW_INTERLEAVE, MEMKIND_PARTITION_HBW_INTERLEAVE,
     MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE},
    {&MEMKIND_HBW_GBTLB, MEMKIND_PARTITION_HBW_GBTLB, MEMKIND_ERROR_HUGETLB},
    {&MEMKIND_HBW_PREFERRED_GBTLB, MEMKIND_PARTITION_HBW_PREFERRED_GBTLB, MEMKIND_ERROR_HUGETLB},
    {&MEMKIND_GBTLB, MEMKIND_PARTITION_GBTLB, MEMKIND_ERROR_HUGETLB},
    {&MEMKIND_LOWEST_LATENCY_LOCAL, MEMKIND_PARTITION_LOWEST_LATENCY_LOCAL,
     MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE},
    {&MEMKIND_LOWEST_LATENCY_LOCAL_PREFERRED, MEMKIND_PARTITION_LOWEST_LATENCY_LOCAL_PREFERRED,
     MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE},
    {&MEMKIND_HIGHEST_BANDWIDTH_LOCAL, MEMKIND_PARTITION_HIGHEST_BANDWIDTH_LOCAL,
     MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE},
    {&MEMKIND_HIGHEST_BANDWIDTH_LOCAL_PREFERRED,
     MEMKIND_PARTITION_HIGHEST_BANDWIDTH_LOCAL_PREFERRED, MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE},
};

static void check_allocates_nothing(memkind_t kind)
{
    void *block = NULL;

    errno = 0;
    assert_null(memkind_malloc(kind, 100));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(memkind_calloc(kind, 10, 10));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(memkind_realloc(kind, NULL, 100));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(memkind_arena_malloc(kind, 100));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(memkind_malloc(kind, 0));
    assert_null(memkind_calloc(kind, 0, 1));
    assert_int_equal(memkind_posix_memalign(kind, &block, 64, 100), ENOMEM);
    assert_int_equal(memkind_posix_memalign(kind, &block, 3, 100), EINVAL);
    assert_int_equal(memkind_posix_memalign(kind, &block, 64, 0), 0);
    assert_int_equal(errno, 0);
    memkind_free(kind, NULL);
    memkind_set_allow_zero_allocs(kind, true);
    assert_null(memkind_malloc(kind, 0));
    assert_null(memkind_calloc(kind, 0, 1));
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(memkind_posix_memalign(kind, &block, 64, 0), ENOMEM);
    memkind_set_allow_zero_allocs(kind, false);
}

static void test_kinds_that_are_not_available(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(unavailable); i++) {
        memkind_t kind = *unavailable[i].kind;
        struct memkind made = {0};
        size_t bytes = 1;

        /* Some machines have such memory. */
        if (memkind_check_available(kind) == MEMKIND_SUCCESS)
            continue;
        assert_int_equal(memkind_check_available(kind), unavailable[i].status);
        assert_int_equal(kind->partition, unavailable[i].partition);
        check_allocates_nothing(kind);
        assert_int_equal(memkind_get_capacity(kind), kind == MEMKIND_GBTLB ? 0 : -1);
        assert_int_equal(memkind_get_stat(kind, MEMKIND_STAT_TYPE_ALLOCATED, &bytes),
                         MEMKIND_SUCCESS);
        assert_int_equal(bytes, 0);
        assert_int_equal(memkind_destroy_kind(kind), MEMKIND_SUCCESS);
        if (unavailable[i].status == MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE) {
            assert_int_equal(kind->ops->create(&made, kind->ops, "mine"), MEMKIND_SUCCESS);
            assert_null(memkind_malloc(&made, 100));
            assert_int_equal(kind->ops->finalize(&made), MEMKIND_SUCCESS);
        } else {
            assert_int_equal(kind->ops->create(&made, kind->ops, "mine"), unavailable[i].status);
        }
        assert_int_equal(
            kind->ops->update_memory_usage_policy(kind, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE),
            unavailable[i].status);
    }
}

/* A block can be freed and resized under any kind's name. */
static void test_blocks_of_others_under_their_names(void **state)
{
    memkind_t kind = *state;
    char *block = memkind_malloc(kind, 100);

    fixture_fill(block, 100, 1);
    block = memkind_realloc(MEMKIND_HBW, block, MIB);
    assert_ptr_equal(memkind_detect_kind(block), kind);
    assert_true(fixture_is_filled(block, 100, 1));
    assert_true(memkind_malloc_usable_size(MEMKIND_HBW, block) >= MIB);
    memkind_free(MEMKIND_HBW, block);
}

/* -- Kinds by their properties ----------------------------------------------------------------- */

#define FLAGS(number) ((memkind_bits_t)(number))
#define TYPES(number) ((memkind_memtype_t)(number))

static void check_created(unsigned types, memkind_policy_t policy, unsigned flags,
                          memkind_t expected)
{
    memkind_t kind = NULL;

    assert_int_equal(memkind_create_kind(TYPES(types), policy, FLAGS(flags), &kind),
                     MEMKIND_SUCCESS);
    assert_ptr_equal(kind, expected);
    void *block = memkind_malloc(kind, 100);
    assert_non_null(block);
    memkind_free(kind, block);
    assert_int_equal(memkind_destroy_kind(kind), MEMKIND_SUCCESS);
    assert_int_equal(memkind_destroy_kind(kind), MEMKIND_SUCCESS);
}

static void test_create_kind(void **state)
{
    unsigned either = MEMKIND_MEMTYPE_DEFAULT | MEMKIND_MEMTYPE_HIGH_BANDWIDTH;
    memkind_policy_t preferred = MEMKIND_POLICY_PREFERRED_LOCAL;
    memkind_t huge = memkind_check_available(MEMKIND_HUGETLB) == MEMKIND_SUCCESS ? MEMKIND_HUGETLB
                                                                                 : MEMKIND_DEFAULT;

    (void)state;
    check_created(MEMKIND_MEMTYPE_DEFAULT, preferred, 0, MEMKIND_DEFAULT);
    check_created(MEMKIND_MEMTYPE_DEFAULT, preferred, MEMKIND_MASK_PAGE_SIZE_2MB, huge);
    check_created(MEMKIND_MEMTYPE_HIGH_BANDWIDTH, preferred, 0, MEMKIND_DEFAULT);
    check_created(either, MEMKIND_POLICY_INTERLEAVE_ALL, 0, MEMKIND_INTERLEAVE);
}

/* All other combinations give memkind 1.14's result on a machine without high bandwidth memory. */
static void test_create_kind_that_is_none(void **state)
{
    static const unsigned sizes[] = {0, MEMKIND_MASK_PAGE_SIZE_2MB, 30};
    memkind_t untouched = (memkind_t)(uintptr_t)8;
    memkind_t kind = untouched;
    size_t missing = 0;

    (void)state;
    for (unsigned types = 0; types <= 4; types++)
        for (int policy = 0; policy <= MEMKIND_POLICY_MAX_VALUE; policy++)
            for (size_t i = 0; i < COUNT_OF(sizes); i++) {
                int status = memkind_create_kind(TYPES(types), (memkind_policy_t)policy,
                                                 FLAGS(sizes[i]), &kind);

                if (status == MEMKIND_SUCCESS) {
                    assert_int_equal(memkind_destroy_kind(kind), MEMKIND_SUCCESS);
                    kind = untouched;
                } else if (status == MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE) {
                    assert_int_equal(types, MEMKIND_MEMTYPE_HIGH_BANDWIDTH);
                    missing++;
                } else {
                    assert_int_equal(status, MEMKIND_ERROR_INVALID);
                }
                assert_ptr_equal(kind, untouched);
            }
    assert_int_equal(missing, 5);
    assert_int_equal(memkind_create_kind(MEMKIND_MEMTYPE_DEFAULT, MEMKIND_POLICY_PREFERRED_LOCAL,
                                         FLAGS(0), NULL),
                     MEMKIND_ERROR_INVALID);
}

#define POOL_TEST(function) cmocka_unit_test_setup_teardown(function, setup_pool, teardown_pool)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_huge_pages_that_are_not_there),
        POOL_TEST(test_huge_pages),
        POOL_TEST(test_huge_pages_run_out),
        POOL_TEST(test_fork_without_huge_pages_left),
        POOL_TEST(test_huge_pages_of_nodes),
        FIXTURE_TEST(test_huge_page_flags),
        FIXTURE_TEST(test_interleaved_pages),
        FIXTURE_TEST(test_init_once),
        FIXTURE_TEST(test_kinds_that_are_not_available),
        FIXTURE_TEST_ON_ALL(test_blocks_of_others_under_their_names),
        FIXTURE_TEST(test_create_kind),
        FIXTURE_TEST(test_create_kind_that_is_none),
    };

    /* The library's kinds keep what they map first. */
    memkind_free(MEMKIND_HUGETLB, memkind_malloc(MEMKIND_HUGETLB, 1));
    memkind_free(MEMKIND_INTERLEAVE, memkind_malloc(MEMKIND_INTERLEAVE, 1));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
