/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of nodes by their memory, on a machine of two sockets that a replaced libnuma pretends. */
/* WRAP: numa_available numa_max_node numa_node_size64 numa_distance numa_nodes_with_cpus */
/* WRAP: dax_device_memory_nodes getcpu */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "backing/memory_nodes.h"

#define GIB ((size_t)1 << 30)

/*
 * Two sockets: processors and DRAM are on nodes 0 and 1, DAX memory near them on nodes 2 and 3, and
 * node 4 is a far one with CXL memory, as large as node 3.
 */
enum { NODES = 5, SOCKETS = 2 };
static const size_t sizes[NODES] = {16 * GIB, 16 * GIB, 64 * GIB, 128 * GIB, 128 * GIB};
static const int distances[NODES][NODES] = {
    {10, 21, 17, 28, 40}, {21, 10, 28, 17, 40}, {17, 28, 10, 28, 40},
    {28, 17, 28, 10, 40}, {40, 40, 40, 40, 10},
};

static struct memory_nodes nodes;
static bool available;
static int dax_error;
static unsigned long dax; /* nodes of devices */
static bool sizes_fail;
static bool distances_fail;

int __wrap_numa_available(void);
int __wrap_numa_max_node(void);
long long __wrap_numa_node_size64(int node, long long *free_size);
int __wrap_numa_distance(int from, int to);
int __wrap_numa_nodes_with_cpus(unsigned long *mask, unsigned long maxnode);
int __wrap_dax_device_memory_nodes(unsigned long *mask, unsigned long maxnode);
int __wrap_getcpu(unsigned *cpu, unsigned *node);

int __wrap_numa_available(void)
{
    return available ? 0 : -1;
}

int __wrap_numa_max_node(void)
{
    assert_true(available);
    return NODES - 1;
}

long long __wrap_numa_node_size64(int node, long long *free_size)
{
    assert_null(free_size);
    return sizes_fail ? -1 : (long long)sizes[node];
}

int __wrap_numa_distance(int from, int to)
{
    return distances_fail ? 0 : distances[from][to];
}

int __wrap_numa_nodes_with_cpus(unsigned long *mask, unsigned long maxnode)
{
    assert_int_equal(maxnode, NUMA_NUM_NODES);
    mask[0] = (1ul << SOCKETS) - 1;
    return 0;
}

int __wrap_dax_device_memory_nodes(unsigned long *mask, unsigned long maxnode)
{
    assert_int_equal(maxnode, NUMA_NUM_NODES);
    mask[0] |= dax;
    return dax_error;
}

static int getcpu_result;
static unsigned getcpu_node;

int __wrap_getcpu(unsigned *cpu, unsigned *node)
{
    *cpu = 0;
    *node = getcpu_node;
    return getcpu_result;
}

static int setup(void **state)
{
    (void)state;
    available = true;
    sizes_fail = distances_fail = false;
    dax_error = 0;
    dax = 1ul << 2 | 1ul << 3 | 1ul << 4;
    getcpu_result = 0;
    return 0;
}

static void look(const char *list)
{
    memset(&nodes, 0, sizeof(nodes));
    memory_nodes_look(&nodes, list);
}

/* The set has the nodes whose bits are set, and no others. */
static void check_set(const struct node_set *set, unsigned long expected)
{
    for (unsigned node = 0; node < NUMA_NUM_NODES; node++)
        assert_int_equal(node_set_has(set, node), node < NODE_SET_BITS && (expected >> node & 1));
    assert_false(node_set_has(set, NUMA_NUM_NODES));
}

static void check_value(struct node_set set, unsigned long expected)
{
    check_set(&set, expected);
}

static void test_look(void **state)
{
    (void)state;
    look(NULL);
    check_set(&nodes.memory, 0x1f);
    check_set(&nodes.cpus, 0x3);
    check_set(&nodes.dax, 0x1c);
    assert_int_equal(nodes.dax_error, 0);
    assert_int_equal(nodes.size[3], 128 * GIB);
    assert_int_equal(nodes.distance[0][3], 28);
}

static void test_no_devices(void **state)
{
    (void)state;
    dax = 0;
    look(NULL);
    assert_int_equal(nodes.dax_error, -ENODEV);
    dax = 1ul << 2;
    dax_error = -ENOMEM;
    look(NULL);
    assert_int_equal(nodes.dax_error, -ENODEV);
    /* Memory of a device that is not online. */
    dax_error = 0;
    dax = 1ul << 7;
    look(NULL);
    assert_int_equal(nodes.dax_error, -ENODEV);
    check_set(&nodes.dax, 0);
}

static void test_no_nodes(void **state)
{
    (void)state;
    available = false;
    look(NULL);
    check_set(&nodes.memory, 0);
    assert_int_equal(nodes.dax_error, -ENODEV);
    look("0");
    assert_int_equal(nodes.dax_error, -EINVAL);
}

static void test_nothing_is_known(void **state)
{
    (void)state;
    sizes_fail = true;
    look("0");
    check_set(&nodes.memory, 0);
    assert_int_equal(nodes.dax_error, -EINVAL);
    sizes_fail = false;
    distances_fail = true;
    look(NULL);
    check_value(memory_nodes_closest(&nodes, &nodes.dax, 0), 0x1c);
    check_value(memory_nodes_local(&nodes, 0), 0x1f);
}

static void test_lists(void **state)
{
    static const struct {
        const char *list;
        unsigned long nodes;
    } good[] = {{"0", 1}, {"4", 0x10}, {"1-3", 0xe}, {"0,2-3", 0xd}, {"2,2,2-2", 4}, {"03", 8}};
    static const char *const bad[] = {
        "",    " ", "x",   "1x",  "1,",  ",1",  "1-", "-1",   "3-1", "1 ",  "+1",
        "0x1", "5", "0-5", "127", "128", "all", "!1", "1--2", "1;2", "1,x", "99999999999999999999",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        look(good[i].list);
        assert_int_equal(nodes.dax_error, 0);
        check_set(&nodes.dax, good[i].nodes);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        look(bad[i]);
        assert_int_equal(nodes.dax_error, -EINVAL);
    }
}

static void test_distances(void **state)
{
    static const struct node_set none = {{0}};

    (void)state;
    look(NULL);
    check_value(memory_nodes_closest(&nodes, &nodes.dax, 0), 1ul << 2);
    check_value(memory_nodes_closest(&nodes, &nodes.dax, 1), 1ul << 3);
    check_value(memory_nodes_farthest(&nodes, &nodes.dax, 0), 1ul << 4);
    check_value(memory_nodes_closest(&nodes, &nodes.cpus, 4), 0x3);
    check_value(memory_nodes_closest(&nodes, &none, 0), 0);
}

static void test_sizes(void **state)
{
    (void)state;
    look(NULL);
    check_value(memory_nodes_largest(&nodes, &nodes.memory), 1ul << 3 | 1ul << 4);
    check_value(memory_nodes_largest(&nodes, &nodes.cpus), 0x3);
}

static void test_local(void **state)
{
    (void)state;
    look(NULL);
    /* The far node is as near to one socket as to the other. */
    check_value(memory_nodes_local(&nodes, 0), 1ul << 0 | 1ul << 2 | 1ul << 4);
    check_value(memory_nodes_local(&nodes, 1), 1ul << 1 | 1ul << 3 | 1ul << 4);
}

static void test_here(void **state)
{
    (void)state;
    getcpu_node = 1;
    assert_int_equal(memory_nodes_here(), 1);
    getcpu_node = NUMA_NUM_NODES;
    assert_int_equal(memory_nodes_here(), 0);
    getcpu_node = 1;
    getcpu_result = -1;
    assert_int_equal(memory_nodes_here(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_look, setup),
        cmocka_unit_test_setup(test_no_devices, setup),
        cmocka_unit_test_setup(test_no_nodes, setup),
        cmocka_unit_test_setup(test_nothing_is_known, setup),
        cmocka_unit_test_setup(test_lists, setup),
        cmocka_unit_test_setup(test_distances, setup),
        cmocka_unit_test_setup(test_sizes, setup),
        cmocka_unit_test_setup(test_local, setup),
        cmocka_unit_test_setup(test_here, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
