/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of configurations: every field has an initial value, and nothing is copied. */
/* WRAP: calloc */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "memkind/internal/memkind_private.h"
#include "support/faults.h"

static struct fault calloc_fault;

void *__real_calloc(size_t num, size_t size);
void *__wrap_calloc(size_t num, size_t size);

void *__wrap_calloc(size_t num, size_t size)
{
    return calloc_fault.times > 0 && fault_hits(&calloc_fault) ? NULL : __real_calloc(num, size);
}

static void new_config_has_defaults(void **state)
{
    struct memkind_config *config = memkind_config_new();

    (void)state;
    assert_non_null(config);
    assert_null(config->pmem_dir);
    assert_int_equal(config->pmem_size, 0);
    assert_int_equal(config->policy, MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    memkind_config_delete(config);
}

static void no_memory_is_null(void **state)
{
    (void)state;
    fault_set(&calloc_fault, ENOMEM, 1);
    errno = 0;
    assert_null(memkind_config_new());
    assert_int_equal(errno, ENOMEM);
}

static void settings_are_kept(void **state)
{
    struct memkind_config *config = memkind_config_new();
    const char path[] = "/some/where";

    (void)state;
    memkind_config_set_path(config, path);
    memkind_config_set_size(config, SIZE_MAX);
    memkind_config_set_memory_usage_policy(config, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
    assert_ptr_equal(config->pmem_dir, path); /* borrowed */
    assert_true(config->pmem_size == SIZE_MAX);
    assert_int_equal(config->policy, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
    /* Invalid values are refused when a kind is created, not here. */
    memkind_config_set_memory_usage_policy(config, MEMKIND_MEM_USAGE_POLICY_MAX_VALUE);
    assert_int_equal(config->policy, MEMKIND_MEM_USAGE_POLICY_MAX_VALUE);
    assert_false(config->prefault);
    memkind_config_set_prefault(config, true);
    assert_true(config->prefault);
    memkind_config_set_path(config, NULL);
    assert_null(config->pmem_dir);
    memkind_config_delete(config);
}

static void null_is_ignored(void **state)
{
    (void)state;
    memkind_config_delete(NULL);
    memkind_config_set_path(NULL, "x");
    memkind_config_set_size(NULL, 1);
    memkind_config_set_prefault(NULL, true);
    memkind_config_set_memory_usage_policy(NULL, MEMKIND_MEM_USAGE_POLICY_DEFAULT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_config_has_defaults),
        cmocka_unit_test(no_memory_is_null),
        cmocka_unit_test(settings_are_kept),
        cmocka_unit_test(null_is_ignored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
