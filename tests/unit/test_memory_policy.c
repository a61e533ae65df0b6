/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of memory policies, with a fake kernel of more nodes than a mask has bits. */
/* WRAP: syscall */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>

#include "os/memory_policy.h"
#include "support/faults.h"
#include "util/bits.h"

#define BITS  ((unsigned long)BITS_PER_LONG)
#define GUARD 0x5aul

static struct fault fault;
static struct {
    long number;
    const unsigned long *nodes;
    unsigned long maxnode;
    long mode;
} seen;
static unsigned long allowed; /* the first of the process's nodes; the last is node 1023 */

long __wrap_syscall(long number, ...);

static void answer_get_mempolicy(unsigned long *nodes, unsigned long maxnode)
{
    if (nodes == NULL)
        return;
    /* The kernel refuses a mask that has no room for all of its nodes. */
    assert_int_equal(maxnode, 1025);
    memset(nodes, 0, 1024 / CHAR_BIT);
    nodes[0] = allowed;
    bits_add(nodes, 1023);
}

long __wrap_syscall(long number, ...)
{
    va_list list;

    seen.number = number;
    if (fault_hits(&fault))
        return -1;
    va_start(list, number);
    if (number == SYS_mbind) {
        (void)va_arg(list, void *);
        (void)va_arg(list, size_t);
        seen.mode = va_arg(list, int);
        seen.nodes = va_arg(list, const unsigned long *);
        seen.maxnode = va_arg(list, unsigned long);
    } else {
        int *mode = va_arg(list, int *);
        unsigned long *nodes = va_arg(list, unsigned long *);
        if (mode != NULL)
            *mode = MPOL_PREFERRED;
        answer_get_mempolicy(nodes, nodes != NULL ? va_arg(list, unsigned long) : 0);
    }
    va_end(list);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof(seen));
    fault = (struct fault){0};
    allowed = 0;
    return 0;
}

/* mbind(2) uses one bit less than its argument. */
static void all_bits_of_a_mask_are_bound(void **state)
{
    unsigned long nodes[2] = {1, 1};

    (void)state;
    assert_int_equal(memory_policy_bind(NULL, 4096, MPOL_BIND, nodes, 2 * BITS), 0);
    assert_int_equal(seen.number, SYS_mbind);
    assert_int_equal(seen.mode, MPOL_BIND);
    assert_ptr_equal(seen.nodes, nodes);
    assert_int_equal(seen.maxnode, 2 * BITS + 1);
    assert_int_equal(memory_policy_bind(NULL, 0, MPOL_DEFAULT, NULL, 0), 0);
    assert_int_equal(seen.maxnode, 0);
}

static void a_refused_binding_is_an_error(void **state)
{
    unsigned long node = 1;

    (void)state;
    fault_set(&fault, EPERM, 1);
    assert_int_equal(memory_policy_bind(NULL, 4096, MPOL_BIND, &node, BITS), -EPERM);
}

static void a_kernel_or_filter_without_policies_is_found(void **state)
{
    (void)state;
    assert_true(memory_policy_exists());
    fault_set(&fault, ENOSYS, 1);
    assert_false(memory_policy_exists());
    fault_set(&fault, EPERM, 1);
    assert_false(memory_policy_exists());
    fault_set(&fault, EFAULT, 1);
    assert_true(memory_policy_exists());
}

static void allowed_nodes_beyond_the_mask_are_left_out(void **state)
{
    unsigned long nodes[3] = {GUARD, GUARD, GUARD};

    (void)state;
    allowed = 0x13;
    assert_int_equal(memory_policy_allowed(nodes, 2 * BITS), 0);
    assert_int_equal(nodes[0], 0x13);
    assert_int_equal(nodes[1], 0);
    assert_int_equal(nodes[2], GUARD);
    assert_int_equal(memory_policy_allowed(nodes, 4), 0);
    assert_int_equal(nodes[0], 0x3);
}

static void unknown_allowed_nodes_are_none(void **state)
{
    unsigned long nodes[2] = {GUARD, GUARD};

    (void)state;
    fault_set(&fault, EPERM, 1);
    assert_int_equal(memory_policy_allowed(nodes, BITS), -EPERM);
    assert_int_equal(nodes[0], 0);
    assert_int_equal(nodes[1], GUARD);
}

static void policy_of_a_range_is_queried(void **state)
{
    struct memory_policy policy = {.mode = MPOL_BIND};

    (void)state;
    fault_set(&fault, EPERM, 1);
    assert_int_equal(memory_policy_of(&policy, &policy), -EPERM);
    assert_int_equal(policy.mode, MPOL_DEFAULT);
    assert_int_equal(memory_policy_of(&policy, &policy), 0);
    assert_int_equal(seen.number, SYS_get_mempolicy);
    assert_int_equal(policy.mode, MPOL_PREFERRED);
    assert_true(bits_has(policy.nodes, 1023));
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_bits_of_a_mask_are_bound),
        TEST(a_refused_binding_is_an_error),
        TEST(a_kernel_or_filter_without_policies_is_found),
        TEST(allowed_nodes_beyond_the_mask_are_left_out),
        TEST(unknown_allowed_nodes_are_none),
        TEST(policy_of_a_range_is_queried),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
