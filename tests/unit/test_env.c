/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the environment's parsers: which texts they accept and refuse. */
/* WRAP: secure_getenv */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>

#include "util/env.h"

#define NAME      "MEMKIND_TEST_VARIABLE"
#define UNTOUCHED 4711u

static bool privileged;

char *__real_secure_getenv(const char *name);
char *__wrap_secure_getenv(const char *name);

/* As in a program with more privileges than its caller: no variable is visible. */
char *__wrap_secure_getenv(const char *name)
{
    return privileged ? NULL : __real_secure_getenv(name);
}

static int unset(void **state)
{
    (void)state;
    privileged = false;
    return unsetenv(NAME);
}

static void set(const char *text)
{
    assert_int_equal(setenv(NAME, text, 1), 0);
}

static void test_get(void **state)
{
    (void)state;
    assert_null(env_get(NAME));
    set("some text");
    assert_string_equal(env_get(NAME), "some text");
    set("");
    assert_string_equal(env_get(NAME), "");
}

static void test_nothing_is_read_with_privileges(void **state)
{
    bool flag = true;
    unsigned number = UNTOUCHED;

    (void)state;
    set("1");
    privileged = true;
    assert_null(env_get(NAME));
    assert_int_equal(env_flag(NAME, &flag), -ENOENT);
    assert_int_equal(env_uint(NAME, 0, UINT_MAX, &number), -ENOENT);
    assert_true(flag);
    assert_int_equal(number, UNTOUCHED);
}

static void test_flag(void **state)
{
    bool flag = false;

    (void)state;
    set("1");
    assert_int_equal(env_flag(NAME, &flag), 0);
    assert_true(flag);
    set("0");
    assert_int_equal(env_flag(NAME, &flag), 0);
    assert_false(flag);
}

static void test_flag_refuses_all_else(void **state)
{
    static const char *const texts[] = {"", "2", "00", "01", "11", "1 ", " 1", "yes", "true", "-1"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        bool off = false;
        bool on = true;

        set(texts[i]);
        assert_int_equal(env_flag(NAME, &off), -EINVAL);
        assert_int_equal(env_flag(NAME, &on), -EINVAL);
        assert_false(off);
        assert_true(on);
    }
}

static void test_flag_unset(void **state)
{
    bool flag = true;

    (void)state;
    assert_int_equal(env_flag(NAME, &flag), -ENOENT);
    assert_true(flag);
}

static void check_uint(const char *text, unsigned min, unsigned max, unsigned expected)
{
    unsigned number = UNTOUCHED;

    set(text);
    assert_int_equal(env_uint(NAME, min, max, &number), 0);
    assert_int_equal(number, expected);
}

static void test_uint(void **state)
{
    (void)state;
    check_uint("0", 0, UINT_MAX, 0);
    check_uint("7", 7, 7, 7);
    check_uint("1", 1, INT_MAX, 1);
    check_uint("2147483647", 1, INT_MAX, INT_MAX);
    check_uint("4294967295", 0, UINT_MAX, UINT_MAX);
    check_uint("0000000000000000000012", 0, 12, 12);
    check_uint("+1", 0, 12, 1);
    check_uint(" 1", 0, 12, 1);
    check_uint("1 ", 0, 12, 1);
    check_uint("\t+7 \n", 0, 12, 7);
}

static void check_uint_refused(const char *text, unsigned min, unsigned max)
{
    unsigned number = UNTOUCHED;

    set(text);
    assert_int_equal(env_uint(NAME, min, max, &number), -EINVAL);
    assert_int_equal(number, UNTOUCHED);
}

static void test_uint_refuses_all_else(void **state)
{
    static const char *const texts[] = {"",    " ",  "+",  "-1",  "+ 1",  "++1",  "1 2", "0x10",
                                        "1e2", "1.", ".5", "1,0", "four", "\xb2", "1k",  "7+"};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        check_uint_refused(texts[i], 0, UINT_MAX);
}

static void test_uint_refuses_what_is_out_of_range(void **state)
{
    (void)state;
    check_uint_refused("0", 1, INT_MAX);
    check_uint_refused("2147483648", 1, INT_MAX);
    check_uint_refused("4294967296", 0, UINT_MAX);
    check_uint_refused("4294967297", 0, UINT_MAX);
    check_uint_refused("42949672950", 0, UINT_MAX);
    check_uint_refused("18446744073709551617", 0, UINT_MAX);
    check_uint_refused("99999999999999999999999999999999999999", 0, UINT_MAX);
}

static void test_uint_unset(void **state)
{
    unsigned number = UNTOUCHED;

    (void)state;
    assert_int_equal(env_uint(NAME, 0, UINT_MAX, &number), -ENOENT);
    assert_int_equal(number, UNTOUCHED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_get, unset),
        cmocka_unit_test_setup(test_nothing_is_read_with_privileges, unset),
        cmocka_unit_test_setup(test_flag, unset),
        cmocka_unit_test_setup(test_flag_refuses_all_else, unset),
        cmocka_unit_test_setup(test_flag_unset, unset),
        cmocka_unit_test_setup(test_uint, unset),
        cmocka_unit_test_setup(test_uint_refuses_all_else, unset),
        cmocka_unit_test_setup(test_uint_refuses_what_is_out_of_range, unset),
        cmocka_unit_test_setup(test_uint_unset, unset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
