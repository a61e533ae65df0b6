/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of capacity: whose memory counts for which kind. */
/* WRAP: sysconf numa_nodes_with_cpus numa_node_size64 memkind_pmem_capacity */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <unistd.h>

#include "kinds/capacity.h"
#include "memkind.h"
#include "memkind/internal/memkind_pmem.h"

#define PAGES     1000
#define PAGE      4096
#define NODE_SIZE 500000
#define SOME_SIZE 123456

static int nodes_error;
static unsigned long nodes; /* that have processors */
static ssize_t pmem_capacity;

long __real_sysconf(int name);
long __wrap_sysconf(int name);
int __wrap_numa_nodes_with_cpus(unsigned long *mask, unsigned long maxnode);
long long __wrap_numa_node_size64(int node, long long *free_size);
ssize_t __wrap_memkind_pmem_capacity(struct memkind *kind);

long __wrap_sysconf(int name)
{
    return name == _SC_PHYS_PAGES ? PAGES : name == _SC_PAGESIZE ? PAGE : __real_sysconf(name);
}

int __wrap_numa_nodes_with_cpus(unsigned long *mask, unsigned long maxnode)
{
    assert_true(maxnode > 64);
    mask[0] = nodes;
    return nodes_error;
}

/* Node 2 has processors but no memory. */
long long __wrap_numa_node_size64(int node, long long *free_size)
{
    (void)free_size;
    return node == 2 ? -1 : NODE_SIZE * (node + 1);
}

ssize_t __wrap_memkind_pmem_capacity(struct memkind *kind)
{
    (void)kind;
    return pmem_capacity;
}

static int setup(void **state)
{
    (void)state;
    nodes_error = 0;
    nodes = 0;
    pmem_capacity = SOME_SIZE;
    return 0;
}

static void default_kind_has_all_memory(void **state)
{
    (void)state;
    assert_int_equal(capacity_of_kind(MEMKIND_DEFAULT), PAGES * PAGE);
}

static void regular_kind_has_the_memory_of_nodes_with_processors(void **state)
{
    (void)state;
    nodes = 1ul << 0 | 1ul << 2 | 1ul << 5;
    assert_int_equal(capacity_of_kind(MEMKIND_REGULAR), NODE_SIZE * (1 + 6));
}

static void regular_kind_has_all_memory_where_nodes_are_unknown(void **state)
{
    (void)state;
    nodes_error = -ENOSYS;
    assert_int_equal(capacity_of_kind(MEMKIND_REGULAR), PAGES * PAGE);
}

static void pmem_kind_knows_itself(void **state)
{
    struct memkind kind = {.ops = &MEMKIND_PMEM_OPS};

    (void)state;
    assert_int_equal(capacity_of_kind(&kind), SOME_SIZE);
    pmem_capacity = -1;
    assert_int_equal(capacity_of_kind(&kind), -1);
}

static void unknown_kind_is_an_error(void **state)
{
    static struct memkind_ops ops;
    struct memkind kind = {.ops = &ops};

    (void)state;
    errno = 0;
    assert_int_equal(capacity_of_kind(&kind), -1);
    assert_int_equal(errno, EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(default_kind_has_all_memory, setup),
        cmocka_unit_test_setup(regular_kind_has_the_memory_of_nodes_with_processors, setup),
        cmocka_unit_test_setup(regular_kind_has_all_memory_where_nodes_are_unknown, setup),
        cmocka_unit_test_setup(pmem_kind_knows_itself, setup),
        cmocka_unit_test_setup(unknown_kind_is_an_error, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
