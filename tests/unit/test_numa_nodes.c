/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of node masks, on machines that a fake sysfs describes. */
/* WRAP: memory_policy_exists node_files_online node_files_has_cpus */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "os/memory_policy.h"
#include "os/node_files.h"
#include "os/numa_nodes.h"

#define LONG_BITS ((int)(sizeof(unsigned long) * CHAR_BIT))
#define NODES     (2 * LONG_BITS)
#define LONGS     3
#define GUARD     0x5aul

enum node { NODE_MISSING, NODE_MEMORY, NODE_CPUS };

static enum node nodes[NODES];
static bool available;

bool __real_memory_policy_exists(void);
bool __wrap_memory_policy_exists(void);
struct node_set __real_node_files_online(const char *root);
struct node_set __wrap_node_files_online(const char *root);
bool __real_node_files_has_cpus(const char *root, unsigned node);
bool __wrap_node_files_has_cpus(const char *root, unsigned node);

static bool real; /* use the real functions */

bool __wrap_memory_policy_exists(void)
{
    return real ? __real_memory_policy_exists() : available;
}

struct node_set __wrap_node_files_online(const char *root)
{
    struct node_set online = {{0}};

    if (real)
        return __real_node_files_online(root);
    for (unsigned node = 0; node < NODES; node++)
        if (nodes[node] != NODE_MISSING)
            node_set_add(&online, node);
    return online;
}

bool __wrap_node_files_has_cpus(const char *root, unsigned node)
{
    if (real)
        return __real_node_files_has_cpus(root, node);
    assert_in_range(node, 0, NODES - 1);
    assert_int_not_equal(nodes[node], NODE_MISSING);
    return nodes[node] == NODE_CPUS;
}

static int setup(void **state)
{
    (void)state;
    memset(nodes, 0, sizeof(nodes));
    available = true;
    real = false;
    return 0;
}

/* Requests a mask of maxnode bits. Checks its longs, and that those after it are unchanged. */
static void check(unsigned long maxnode, int error, unsigned long first, unsigned long second)
{
    const unsigned long expected[] = {first, second};
    unsigned long mask[LONGS] = {GUARD, GUARD, GUARD};
    size_t longs = (maxnode + (size_t)LONG_BITS - 1) / (size_t)LONG_BITS;

    assert_int_equal(numa_nodes_with_cpus(mask, maxnode), error);
    for (size_t i = 0; i < LONGS; i++)
        assert_int_equal(mask[i], i < longs ? expected[i] : GUARD);
}

static void test_one_node(void **state)
{
    (void)state;
    nodes[0] = NODE_CPUS;
    check(1, 0, 1, 0);
    check((unsigned long)LONG_BITS, 0, 1, 0);
    check((unsigned long)LONG_BITS + 1, 0, 1, 0);
    check((unsigned long)NODES, 0, 1, 0);
}

static void test_nodes_of_memory_are_left_out(void **state)
{
    (void)state;
    nodes[0] = NODE_CPUS;
    nodes[1] = NODE_CPUS;
    nodes[2] = NODE_MEMORY;
    nodes[3] = NODE_MISSING;
    nodes[4] = NODE_CPUS;
    nodes[LONG_BITS + 1] = NODE_CPUS;
    nodes[NODES - 1] = NODE_MEMORY;
    check((unsigned long)NODES, 0, 0x13, 2);
}

static void test_nodes_that_do_not_fit(void **state)
{
    (void)state;
    nodes[0] = NODE_CPUS;
    nodes[4] = NODE_CPUS;
    nodes[6] = NODE_MEMORY;
    check(5, 0, 0x11, 0);
    check(4, -EINVAL, 0, 0);
    nodes[LONG_BITS] = NODE_CPUS;
    check((unsigned long)LONG_BITS, -EINVAL, 0, 0);
    check((unsigned long)LONG_BITS + 1, 0, 0x11, 1);
}

static void test_no_node_has_cpus(void **state)
{
    (void)state;
    check((unsigned long)NODES, -ENODEV, 0, 0);
    nodes[1] = NODE_MEMORY;
    check((unsigned long)NODES, -ENODEV, 0, 0);
}

static void test_no_numa(void **state)
{
    (void)state;
    available = false;
    nodes[0] = NODE_CPUS;
    check((unsigned long)NODES, -ENOSYS, 0, 0);
}

static void test_no_mask(void **state)
{
    unsigned long mask = GUARD;

    (void)state;
    assert_int_equal(numa_nodes_with_cpus(NULL, 1), -EINVAL);
    assert_int_equal(numa_nodes_with_cpus(&mask, 0), -EINVAL);
    assert_int_equal(mask, GUARD);
}

static void test_this_machine(void **state)
{
    unsigned long mask[NUMA_NUM_NODES / (sizeof(unsigned long) * CHAR_BIT)];
    unsigned long any = 0;
    int error;

    (void)state;
    real = true;
    error = numa_nodes_with_cpus(mask, NUMA_NUM_NODES);
    for (size_t i = 0; i < sizeof(mask) / sizeof(mask[0]); i++)
        any |= mask[i];
    assert_int_equal(error, __real_memory_policy_exists() ? 0 : -ENOSYS);
    assert_int_equal(any != 0, error == 0);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_node),
        TEST(test_nodes_of_memory_are_left_out),
        TEST(test_nodes_that_do_not_fit),
        TEST(test_no_node_has_cpus),
        TEST(test_no_numa),
        TEST(test_no_mask),
        TEST(test_this_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
