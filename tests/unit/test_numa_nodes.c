/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of node masks, on machines that a fake libnuma describes. */
/* WRAP: numa_available numa_max_node numa_allocate_cpumask numa_bitmask_free numa_node_to_cpus */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <numa.h>
#include <stdbool.h>
#include <string.h>

#include "os/numa_nodes.h"

#define LONG_BITS ((int)(sizeof(unsigned long) * CHAR_BIT))
#define NODES     (2 * LONG_BITS)
#define LONGS     3
#define GUARD     0x5aul

enum node { NODE_MISSING, NODE_MEMORY, NODE_CPUS };

static enum node nodes[NODES];
static bool available;
static bool no_memory;
static int masks; /* live */

int __real_numa_available(void);
int __wrap_numa_available(void);
int __real_numa_max_node(void);
int __wrap_numa_max_node(void);
struct bitmask *__real_numa_allocate_cpumask(void);
struct bitmask *__wrap_numa_allocate_cpumask(void);
void __real_numa_bitmask_free(struct bitmask *mask);
void __wrap_numa_bitmask_free(struct bitmask *mask);
int __real_numa_node_to_cpus(int node, struct bitmask *cpus);
int __wrap_numa_node_to_cpus(int node, struct bitmask *cpus);

static bool real; /* use the real functions */

int __wrap_numa_available(void)
{
    if (real)
        return __real_numa_available();
    return available ? 0 : -1;
}

int __wrap_numa_max_node(void)
{
    int last = NODES - 1;

    if (real)
        return __real_numa_max_node();
    while (last > 0 && nodes[last] == NODE_MISSING)
        last--;
    return last;
}

struct bitmask *__wrap_numa_allocate_cpumask(void)
{
    if (no_memory)
        return NULL;
    masks++;
    return __real_numa_allocate_cpumask();
}

void __wrap_numa_bitmask_free(struct bitmask *mask)
{
    masks--;
    __real_numa_bitmask_free(mask);
}

int __wrap_numa_node_to_cpus(int node, struct bitmask *cpus)
{
    if (real)
        return __real_numa_node_to_cpus(node, cpus);
    assert_in_range(node, 0, NODES - 1);
    if (nodes[node] == NODE_MISSING) {
        errno = ENOENT;
        return -1;
    }
    numa_bitmask_clearall(cpus);
    if (nodes[node] == NODE_CPUS)
        numa_bitmask_setbit(cpus, 0);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    memset(nodes, 0, sizeof(nodes));
    available = true;
    no_memory = real = false;
    masks = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(masks, 0);
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

static void test_no_memory(void **state)
{
    (void)state;
    no_memory = true;
    nodes[0] = NODE_CPUS;
    check((unsigned long)NODES, -ENOMEM, 0, 0);
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
    assert_int_equal(error, __real_numa_available() < 0 ? -ENOSYS : 0);
    assert_int_equal(any != 0, error == 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_node),
        TEST(test_nodes_of_memory_are_left_out),
        TEST(test_nodes_that_do_not_fit),
        TEST(test_no_node_has_cpus),
        TEST(test_no_numa),
        TEST(test_no_memory),
        TEST(test_no_mask),
        TEST(test_this_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
