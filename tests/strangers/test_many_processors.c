/* SPDX-License-Identifier: BSD-2-Clause */
/* Report: on a machine with 1,000 processors a program could create 95 of 512 kinds. */
#include "api/fixture.h"

#include <sched.h>
#include <sys/resource.h>

#define DESCRIPTORS (2 * MEMKIND_MAX_KIND)

/* Replaces libc's function, for the library too: all processors that the set has room for. */
__attribute__((visibility("default"))) int sched_getaffinity(pid_t process, size_t size,
                                                             cpu_set_t *set)
{
    (void)process;
    CPU_ZERO_S(size, set);
    for (size_t i = 0; i < 8 * size; i++)
        CPU_SET_S(i, size, set);
    return 0;
}

static memkind_t kinds[MEMKIND_MAX_KIND];

static void allow_descriptors(void)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_max < DESCRIPTORS)
        skip();
    if (limit.rlim_cur < DESCRIPTORS)
        limit.rlim_cur = DESCRIPTORS;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void all_kinds_can_be_made(void **state)
{
    (void)state;
    allow_descriptors();
    memkind_free(NULL, memkind_malloc(MEMKIND_DEFAULT, KIB));
    for (size_t i = 0; i < MEMKIND_MAX_KIND; i++) {
        kinds[i] = fixture_pmem(0);
        assert_non_null(memkind_malloc(kinds[i], KIB));
    }
    for (size_t i = 0; i < MEMKIND_MAX_KIND; i++)
        fixture_destroy(kinds[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_kinds_can_be_made, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
