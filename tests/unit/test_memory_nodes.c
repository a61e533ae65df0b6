/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of nodes by their memory, with a fake sysfs: two sockets, with memory of DAX devices and of
 * high bandwidth.
 */
/* WRAP: memory_policy_exists dax_device_memory_nodes getcpu sched_getcpu */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/memory_nodes.h"

#define GIB ((size_t)1 << 30)

/*
 * Nodes 0 and 1 have processors and DRAM, nodes 2 and 3 DAX memory near them, node 4 is a far one
 * with CXL memory, as large as node 3, and node 5 is of high bandwidth, near socket 0.
 */
enum { NODES = 6, SOCKETS = 2 };
static const size_t sizes[NODES] = {16 * GIB, 16 * GIB, 64 * GIB, 128 * GIB, 128 * GIB, 8 * GIB};
static const char *const distances[NODES] = {
    "10 21 17 28 40 12", "21 10 28 17 40 24", "17 28 10 28 40 28",
    "28 17 28 10 40 30", "40 40 40 40 10 45", "12 24 28 30 45 10",
};
/* MB/s and ns from the nearest socket. The far node's are unknown. */
static const struct {
    unsigned bandwidth;
    unsigned latency;
    unsigned initiators; /* sockets */
} speeds[NODES] = {{100000, 90, 1}, {100000, 90, 2}, {20000, 300, 1},
                   {20000, 310, 2}, {0, 0, 0},       {400000, 110, 1}};

static struct memory_nodes nodes;
static char root[64];
static bool available;
static int dax_error;
static unsigned long dax; /* nodes of devices */

bool __wrap_memory_policy_exists(void);
int __wrap_dax_device_memory_nodes(unsigned long *mask, unsigned long maxnode);
int __wrap_getcpu(unsigned *cpu, unsigned *node);
int __wrap_sched_getcpu(void);

bool __wrap_memory_policy_exists(void)
{
    return available;
}

int __wrap_dax_device_memory_nodes(unsigned long *mask, unsigned long maxnode)
{
    assert_int_equal(maxnode, NUMA_NUM_NODES);
    mask[0] |= dax;
    return dax_error;
}

static int cpu_now;
static unsigned getcpu_calls;
static int getcpu_result;
static unsigned getcpu_node;

int __wrap_getcpu(unsigned *cpu, unsigned *node)
{
    getcpu_calls++;
    *cpu = (unsigned)cpu_now;
    *node = getcpu_node;
    return getcpu_result;
}

int __wrap_sched_getcpu(void)
{
    return cpu_now;
}

/* -- The fake sysfs ---------------------------------------------------------------------------- */

static void path_of(char path[256], int node, const char *name)
{
    if (node < 0)
        snprintf(path, 256, "%s/%s", root, name);
    else
        snprintf(path, 256, "%s/node%d/%s", root, node, name);
}

__attribute__((format(printf, 3, 4))) static void put(int node, const char *name,
                                                      const char *format, ...)
{
    char path[256];
    va_list args;

    path_of(path, node, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    va_start(args, format);
    vfprintf(file, format, args);
    va_end(args);
    assert_int_equal(fclose(file), 0);
}

static void make_dir(int node, const char *name)
{
    char path[256];

    path_of(path, node, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void put_speed(int node, const char *class, unsigned bandwidth, unsigned latency,
                      unsigned initiators)
{
    char name[128];

    make_dir(node, class);
    snprintf(name, sizeof(name), "%s/initiators", class);
    make_dir(node, name);
    for (int socket = 0; socket < SOCKETS; socket++) {
        snprintf(name, sizeof(name), "%s/initiators/node%d", class, socket);
        if ((initiators >> socket & 1) != 0)
            put(node, name, "%s", "");
    }
    snprintf(name, sizeof(name), "%s/initiators/read_bandwidth", class);
    put(node, name, "%u\n", bandwidth + 1000);
    snprintf(name, sizeof(name), "%s/initiators/write_bandwidth", class);
    put(node, name, "%u\n", bandwidth - 1000);
    snprintf(name, sizeof(name), "%s/initiators/read_latency", class);
    put(node, name, "%u\n", latency);
    snprintf(name, sizeof(name), "%s/initiators/write_latency", class);
    put(node, name, "%u\n", latency);
}

static void make_node(int node)
{
    char name[16];

    snprintf(name, sizeof(name), "node%d", node);
    make_dir(-1, name);
    put(node, "meminfo", "Node %d MemTotal:       %zu kB\nNode %d MemFree: 5 kB\n", node,
        sizes[node] >> 10, node);
    put(node, "distance", "%s\n", distances[node]);
    put(node, "cpulist", node < SOCKETS ? "%d\n" : "\n", node);
}

static void remove_tree(void)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf '%s'", root);
    if (root[0] != '\0')
        assert_int_equal(system(command), 0);
}

static int setup(void **state)
{
    (void)state;
    snprintf(root, sizeof(root), "/tmp/nodes-XXXXXX");
    assert_non_null(mkdtemp(root));
    put(-1, "online", "0-%d\n", NODES - 1);
    for (int node = 0; node < NODES; node++)
        make_node(node);
    available = true;
    dax_error = 0;
    dax = 1ul << 2 | 1ul << 3 | 1ul << 4;
    getcpu_result = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    remove_tree();
    return 0;
}

/* Adds the firmware's figures, in both classes or in the old one. */
static void tell_speeds(void)
{
    for (int node = 0; node < NODES; node++)
        if (speeds[node].bandwidth != 0) {
            put_speed(node, "access0", speeds[node].bandwidth, speeds[node].latency,
                      speeds[node].initiators);
            if (node % 2 == 0)
                put_speed(node, "access1", speeds[node].bandwidth, speeds[node].latency,
                          speeds[node].initiators);
        }
}

static void look_with(const char *dax_list, const char *hbw_list, const char *threshold)
{
    memset(&nodes, 0, sizeof(nodes));
    memory_nodes_scan(&nodes, root, &(struct memory_nodes_wishes){dax_list, hbw_list, threshold});
}

static void scan(const char *dax_list)
{
    look_with(dax_list, NULL, NULL);
}

/* Checks that the set has exactly the nodes of these bits. */
static void check_set(const struct node_set *set, unsigned long expected)
{
    for (unsigned node = 0; node < NUMA_NUM_NODES; node++)
        assert_int_equal(node_set_has(set, node), node < BITS_PER_LONG && (expected >> node & 1));
    assert_false(node_set_has(set, NUMA_NUM_NODES));
}

static void check_value(struct node_set set, unsigned long expected)
{
    check_set(&set, expected);
}

static void test_look(void **state)
{
    (void)state;
    scan(NULL);
    check_set(&nodes.memory, 0x3f);
    check_set(&nodes.cpus, 0x3);
    check_set(&nodes.dax, 0x1c);
    assert_int_equal(nodes.dax_error, 0);
    check_set(&nodes.hbw, 0);
    assert_int_equal(nodes.hbw_error, -ENODEV);
    assert_int_equal(nodes.size[3], 128 * GIB);
    assert_int_equal(nodes.distance[0][3], 28);
}

static void test_no_devices(void **state)
{
    (void)state;
    dax = 0;
    scan(NULL);
    assert_int_equal(nodes.dax_error, -ENODEV);
    dax = 1ul << 2;
    dax_error = -ENOMEM;
    scan(NULL);
    assert_int_equal(nodes.dax_error, -ENODEV);
    /* A device's memory that is not online. */
    dax_error = 0;
    dax = 1ul << 7;
    scan(NULL);
    assert_int_equal(nodes.dax_error, -ENODEV);
    check_set(&nodes.dax, 0);
}

static void test_no_nodes(void **state)
{
    (void)state;
    available = false;
    scan(NULL);
    check_set(&nodes.memory, 0);
    assert_int_equal(nodes.dax_error, -ENODEV);
    scan("0");
    assert_int_equal(nodes.dax_error, -EINVAL);
}

/* Files that are missing or empty. */
static void test_nothing_is_known(void **state)
{
    (void)state;
    for (int node = 0; node < NODES; node++) {
        put(node, "meminfo", "Node %d\n", node);
        put(node, "distance", "\n");
    }
    scan("0");
    check_set(&nodes.memory, 0);
    assert_int_equal(nodes.dax_error, -EINVAL);
    for (int node = 0; node < NODES; node++)
        put(node, "meminfo", "Node %d MemTotal: 4 kB\n", node);
    scan(NULL);
    check_set(&nodes.memory, 0x3f);
    check_value(memory_nodes_closest(&nodes, &nodes.dax, 0), 0x1c);
    check_value(memory_nodes_local(&nodes, 0), 0x3f);
    remove_tree();
    scan("0");
    check_set(&nodes.memory, 0);
}

/* Node numbers have gaps, and distances are listed for existing nodes. */
static void test_gaps(void **state)
{
    (void)state;
    put(-1, "online", "0-1,3,5\n");
    put(0, "distance", "10 21 28 12\n");
    scan(NULL);
    check_set(&nodes.memory, 0x2b);
    assert_int_equal(nodes.distance[0][1], 21);
    assert_int_equal(nodes.distance[0][2], UINT8_MAX);
    assert_int_equal(nodes.distance[0][3], 28);
    assert_int_equal(nodes.distance[0][5], 12);
}

static void test_lists(void **state)
{
    (void)state;
    look_with("1-3", "0,5", "1");
    check_set(&nodes.dax, 0xe);
    check_set(&nodes.hbw, 0x21);
    assert_int_equal(nodes.dax_error, 0);
    assert_int_equal(nodes.hbw_error, 0);
    look_with("6", "x", NULL);
    check_set(&nodes.dax, 0);
    check_set(&nodes.hbw, 0);
    assert_int_equal(nodes.dax_error, -EINVAL);
    assert_int_equal(nodes.hbw_error, -EINVAL);
}

static void test_threshold(void **state)
{
    static const struct {
        const char *threshold;
        int error;
        unsigned long nodes;
    } cases[] = {
        {NULL, 0, 0x20},        {"400000", 0, 0x20},
        {"400001", -ENODEV, 0}, {"100000", 0, 0x23},
        {"0", 0, 0x2f},         {"20000", 0, 0x2f},
        {"fast", -EINVAL, 0},   {"", -EINVAL, 0},
        {"-1", -EINVAL, 0},     {"99999999999", -EINVAL, 0},
    };

    (void)state;
    tell_speeds();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        look_with(NULL, NULL, cases[i].threshold);
        check_set(&nodes.hbw, cases[i].nodes);
        assert_int_equal(nodes.hbw_error, cases[i].error);
    }
}

static void test_speeds(void **state)
{
    (void)state;
    tell_speeds();
    scan(NULL);
    assert_int_equal(nodes.speed[5].bandwidth, 400000);
    assert_int_equal(nodes.speed[5].latency, 110);
    check_set(&nodes.speed[5].initiators, 1);
    assert_int_equal(nodes.speed[4].bandwidth, 0);
    check_value(memory_nodes_of_most_bandwidth(&nodes, &nodes.memory, 0), 0x20);
    check_value(memory_nodes_of_least_latency(&nodes, &nodes.memory, 0), 0x1);
    check_value(memory_nodes_of_most_bandwidth(&nodes, &nodes.memory, 1), 0x2);
    check_value(memory_nodes_of_least_latency(&nodes, &nodes.memory, 1), 0x2);
    /* The far node's figures are unknown. */
    check_value(memory_nodes_of_most_bandwidth(&nodes, &nodes.memory, 4), 0);
}

/* For an accelerator that is nearer than any processor, class 0 has its figures. */
static void test_other_initiators(void **state)
{
    (void)state;
    put_speed(5, "access0", 900000, 10, 0);
    put_speed(5, "access1", 300000, 120, 1);
    scan(NULL);
    assert_int_equal(nodes.speed[5].bandwidth, 300000);
    check_set(&nodes.speed[5].initiators, 1);
}

/* A mean needs both values. */
static void test_half_of_a_speed(void **state)
{
    (void)state;
    put_speed(5, "access1", 300000, 120, 1);
    put(5, "access1/initiators/write_bandwidth", "0\n");
    scan(NULL);
    assert_int_equal(nodes.speed[5].bandwidth, 0);
    assert_int_equal(nodes.hbw_error, -ENODEV);
    check_value(memory_nodes_of_least_latency(&nodes, &nodes.memory, 0), 0);
}

static void test_distances(void **state)
{
    static const struct node_set none = {{0}};

    (void)state;
    scan(NULL);
    check_value(memory_nodes_closest(&nodes, &nodes.dax, 0), 1ul << 2);
    check_value(memory_nodes_closest(&nodes, &nodes.dax, 1), 1ul << 3);
    check_value(memory_nodes_farthest(&nodes, &nodes.dax, 0), 1ul << 4);
    check_value(memory_nodes_closest(&nodes, &nodes.cpus, 4), 0x3);
    check_value(memory_nodes_closest(&nodes, &none, 0), 0);
}

static void test_sizes(void **state)
{
    (void)state;
    scan(NULL);
    check_value(memory_nodes_largest(&nodes, &nodes.memory), 1ul << 3 | 1ul << 4);
    check_value(memory_nodes_largest(&nodes, &nodes.cpus), 0x3);
    check_value(memory_nodes_smallest(&nodes, &nodes.memory), 1ul << 5);
    check_value(memory_nodes_smallest(&nodes, &nodes.dax), 1ul << 2);
}

static void test_local(void **state)
{
    (void)state;
    scan(NULL);
    /* The far node is equally near to both sockets. */
    check_value(memory_nodes_local(&nodes, 0), 1ul << 0 | 1ul << 2 | 1ul << 4 | 1ul << 5);
    check_value(memory_nodes_local(&nodes, 1), 1ul << 1 | 1ul << 3 | 1ul << 4);
}

static void test_here(void **state)
{
    (void)state;
    getcpu_node = 1;
    cpu_now = 7;
    assert_int_equal(memory_nodes_here(), 1);
    /* The processor's node is cached now. */
    getcpu_calls = 0;
    assert_int_equal(memory_nodes_here(), 1);
    assert_int_equal(getcpu_calls, 0);
    cpu_now = 8;
    getcpu_node = NUMA_NUM_NODES;
    assert_int_equal(memory_nodes_here(), 0);
    getcpu_node = 1;
    getcpu_result = -1;
    assert_int_equal(memory_nodes_here(), 0);
    /* A processor beyond the cache, and a kernel that does not report one. */
    getcpu_result = 0;
    cpu_now = 100000;
    assert_int_equal(memory_nodes_here(), 1);
    assert_int_equal(memory_nodes_here(), 1);
    cpu_now = -1;
    assert_int_equal(memory_nodes_here(), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_look),
        TEST(test_no_devices),
        TEST(test_no_nodes),
        TEST(test_nothing_is_known),
        TEST(test_gaps),
        TEST(test_lists),
        TEST(test_threshold),
        TEST(test_speeds),
        TEST(test_other_initiators),
        TEST(test_half_of_a_speed),
        TEST(test_distances),
        TEST(test_sizes),
        TEST(test_local),
        TEST(test_here),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
