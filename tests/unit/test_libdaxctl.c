/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of loading libdaxctl: the real one, and one that lacks something. */
/* WRAP: dlopen dlsym dlclose */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "os/libdaxctl.h"
#include "support/faults.h"
#include "support/leftovers.h"

static struct fault dlopen_fault;
static struct fault dlsym_fault;
static int new_error; /* of daxctl_new() */
static int loaded;
static struct leftovers before;

void *__real_dlopen(const char *file, int mode);
void *__wrap_dlopen(const char *file, int mode);
void *__real_dlsym(void *handle, const char *name);
void *__wrap_dlsym(void *handle, const char *name);
int __real_dlclose(void *handle);
int __wrap_dlclose(void *handle);

void *__wrap_dlopen(const char *file, int mode)
{
    void *handle = fault_hits(&dlopen_fault) ? NULL : __real_dlopen(file, mode);

    loaded += handle != NULL;
    return handle;
}

static int new_fails(struct daxctl_ctx **context)
{
    (void)context;
    return new_error;
}

void *__wrap_dlsym(void *handle, const char *name)
{
    int (*function)(struct daxctl_ctx **) = new_fails;

    if (new_error != 0 && strcmp(name, "daxctl_new") == 0)
        return *(void **)&function;
    return fault_hits(&dlsym_fault) ? NULL : __real_dlsym(handle, name);
}

int __wrap_dlclose(void *handle)
{
    loaded--;
    return __real_dlclose(handle);
}

static int setup(void **state)
{
    (void)state;
    dlopen_fault = dlsym_fault = (struct fault){0};
    new_error = 0;
    loaded = 0;
    return 0;
}

static void test_open(void **state)
{
    struct libdaxctl daxctl;

    (void)state;
    leftovers_take(&before, NULL);
    assert_int_equal(libdaxctl_open(&daxctl), 0);
    assert_int_equal(loaded, 1);
    /* There may be devices or none. */
    struct daxctl_region *region = daxctl.region_get_first(daxctl.context);
    while (region != NULL) {
        assert_true(daxctl.region_get_align(region) > 0);
        region = daxctl.region_get_next(region);
    }
    libdaxctl_close(&daxctl);
    assert_int_equal(loaded, 0);
    leftovers_check(&before);
}

static void test_not_installed(void **state)
{
    struct libdaxctl daxctl;

    (void)state;
    fault_set(&dlopen_fault, 0, 1);
    assert_int_equal(libdaxctl_open(&daxctl), -ENOSYS);
    assert_int_equal(loaded, 0);
}

/* Each function in turn. */
static void test_lacks_a_function(void **state)
{
    struct libdaxctl daxctl;

    (void)state;
    assert_int_equal(libdaxctl_open(&daxctl), 0);
    libdaxctl_close(&daxctl);
    unsigned functions = dlsym_fault.calls;
    assert_int_not_equal(functions, 0);
    for (unsigned i = 0; i < functions; i++) {
        dlsym_fault = (struct fault){.skip = i, .times = 1};
        assert_int_equal(libdaxctl_open(&daxctl), -ENOSYS);
        assert_int_equal(loaded, 0);
    }
}

static void test_no_context(void **state)
{
    struct libdaxctl daxctl;

    (void)state;
    new_error = -ENOMEM;
    assert_int_equal(libdaxctl_open(&daxctl), -ENOMEM);
    assert_int_equal(loaded, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_open),
        TEST(test_not_installed),
        TEST(test_lacks_a_function),
        TEST(test_no_context),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
