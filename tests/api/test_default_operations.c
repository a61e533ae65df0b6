/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of memkind_default(3): the operations of the default heap, and helpers for other kinds. */
#include "api/fixture.h"

#include <sys/mman.h>

#include "memkind/internal/memkind_default.h"

#define NO_ERRNO (-12345) /* a value that no call gives errno */
#define NODES    1024
#define WORDS    (NODES / (8 * sizeof(unsigned long)))

/* Modes of mbind(2), whose header may be missing. */
#define MODE_PREFERRED  1
#define MODE_BIND       2
#define MODE_INTERLEAVE 3

/* -- Life -------------------------------------------------------------------------------------- */

static void test_create(void **state)
{
    struct memkind kind = {0};
    char name[2 * MEMKIND_NAME_LENGTH_PRIV];

    (void)state;
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(memkind_default_create(&kind, &MEMKIND_DEFAULT_OPS, "mine"), MEMKIND_SUCCESS);
    assert_ptr_equal(kind.ops, &MEMKIND_DEFAULT_OPS);
    assert_string_equal(kind.name, "mine");
    assert_int_equal(memkind_default_destroy(&kind), MEMKIND_SUCCESS);
    memset(&kind, 0, sizeof(kind));
    assert_int_equal(memkind_default_create(&kind, &MEMKIND_DEFAULT_OPS, name),
                     MEMKIND_ERROR_INVALID);
    name[MEMKIND_NAME_LENGTH_PRIV - 1] = '\0';
    assert_int_equal(memkind_default_create(&kind, &MEMKIND_DEFAULT_OPS, name), MEMKIND_SUCCESS);
    assert_string_equal(kind.name, name);
    assert_int_equal(memkind_default_destroy(&kind), MEMKIND_SUCCESS);
}

static void test_init_once(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        memkind_default_init_once();
}

/* -- Heap -------------------------------------------------------------------------------------- */

static void test_heap(void **state)
{
    void *aligned = NULL;

    (void)state;
    void *block = memkind_default_malloc(MEMKIND_DEFAULT, 100);
    assert_non_null(block);
    assert_ptr_equal(memkind_detect_kind(block), MEMKIND_DEFAULT);
    fixture_fill(block, 100, 1);
    block = memkind_default_realloc(MEMKIND_DEFAULT, block, 5 * MIB);
    assert_non_null(block);
    assert_true(fixture_is_filled(block, 100, 1));
    assert_true(memkind_default_malloc_usable_size(MEMKIND_DEFAULT, block) >= 5 * MIB);
    assert_null(memkind_default_realloc(MEMKIND_DEFAULT, block, 0));
    block = memkind_default_calloc(MEMKIND_DEFAULT, 10, 10);
    assert_non_null(block);
    assert_true(fixture_is_zero(block, 100));
    memkind_default_free(MEMKIND_DEFAULT, block);
    block = memkind_default_realloc(MEMKIND_DEFAULT, NULL, 10);
    assert_non_null(block);
    memkind_default_free(MEMKIND_DEFAULT, block);
    assert_int_equal(memkind_default_posix_memalign(MEMKIND_DEFAULT, &aligned, MIB, 10), 0);
    assert_int_equal((uintptr_t)aligned % MIB, 0);
    memkind_default_free(MEMKIND_DEFAULT, aligned);
    memkind_default_free(MEMKIND_DEFAULT, NULL);
    assert_int_equal(memkind_default_malloc_usable_size(MEMKIND_DEFAULT, NULL), 0);
}

static void test_heap_refuses(void **state)
{
    void *block = &block;

    (void)state;
    assert_null(memkind_default_malloc(MEMKIND_DEFAULT, 0));
    assert_null(memkind_default_calloc(MEMKIND_DEFAULT, 0, 5));
    assert_null(memkind_default_realloc(MEMKIND_DEFAULT, NULL, 0));
    assert_int_equal(memkind_default_posix_memalign(MEMKIND_DEFAULT, &block, 64, 0), 0);
    assert_null(block);
    errno = 0;
    assert_null(memkind_default_malloc(MEMKIND_DEFAULT, SIZE_MAX));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(memkind_default_calloc(MEMKIND_DEFAULT, SIZE_MAX / 2, 3));
    assert_int_equal(errno, ENOMEM);
    errno = NO_ERRNO;
    assert_int_equal(memkind_default_posix_memalign(MEMKIND_DEFAULT, &block, 3, 10), EINVAL);
    assert_int_equal(memkind_default_posix_memalign(MEMKIND_DEFAULT, &block, 8, SIZE_MAX), ENOMEM);
    assert_int_equal(errno, NO_ERRNO);
}

/* The manual page promises both functions for blocks of any kind. */
static void test_blocks_of_any_kind(void **state)
{
    memkind_t kind = *state;
    void *block = memkind_malloc(kind, 3 * MIB);

    assert_non_null(block);
    assert_int_equal(memkind_default_malloc_usable_size(NULL, block),
                     memkind_malloc_usable_size(kind, block));
    assert_int_equal(memkind_default_malloc_usable_size(MEMKIND_DEFAULT, block),
                     memkind_malloc_usable_size(kind, block));
    memkind_default_free(MEMKIND_DEFAULT, block);
    for (size_t i = 0; i < 1000; i++) {
        block = memkind_malloc(kind, 64);
        assert_non_null(block);
        memkind_default_free(NULL, block);
    }
    /* None of the blocks has entered the default heap. */
    for (size_t i = 0; i < 1000; i++) {
        block = memkind_malloc(MEMKIND_DEFAULT, 64);
        assert_ptr_equal(memkind_detect_kind(block), MEMKIND_DEFAULT);
        memkind_free(MEMKIND_DEFAULT, block);
    }
}

static void test_alignment(void **state)
{
    (void)state;
    for (size_t alignment = sizeof(void *); alignment != 0; alignment *= 2)
        assert_int_equal(memkind_posix_check_alignment(NULL, alignment), 0);
    for (size_t alignment = 0; alignment < sizeof(void *); alignment++)
        assert_int_equal(memkind_posix_check_alignment(MEMKIND_DEFAULT, alignment), EINVAL);
    assert_int_equal(memkind_posix_check_alignment(NULL, 24), EINVAL);
    assert_int_equal(memkind_posix_check_alignment(NULL, SIZE_MAX), EINVAL);
    assert_int_equal(memkind_posix_check_alignment(NULL, MIB + 1), EINVAL);
}

/* -- Pages ------------------------------------------------------------------------------------- */

static int shared_flags(struct memkind *kind, int *flags)
{
    (void)kind;
    *flags = MAP_SHARED | MAP_ANONYMOUS;
    return MEMKIND_SUCCESS;
}

static int no_flags(struct memkind *kind, int *flags)
{
    (void)kind;
    (void)flags;
    return MEMKIND_ERROR_RUNTIME;
}

static void test_mmap(void **state)
{
    struct memkind_ops ops = MEMKIND_DEFAULT_OPS;
    struct memkind kind = {.ops = &ops};
    int (*const flags[])(struct memkind *, int *) = {NULL, memkind_default_get_mmap_flags,
                                                     shared_flags};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        ops.get_mmap_flags = flags[i];
        char *mapped = memkind_default_mmap(&kind, NULL, MIB);
        assert_ptr_not_equal(mapped, MAP_FAILED);
        assert_true(fixture_is_zero(mapped, MIB));
        memset(mapped, 1, MIB);
        assert_int_equal(munmap(mapped, MIB), 0);
    }
    ops.get_mmap_flags = no_flags;
    assert_ptr_equal(memkind_default_mmap(&kind, NULL, MIB), MAP_FAILED);
    ops.get_mmap_flags = NULL;
    errno = 0;
    assert_ptr_equal(memkind_default_mmap(&kind, NULL, 0), MAP_FAILED);
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_ptr_equal(memkind_default_mmap(&kind, NULL, SIZE_MAX - 4096), MAP_FAILED);
    assert_int_equal(errno, ENOMEM);
}

static void test_mmap_flags(void **state)
{
    int flags = 0;

    (void)state;
    assert_int_equal(memkind_default_get_mmap_flags(NULL, &flags), MEMKIND_SUCCESS);
    assert_int_equal(flags, MAP_PRIVATE | MAP_ANONYMOUS);
}

static void test_mbind_modes(void **state)
{
    int mode = -1;

    (void)state;
    assert_int_equal(memkind_default_get_mbind_mode(NULL, &mode), MEMKIND_SUCCESS);
    assert_int_equal(mode, MODE_BIND);
    assert_int_equal(memkind_preferred_get_mbind_mode(NULL, &mode), MEMKIND_SUCCESS);
    assert_int_equal(mode, MODE_PREFERRED);
    assert_int_equal(memkind_interleave_get_mbind_mode(NULL, &mode), MEMKIND_SUCCESS);
    assert_int_equal(mode, MODE_INTERLEAVE);
}

static bool is_set(const unsigned long *mask, size_t node)
{
    return (mask[node / (8 * sizeof(unsigned long))] >> node % (8 * sizeof(unsigned long)) & 1) !=
           0;
}

static bool node_exists(size_t node, const char *file)
{
    char path[64];

    snprintf(path, sizeof(path), "/sys/devices/system/node/node%zu%s", node, file);
    return access(path, F_OK) == 0;
}

static void test_nodemasks(void **state)
{
    unsigned long all[WORDS];
    unsigned long with_cpus[WORDS];
    size_t count = 0;

    (void)state;
    if (access("/sys/devices/system/node/node0", F_OK) != 0)
        skip();
    memset(all, 0xff, sizeof(all));
    memset(with_cpus, 0xff, sizeof(with_cpus));
    assert_int_equal(memkind_default_get_mbind_nodemask(NULL, all, NODES), MEMKIND_SUCCESS);
    assert_int_equal(memkind_regular_all_get_mbind_nodemask(NULL, with_cpus, NODES),
                     MEMKIND_SUCCESS);
    for (size_t node = 0; node < NODES; node++) {
        if (is_set(all, node) || is_set(with_cpus, node))
            assert_true(node_exists(node, ""));
        count += is_set(with_cpus, node);
    }
    assert_true(count >= 1);
}

/* The word after the mask is not written. */
static void test_nodemask_has_an_end(void **state)
{
    unsigned long mask[2];

    (void)state;
    if (access("/sys/devices/system/node/node0", F_OK) != 0)
        skip();
    mask[1] = 0x5a5a;
    assert_int_equal(memkind_default_get_mbind_nodemask(NULL, mask, 8 * sizeof(mask[0])),
                     MEMKIND_SUCCESS);
    assert_int_equal(mask[1], 0x5a5a);
    assert_int_equal(memkind_regular_all_get_mbind_nodemask(NULL, mask, 8 * sizeof(mask[0])),
                     MEMKIND_SUCCESS);
    assert_int_equal(mask[1], 0x5a5a);
}

static void test_mbind(void **state)
{
    struct memkind_ops ops = MEMKIND_REGULAR_OPS;
    struct memkind kind = {.ops = &ops};
    char *mapped = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_ptr_not_equal(mapped, MAP_FAILED);
    int result = memkind_default_mbind(&kind, mapped, MIB);
    /* Some kernels have no NUMA nodes. */
    if (result != MEMKIND_ERROR_UNAVAILABLE &&
        !(result == MEMKIND_ERROR_MBIND && errno == ENOSYS)) {
        assert_int_equal(result, MEMKIND_SUCCESS);
        memset(mapped, 1, MIB);
        errno = 0;
        assert_int_equal(memkind_default_mbind(&kind, mapped + 1, 4096), MEMKIND_ERROR_MBIND);
        assert_int_equal(errno, EINVAL);
    }
    assert_int_equal(munmap(mapped, MIB), 0);
}

static void test_madvise(void **state)
{
    char *mapped = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)state;
    assert_ptr_not_equal(mapped, MAP_FAILED);
    int result = memkind_nohugepage_madvise(NULL, mapped, MIB);
    /* A kernel without huge pages does not accept the advice. */
    if (result != MEMKIND_SUCCESS) {
        assert_int_equal(result, MEMKIND_ERROR_OPERATION_FAILED);
        assert_int_equal(errno, EINVAL);
    }
    errno = 0;
    assert_int_equal(memkind_nohugepage_madvise(NULL, mapped + 1, 4096),
                     MEMKIND_ERROR_OPERATION_FAILED);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(munmap(mapped, MIB), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_create),
        FIXTURE_TEST(test_init_once),
        FIXTURE_TEST(test_heap),
        FIXTURE_TEST(test_heap_refuses),
        FIXTURE_TEST_ON_ALL(test_blocks_of_any_kind),
        FIXTURE_TEST(test_alignment),
        FIXTURE_TEST(test_mmap),
        FIXTURE_TEST(test_mmap_flags),
        FIXTURE_TEST(test_mbind_modes),
        FIXTURE_TEST(test_nodemasks),
        FIXTURE_TEST(test_nodemask_has_an_end),
        FIXTURE_TEST(test_mbind),
        FIXTURE_TEST(test_madvise),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
