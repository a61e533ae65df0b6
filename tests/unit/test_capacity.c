/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of capacity: which memory counts for which kind. */
/* WRAP: sysconf numa_nodes_with_cpus node_files_memory */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <unistd.h>

#include "kinds/capacity.h"
#include "kinds/kind_class.h"
#include "kinds/kind_registry.h"
#include "kinds/node_kind.h"
#include "memkind.h"
#include "memkind/internal/memkind_default.h"

#define PAGES     1000
#define PAGE      4096
#define NODE_SIZE 500000
#define SOME_SIZE 123456

static int nodes_error;
static unsigned long nodes; /* the nodes that have processors */

long __real_sysconf(int name);
long __wrap_sysconf(int name);
int __wrap_numa_nodes_with_cpus(unsigned long *mask, unsigned long maxnode);
size_t __wrap_node_files_memory(const char *root, unsigned node);

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
size_t __wrap_node_files_memory(const char *root, unsigned node)
{
    (void)root;
    return node == 2 ? 0 : NODE_SIZE * (node + 1);
}

static int setup(void **state)
{
    (void)state;
    nodes_error = 0;
    nodes = 0;
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

static ssize_t some_size(struct memkind *kind)
{
    (void)kind;
    return SOME_SIZE;
}

/* The kind's operations do not matter. */
static void class_of_a_kind_knows_the_capacity(void **state)
{
    static const struct kind_class class = {.capacity = some_size};
    struct memkind kind = {.ops = &MEMKIND_REGULAR_OPS};

    (void)state;
    assert_int_equal(kind_registry_add(&kind, &class), 0);
    assert_int_equal(capacity_of_kind(&kind), SOME_SIZE);
    kind_registry_remove(&kind);
}

/* -- Kinds of the program, which have no class ------------------------------------------------- */

static void check_unknown(struct memkind_ops *ops, int error)
{
    struct memkind kind = {.ops = ops};

    errno = 0;
    assert_int_equal(kind_registry_add(&kind, NULL), 0);
    assert_int_equal(capacity_of_kind(&kind), -1);
    assert_int_equal(errno, error);
    kind_registry_remove(&kind);
}

static void kind_has_the_memory_of_the_nodes_that_it_is_bound_to(void **state)
{
    struct memkind_ops ops = MEMKIND_REGULAR_OPS;
    struct memkind kind = {.ops = &ops};

    (void)state;
    nodes = 1ul << 1;
    ops.mbind = node_kind_mbind;
    assert_int_equal(kind_registry_add(&kind, NULL), 0);
    assert_int_equal(capacity_of_kind(&kind), NODE_SIZE * 2);
    ops.get_mbind_mode = memkind_interleave_get_mbind_mode;
    assert_int_equal(capacity_of_kind(&kind), NODE_SIZE * 2);
    kind_registry_remove(&kind);
    nodes_error = -ENOSYS;
    check_unknown(&ops, ENODEV);
}

static void kind_that_is_bound_to_no_node_is_an_error(void **state)
{
    struct memkind_ops ops = MEMKIND_REGULAR_OPS;

    (void)state;
    check_unknown(&ops, EINVAL);
    ops.mbind = node_kind_mbind;
    ops.get_mbind_mode = memkind_preferred_get_mbind_mode;
    check_unknown(&ops, EINVAL);
    ops.get_mbind_mode = memkind_default_get_mbind_mode;
    ops.get_mbind_nodemask = NULL;
    check_unknown(&ops, EINVAL);
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
        cmocka_unit_test_setup(class_of_a_kind_knows_the_capacity, setup),
        cmocka_unit_test_setup(kind_has_the_memory_of_the_nodes_that_it_is_bound_to, setup),
        cmocka_unit_test_setup(kind_that_is_bound_to_no_node_is_an_error, setup),
        cmocka_unit_test_setup(unknown_kind_is_an_error, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
