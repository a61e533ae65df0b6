/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of lists of nodes: exactly what numa_parse_nodestring(3) accepts is accepted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "os/node_list.h"

static const struct node_set known = {{0x1f}};   /* nodes 0 to 4 */
static const struct node_set allowed = {{0x1a}}; /* 1, 3 and 4 */

static void test_good_lists(void **state)
{
    static const struct {
        const char *list;
        unsigned long nodes;
    } good[] = {
        {"0", 1},       {"4", 0x10}, {"1-3", 0xe},   {"0,2-3", 0xd},
        {"2,2,2-2", 4}, {"03", 8},   {"all", 0x1f},  {"!1", 0x1d},
        {"!0-2", 0x18}, {"+0", 2},   {"+1-2", 0x18}, {"!+0", 0x1d},
        {" 1", 2},      {"0, 2", 5}, {"!  1", 0x1d}, {"1- 2,  4", 0x16},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct node_set set = {{~0ul}};

        assert_int_equal(node_list_parse(good[i].list, &known, &allowed, &set), 0);
        assert_int_equal(set.bits[0], good[i].nodes);
        for (size_t word = 1; word < sizeof(set.bits) / sizeof(set.bits[0]); word++)
            assert_int_equal(set.bits[word], 0);
    }
}

static void test_bad_lists(void **state)
{
    static const char *const bad[] = {
        "",     " ",    "x",   "1x",  "1,",   ",1",  "1-",  "-1",    "3-1",  "1 ",
        "1 ,2", "1 -2", "0x1", "5",   "0-5",  "127", "128", "2048",  "!all", "!0-4",
        "!",    "+",    "+3",  "+-1", "1--2", "1;2", "1,x", "all,1", "+!1",  "99999999999999999999",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct node_set set = {{~0ul}};

        assert_int_equal(node_list_parse(bad[i], &known, &allowed, &set), -EINVAL);
        assert_true(node_set_is_empty(&set));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_lists),
        cmocka_unit_test(test_bad_lists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
