/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the error texts: each code has its own, and no buffer overflows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "memkind.h"
#include "util/error.h"

#define PREFIX    "<memkind> "
#define UNDEFINED PREFIX "Undefined error number: "
#define UNTOUCHED '#'

static const int codes[] = {
    MEMKIND_SUCCESS,
    MEMKIND_ERROR_UNAVAILABLE,
    MEMKIND_ERROR_MBIND,
    MEMKIND_ERROR_MMAP,
    MEMKIND_ERROR_MALLOC,
    MEMKIND_ERROR_ENVIRON,
    MEMKIND_ERROR_INVALID,
    MEMKIND_ERROR_TOOMANY,
    MEMKIND_ERROR_BADOPS,
    MEMKIND_ERROR_HUGETLB,
    MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE,
    MEMKIND_ERROR_OPERATION_FAILED,
    MEMKIND_ERROR_ARENAS_CREATE,
    MEMKIND_ERROR_RUNTIME,
    EINVAL,
    ENOMEM,
};

#define CODES (sizeof(codes) / sizeof(codes[0]))

static void test_each_code_has_its_own_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < CODES; i++) {
        assert_non_null(error_text(codes[i]));
        assert_memory_equal(error_text(codes[i]), PREFIX, strlen(PREFIX));
        assert_in_range(strlen(error_text(codes[i])), 1, MEMKIND_ERROR_MESSAGE_SIZE - 1);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(error_text(codes[i]), error_text(codes[j]));
    }
}

static void test_other_numbers_are_undefined(void **state)
{
    static const struct {
        int error;
        const char *text;
    } others[] = {
        {1, UNDEFINED "1"},
        {-4, UNDEFINED "-4"},
        {-256, UNDEFINED "-256"},
        {INT_MIN, UNDEFINED "-2147483648"},
        {INT_MAX, UNDEFINED "2147483647"},
    };
    char msg[MEMKIND_ERROR_MESSAGE_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_null(error_text(others[i].error));
        error_message(others[i].error, msg, sizeof(msg));
        assert_string_equal(msg, others[i].text);
    }
}

static void test_message_of_every_size_is_terminated(void **state)
{
    (void)state;
    for (size_t i = 0; i < CODES; i++) {
        const char *text = error_text(codes[i]);

        for (size_t size = 1; size <= MEMKIND_ERROR_MESSAGE_SIZE; size++) {
            char msg[MEMKIND_ERROR_MESSAGE_SIZE + 1];
            size_t length = strlen(text) < size ? strlen(text) : size - 1;

            memset(msg, UNTOUCHED, sizeof(msg));
            error_message(codes[i], msg, size);
            assert_int_equal(strnlen(msg, size), length);
            assert_memory_equal(msg, text, length);
            assert_int_equal(msg[size], UNTOUCHED);
        }
    }
}

static void test_no_buffer_is_nothing(void **state)
{
    char msg = UNTOUCHED;

    (void)state;
    errno = EXDEV;
    error_message(MEMKIND_ERROR_INVALID, &msg, 0);
    error_message(MEMKIND_ERROR_INVALID, NULL, 0);
    error_message(MEMKIND_ERROR_INVALID, NULL, MEMKIND_ERROR_MESSAGE_SIZE);
    assert_int_equal(msg, UNTOUCHED);
    assert_int_equal(errno, EXDEV);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_code_has_its_own_text),
        cmocka_unit_test(test_other_numbers_are_undefined),
        cmocka_unit_test(test_message_of_every_size_is_terminated),
        cmocka_unit_test(test_no_buffer_is_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
