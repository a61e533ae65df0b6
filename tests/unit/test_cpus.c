/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the number of processors that the process may use. */
/* WRAP: sched_getaffinity */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "os/cpus.h"
#include "support/faults.h"

static struct fault affinity_fault;
static unsigned pretended; /* processors; 0: the system's number */

int __real_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *cpus);
int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *cpus);

int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *cpus)
{
    if (fault_hits(&affinity_fault))
        return -1;
    if (pretended == 0)
        return __real_sched_getaffinity(pid, size, cpus);
    memset(cpus, 0, size);
    /* The highest numbers: they need not begin with 0. */
    for (unsigned i = 0; i < pretended; i++)
        CPU_SET_S(8 * size - 1 - i, size, cpus);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    fault_set(&affinity_fault, 0, 0);
    pretended = 0;
    return 0;
}

static void all_that_the_process_may_use_are_counted(void **state)
{
    const unsigned counts[] = {1, 2, 3, 128, CPU_SETSIZE};

    (void)state;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        pretended = counts[i];
        assert_int_equal(cpus_usable(), pretended);
    }
}

static void affinity_counts(void **state)
{
    cpu_set_t before;
    cpu_set_t one;
    size_t first = 0;

    (void)state;
    assert_int_equal(__real_sched_getaffinity(0, sizeof(before), &before), 0);
    assert_int_equal(cpus_usable(), CPU_COUNT(&before));
    while (!CPU_ISSET(first, &before))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    unsigned usable = cpus_usable();
    assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
    assert_int_equal(usable, 1);
}

static void too_many_to_count_are_many(void **state)
{
    (void)state;
    fault_set(&affinity_fault, EINVAL, FAULT_ALWAYS);
    assert_true(cpus_usable() >= CPU_SETSIZE);
    assert_true(affinity_fault.calls > 0);
}

static void a_call_that_is_forbidden_is_done_without(void **state)
{
    static const int errors[] = {EPERM, ENOSYS};

    (void)state;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        fault_set(&affinity_fault, errors[i], FAULT_ALWAYS);
        assert_in_range(cpus_usable(), 1, (unsigned)sysconf(_SC_NPROCESSORS_CONF));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(all_that_the_process_may_use_are_counted, setup),
        cmocka_unit_test_setup(affinity_counts, setup),
        cmocka_unit_test_setup(too_many_to_count_are_many, setup),
        cmocka_unit_test_setup(a_call_that_is_forbidden_is_done_without, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
