/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Report: under `ulimit -v 100000` a kind could not allocate: it reserved 128 MiB of addresses at
 * once.
 */
#include "api/fixture.h"

#include <sys/resource.h>

#define BLOCK  1000
#define BLOCKS ((size_t)200000)

static char *blocks[BLOCKS];

static size_t address_space(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu", &pages), 1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Returns the bytes that count against RLIMIT_DATA. */
static size_t private_data(void)
{
    size_t kib = 0;
    char line[256];
    FILE *file = fopen("/proc/self/status", "r");

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "VmData: %zu", &kib) == 1)
            break;
    fclose(file);
    return kib * KIB;
}

/* Sets the soft limit to `more` bytes above what the process has mapped. 0: no limit. */
static void limit_addresses(size_t more)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_AS, &limit), 0);
    limit.rlim_cur = more != 0 ? address_space() + more : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
}

static size_t fill(memkind_t kind)
{
    size_t count = 0;

    while (count < BLOCKS) {
        char *block = memkind_malloc(kind, BLOCK);

        if (block == NULL)
            break;
        memset(block, (int)(count % 251), BLOCK);
        blocks[count++] = block;
    }
    return count;
}

static void check_and_free(memkind_t kind, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(memkind_detect_kind(blocks[i]), kind);
        assert_true(memkind_malloc_usable_size(kind, blocks[i]) >= BLOCK);
        for (size_t k = 0; k < BLOCK; k++)
            assert_int_equal((unsigned char)blocks[i][k], i % 251);
        memkind_free(i % 2 == 0 ? kind : NULL, blocks[i]);
    }
}

/* A child reads its parent's blocks and frees them. */
static void use_in_child(memkind_t kind, size_t count)
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        bool right = true;

        for (size_t i = 1; i < count; i++) {
            right = right && (unsigned char)blocks[i][BLOCK - 1] == i % 251;
            memkind_free(NULL, blocks[i]);
        }
        memkind_free(kind, memkind_malloc(kind, BLOCK));
        _exit(right ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* Most of the address space can be allocated, and again after it was freed. */
static void use(memkind_t kind, size_t more, size_t least)
{
    limit_addresses(more);
    size_t count = fill(kind);
    assert_in_range(count * BLOCK, least, SIZE_MAX);
    assert_null(memkind_malloc(kind, 64 * MIB));
    char *grown = memkind_realloc(kind, blocks[0], 2 * (size_t)BLOCK);
    blocks[0] = grown != NULL ? grown : blocks[0];
    use_in_child(kind, count);
    check_and_free(kind, count);
    assert_true(fill(kind) >= count / 10 * 9);
    check_and_free(kind, count / 10 * 9);
    /* Destroying the kind releases the rest. Without the limit, the kind allocates as usual. */
    limit_addresses(0);
    char *large = memkind_malloc(kind, 100 * MIB);
    assert_non_null(large);
    large[100 * MIB - 1] = 1;
    assert_ptr_equal(memkind_detect_kind(large), kind);
    memkind_free(kind, large);
}

/* Sanitizers need terabytes of addresses. */
static void skip_under_sanitizers(void)
{
    if (FIXTURE_ASAN || FIXTURE_TSAN)
        skip();
}

static void test_pmem(void **state)
{
    (void)state;
    skip_under_sanitizers();
    memkind_t kind = fixture_pmem(0);
    use(kind, 60 * MIB, 40 * MIB);
    fixture_destroy(kind);
}

static void test_regular(void **state)
{
    (void)state;
    skip_under_sanitizers();
    use(MEMKIND_REGULAR, 60 * MIB, 40 * MIB);
}

/* A kind's memory counts as data when it is used, not when its addresses are reserved. */
static void test_little_data(void **state)
{
    struct rlimit limit;
    rlim_t before;

    (void)state;
    skip_under_sanitizers();
    assert_int_equal(getrlimit(RLIMIT_DATA, &limit), 0);
    before = limit.rlim_cur;
    limit.rlim_cur = private_data() + 40 * MIB;
    assert_int_equal(setrlimit(RLIMIT_DATA, &limit), 0);
    size_t count = fill(MEMKIND_DEFAULT);
    assert_true(count * BLOCK >= 30 * MIB && count < BLOCKS);
    check_and_free(MEMKIND_DEFAULT, count);
    limit.rlim_cur = before;
    assert_int_equal(setrlimit(RLIMIT_DATA, &limit), 0);
}

/* Whole granules are used first. How many fit depends on the gaps in the address space. */
static void test_more(void **state)
{
    (void)state;
    skip_under_sanitizers();
    memkind_t kind = fixture_pmem(0);
    use(kind, 160 * MIB, 100 * MIB);
    fixture_destroy(kind);
}

/* Returns whether a child that has so many addresses more than now can use its first block. */
static bool first_block_fits(size_t more)
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        limit_addresses(more);
        char *block = memkind_malloc(MEMKIND_DEFAULT, BLOCK);
        if (block != NULL)
            memset(block, 1, BLOCK);
        _exit(block != NULL && memkind_detect_kind(block) == MEMKIND_DEFAULT ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status == 0;
}

/*
 * The library's first block needs some 12 MiB, beside tables. When the library is loaded, the
 * tables and these addresses are mapped. A large reservation leaves addresses for the records of
 * jemalloc. Nothing has been used before.
 */
static void test_first_block(void **state)
{
    (void)state;
    skip_under_sanitizers();
    for (size_t more = 1; more <= 160 * MIB; more += 2 * MIB)
        if (!first_block_fits(more))
            fail_msg("with %zu MiB", more / MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_block),
        cmocka_unit_test_setup_teardown(test_pmem, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_more, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_little_data, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_regular, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
