/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the fork gate: while the gate is closed, only the thread that closed it is inside, and
 * no thread is shut out for ever, in the parent or the child.
 */
/* WRAP: syscall pthread_setspecific */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "heap/fork_gate.h"
#include "support/faults.h"

#define THREADS      4
#define ROUNDS       2000
#define FORKS        50
#define NAP_US       50000 /* many times the duration of a passage */
#define HANG_SECONDS 60

static atomic_bool leave, has_entered, has_closed;
static struct fault membarrier_fault, setspecific_fault;

long __real_syscall(long number, ...);
long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f);
int __real_pthread_setspecific(pthread_key_t key, const void *value);
int __wrap_pthread_setspecific(pthread_key_t key, const void *value);

long __wrap_syscall(long number, long a, long b, long c, long d, long e, long f)
{
    if (number == SYS_membarrier && fault_hits(&membarrier_fault)) {
        errno = membarrier_fault.error;
        return -1;
    }
    return __real_syscall(number, a, b, c, d, e, f);
}

int __wrap_pthread_setspecific(pthread_key_t key, const void *value)
{
    return setspecific_fault.times != 0 && fault_hits(&setspecific_fault)
               ? setspecific_fault.error
               : __real_pthread_setspecific(key, value);
}

static int setup(void **state)
{
    (void)state;
    atomic_store(&leave, false);
    atomic_store(&has_entered, false);
    atomic_store(&has_closed, false);
    membarrier_fault = setspecific_fault = (struct fault){0};
    return 0;
}

static void wait_for(atomic_bool *condition)
{
    while (!atomic_load(condition))
        sched_yield();
}

static pthread_t start(void *(*body)(void *), void *argument)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, body, argument), 0);
    return thread;
}

static void join(pthread_t thread)
{
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void *enter(void *unused)
{
    struct fork_gate_thread *self = fork_gate_enter();

    (void)unused;
    atomic_store(&has_entered, true);
    wait_for(&leave);
    fork_gate_leave(self);
    return NULL;
}

static void *enter_twice(void *unused)
{
    struct fork_gate_thread *self = fork_gate_enter();

    (void)unused;
    fork_gate_leave(fork_gate_enter());
    atomic_store(&has_entered, true);
    wait_for(&leave);
    fork_gate_leave(self);
    return NULL;
}

static void *close_and_open(void *unused)
{
    (void)unused;
    errno = EDOM;
    fork_gate_close();
    assert_int_equal(errno, EDOM);
    atomic_store(&has_closed, true);
    fork_gate_open();
    return NULL;
}

static void check_closing_waits_for(void *(*body)(void *))
{
    pthread_t inside = start(body, NULL);

    wait_for(&has_entered);
    pthread_t closer = start(close_and_open, NULL);
    usleep(NAP_US);
    assert_false(atomic_load(&has_closed));
    atomic_store(&leave, true);
    join(closer);
    join(inside);
    assert_true(atomic_load(&has_closed));
}

static void closing_waits_for_who_is_inside(void **state)
{
    (void)state;
    check_closing_waits_for(enter);
}

static void closing_waits_for_who_has_left_once_of_twice(void **state)
{
    (void)state;
    check_closing_waits_for(enter_twice);
}

static void check_opening_lets_in(void)
{
    assert_true(fork_gate_close());
    pthread_t other = start(enter, NULL);
    usleep(NAP_US);
    assert_false(atomic_load(&has_entered));
    fork_gate_open();
    wait_for(&has_entered);
    atomic_store(&leave, true);
    join(other);
}

static void others_wait_for_it_to_open(void **state)
{
    (void)state;
    check_opening_lets_in();
}

static void who_has_closed_it_may_enter(void **state)
{
    (void)state;
    fork_gate_close();
    pthread_t other = start(enter, NULL);
    for (int i = 0; i < 2; i++) {
        fork_gate_leave(fork_gate_enter());
    }
    usleep(NAP_US);
    assert_false(atomic_load(&has_entered));
    fork_gate_open();
    atomic_store(&leave, true);
    join(other);
}

/* A thread whose end the gate is not told of. */
static void closing_waits_for_who_is_not_listed(void **state)
{
    (void)state;
    fault_set(&setspecific_fault, ENOMEM, 1);
    check_closing_waits_for(enter);
    assert_int_equal(setspecific_fault.calls, 1);
}

static void who_is_not_listed_waits_for_it_to_open(void **state)
{
    (void)state;
    fault_set(&setspecific_fault, ENOMEM, 1);
    check_opening_lets_in();
    assert_int_equal(setspecific_fault.calls, 1);
}

static void without_the_kernel_it_stays_open(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        fault_set(&membarrier_fault, EPERM, FAULT_ALWAYS);
        errno = EDOM;
        assert_false(fork_gate_close());
        assert_int_equal(errno, EDOM);
        assert_int_equal(membarrier_fault.calls, 2);
        assert_int_equal(fork_gate_thread.depth, 0);
        pthread_t other = start(enter, NULL);
        wait_for(&has_entered);
        atomic_store(&leave, true);
        join(other);
        setup(state);
    }
}

/* As after a fork, if the kernel has forgotten the registration for membarrier(2). */
static void closing_registers_again(void **state)
{
    (void)state;
    fault_set(&membarrier_fault, EPERM, 1);
    assert_true(fork_gate_close());
    assert_int_equal(membarrier_fault.calls, 3);
    fork_gate_open();
}

/* -- Many threads ------------------------------------------------------------------------------ */

/* Both are written while the gate is closed, and read inside: they must be equal. */
static volatile unsigned halves[2];
static atomic_uint torn;

static void *come_and_go(void *unused)
{
    (void)unused;
    while (!atomic_load(&leave)) {
        struct fork_gate_thread *self = fork_gate_enter();

        if (halves[0] != halves[1])
            atomic_fetch_add(&torn, 1);
        fork_gate_leave(self);
    }
    return NULL;
}

static void *write_halves(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < ROUNDS; i++) {
        fork_gate_close();
        halves[0]++;
        sched_yield();
        halves[1]++;
        fork_gate_open();
    }
    return NULL;
}

static void start_all(pthread_t *threads)
{
    for (int i = 0; i < THREADS; i++)
        threads[i] = start(come_and_go, NULL);
}

static void stop_all(const pthread_t *threads)
{
    atomic_store(&leave, true);
    for (int i = 0; i < THREADS; i++)
        join(threads[i]);
}

/* Two threads close the gate, among others that pass it. */
static void nobody_is_inside_while_it_is_closed(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    alarm(HANG_SECONDS);
    start_all(threads);
    pthread_t writer = start(write_halves, NULL);
    write_halves(NULL);
    join(writer);
    stop_all(threads);
    alarm(0);
    assert_int_equal(halves[0], 2 * ROUNDS);
    assert_int_equal(halves[1], 2 * ROUNDS);
    assert_int_equal(atomic_load(&torn), 0);
}

/*
 * Other threads wait at the gate, counted or not, when the process forks. The child has none of
 * them.
 */
static void a_child_has_nobody_inside(void **state)
{
    pthread_t threads[THREADS];

    (void)state;
    start_all(threads);
    for (int i = 0; i < FORKS; i++) {
        int status;

        fork_gate_close();
        pid_t child = fork();
        if (child == 0) {
            alarm(HANG_SECONDS);
            fork_gate_open();
            fork_gate_adopt();
            fork_gate_leave(fork_gate_enter());
            fork_gate_close();
            fork_gate_open();
            _exit(fork_gate_thread.depth == 0 ? 0 : 1);
        }
        fork_gate_open();
        assert_true(child > 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    stop_all(threads);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(closing_waits_for_who_is_inside, setup),
        cmocka_unit_test_setup(closing_waits_for_who_has_left_once_of_twice, setup),
        cmocka_unit_test_setup(others_wait_for_it_to_open, setup),
        cmocka_unit_test_setup(who_has_closed_it_may_enter, setup),
        cmocka_unit_test_setup(closing_waits_for_who_is_not_listed, setup),
        cmocka_unit_test_setup(who_is_not_listed_waits_for_it_to_open, setup),
        cmocka_unit_test_setup(without_the_kernel_it_stays_open, setup),
        cmocka_unit_test_setup(closing_registers_again, setup),
        cmocka_unit_test_setup(nobody_is_inside_while_it_is_closed, setup),
        cmocka_unit_test_setup(a_child_has_nobody_inside, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
