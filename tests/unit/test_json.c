/* SPDX-License-Identifier: BSD-2-Clause */
#include "util/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_escaped(const char *text, const char *expected)
{
    char escaped[256];

    assert_string_equal(json_escape(escaped, sizeof(escaped), text), "");
    assert_string_equal(escaped, expected);
}

static void plain_text_stays(void **state)
{
    (void)state;
    assert_escaped("", "");
    assert_escaped("/mnt/pmem0 ~", "/mnt/pmem0 ~");
}

static void quotes_backslashes_and_controls_are_escaped(void **state)
{
    (void)state;
    assert_escaped("a\"b\\c/", "a\\\"b\\\\c/");
    assert_escaped("\t\n\x1f\x7f", "\\u0009\\u000a\\u001f\\u007f");
    assert_escaped("\xc2\x80\xc2\x9f\xc2\xa0", "\\u0080\\u009f\xc2\xa0");
}

static void utf8_stays(void **state)
{
    /* The first and the last character of each length, and those next to the surrogates. */
    static const char *const texts[] = {
        "\xc2\xa0",     "\xdf\xbf",     "\xe0\xa0\x80",     "\xed\x9f\xbf",
        "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_escaped(texts[i], texts[i]);
}

#define BAD "\\ufffd"

static void each_other_byte_is_replaced(void **state)
{
    (void)state;
    assert_escaped("\x80"
                   "a",
                   BAD "a");             /* a continuation byte alone */
    assert_escaped("\xff\xfe", BAD BAD); /* never valid in UTF-8 */
    assert_escaped("\xe4"
                   "b",
                   BAD "b");                                /* Latin-1 */
    assert_escaped("\xe2\x82", BAD BAD);                    /* truncated */
    assert_escaped("\xe2\x82\xc3\xa4", BAD BAD "\xc3\xa4"); /* truncated, within a text */
    assert_escaped("\xc0\xaf", BAD BAD);                    /* overlong */
    assert_escaped("\xe0\x9f\xbf", BAD BAD BAD);
    assert_escaped("\xf0\x8f\xbf\xbf", BAD BAD BAD BAD);
    assert_escaped("\xed\xa0\x80", BAD BAD BAD); /* a surrogate */
    assert_escaped("\xed\xbf\xbf", BAD BAD BAD);
    assert_escaped("\xf4\x90\x80\x80", BAD BAD BAD BAD); /* above the last character */
}

/* Pieces of all sizes give the same text, and none exceeds its buffer. */
static void a_text_comes_in_pieces(void **state)
{
    static const char text[] = "\"\\\x01\xff\xf0\x90\x80\x80 abc\xc3\xa4\xc3";
    char whole[128];

    (void)state;
    json_escape(whole, sizeof(whole), text);
    for (size_t size = JSON_LONGEST_CHARACTER + 1; size <= sizeof(text); size++) {
        char joined[128] = "";
        /* Of the exact size, so that a sanitizer reports one byte too many. */
        char *piece = malloc(size);
        assert_non_null(piece);
        for (const char *rest = text; *rest != '\0';) {
            const char *before = rest;
            rest = json_escape(piece, size, rest);
            assert_true(rest > before && strlen(piece) < size);
            strcat(joined, piece);
        }
        free(piece);
        assert_string_equal(joined, whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_text_stays),
        cmocka_unit_test(quotes_backslashes_and_controls_are_escaped),
        cmocka_unit_test(utf8_stays),
        cmocka_unit_test(each_other_byte_is_replaced),
        cmocka_unit_test(a_text_comes_in_pieces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
