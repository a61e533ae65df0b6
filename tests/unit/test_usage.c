/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of usage: which kinds have one, and what it counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/wait.h>
#include <unistd.h>

#include "kinds/kind_registry.h"
#include "kinds/usage.h"
#include "memkind.h"
#include "memkind/internal/memkind_pmem.h"
#include "os/directory.h"
#include "support/leftovers.h"

#define MAX_SIZE ((size_t)64 << 20)
#define LARGE    ((size_t)8 << 20)
#define SMALL    ((size_t)100)

static char dir_path[TEST_DIR_PATH_SIZE];
static memkind_t kind;

static int setup(void **state)
{
    (void)state;
    test_dir_make(dir_path);
    return memkind_create_pmem(dir_path, MAX_SIZE, &kind);
}

static int teardown(void **state)
{
    (void)state;
    (void)memkind_destroy_kind(kind);
    test_dir_remove(dir_path);
    return 0;
}

static void kind_in_a_file_has_a_usage(void **state)
{
    struct usage usage;
    void *block = memkind_malloc(kind, LARGE);

    (void)state;
    assert_non_null(block);
    assert_true(usage_get(kind->partition, &usage));
    assert_string_equal(usage.name, "memkind_pmem");
    assert_string_equal(directory_path(usage.directory), dir_path);
    assert_int_equal(usage.max_size, MAX_SIZE);
    assert_in_range(usage.held, LARGE, MAX_SIZE);
    assert_in_range(usage.peak, usage.held, MAX_SIZE);
    assert_true(usage.chunks >= LARGE / MEMKIND_PMEM_CHUNK_SIZE);
    directory_close(usage.directory);
    memkind_free(kind, block);
}

static void cached_bytes_are_those_of_the_last_update(void **state)
{
    struct usage usage;
    size_t before = usage_cached_bytes();

    (void)state;
    memkind_free(kind, memkind_malloc(kind, SMALL));
    assert_int_equal(usage_cached_bytes(), before);
    usage_update();
    assert_true(usage_cached_bytes() >= before + SMALL);
    assert_true(usage_get(kind->partition, &usage));
    assert_true(usage.cached >= SMALL);
    directory_close(usage.directory);
}

static void other_partitions_have_none(void **state)
{
    struct usage usage;
    unsigned partition = kind->partition;

    (void)state;
    memkind_free(MEMKIND_DEFAULT, memkind_malloc(MEMKIND_DEFAULT, SMALL));
    assert_false(usage_get(MEMKIND_DEFAULT->partition, &usage));
    assert_false(usage_get(KIND_REGISTRY_PARTITIONS, &usage));
    assert_int_equal(memkind_destroy_kind(kind), MEMKIND_SUCCESS);
    assert_false(usage_get(partition, &usage));
    assert_int_equal(memkind_create_pmem(dir_path, MAX_SIZE, &kind), MEMKIND_SUCCESS);
}

/* The memory is the parent's, and so is the usage. */
static void inherited_kind_has_none(void **state)
{
    struct usage usage;
    int status;

    (void)state;
    memkind_free(kind, memkind_malloc(kind, SMALL));
    usage_update();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        bool counts_nothing = !usage_get(kind->partition, &usage) && usage_cached_bytes() == 0;
        bool is_own = memkind_malloc(kind, SMALL) != NULL && usage_get(kind->partition, &usage);
        _exit(counts_nothing && is_own ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(kind_in_a_file_has_a_usage),
        TEST(cached_bytes_are_those_of_the_last_update),
        TEST(other_partitions_have_none),
        TEST(inherited_kind_has_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
