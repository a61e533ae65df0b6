/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of threads that cannot be stopped (os/threads.h), and of failures to stop them. */
/* WRAP: prctl */
#include "support/threads_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "support/gate.h"

static int ends[2]; /* of a pipe */

static struct fault end_fault; /* of the request to end with the parent */

int __real_prctl(int option, ...);
int __wrap_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);

int __wrap_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
    return option == PR_SET_PDEATHSIG && fault_hits(&end_fault) ? -1
                                                                : __real_prctl(option, a, b, c, d);
}

/* -- Threads ----------------------------------------------------------------------------------- */

static void *wait_blocked(void *unused)
{
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    return wait_as(unused);
}

static void threads_that_block_signals(void **state)
{
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, wait_blocked, NULL), 0);
    sem_wait(&ready);
    while (!can_stop())
        usleep(1000);
    end(thread);
}

static void *be_in_vfork(void *unused)
{
    char byte;
    pid_t child = vfork();

    if (child == 0) {
        sem_post(&ready);
        (void)!read(ends[0], &byte, 1);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    return unused;
}

/* Its child runs in the memory of the process. */
static void a_thread_in_vfork(void **state)
{
    pthread_t thread;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pthread_create(&thread, NULL, be_in_vfork, NULL), 0);
    sem_wait(&ready);
    usleep(10000);
    assert_false(can_stop());
    assert_int_equal(write(ends[1], "", 1), 1);
    pthread_join(thread, NULL);
    close(ends[0]);
    close(ends[1]);
}

static void *write_much(void *unused)
{
    enum { SIZE = 1 << 20 };
    static char bytes[SIZE];

    sem_post(&ready);
    return write(ends[1], bytes, SIZE) == SIZE ? NULL : unused;
}

/* An interruption would be seen: fewer bytes than requested. */
static void a_thread_that_waits_for_space_to_write(void **state)
{
    enum { SIZE = 1 << 20 };
    static char bytes[SIZE];
    pthread_t thread;
    void *result;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pthread_create(&thread, NULL, write_much, &ready), 0);
    sem_wait(&ready);
    usleep(10000);
    for (int i = 0; i < 100; i++)
        assert_false(can_stop());
    for (size_t i = 0; i < SIZE;)
        i += (size_t)read(ends[0], bytes, SIZE - i);
    pthread_join(thread, &result);
    assert_null(result);
    close(ends[0]);
    close(ends[1]);
}

/* -- Failures ---------------------------------------------------------------------------------- */

/* Calls `check` in a child, where tracing may be forbidden from then on. */
static void check_in_child(bool (*check)(void))
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        threads_after_fork();
        pthread_t thread = begin(false);
        bool passed = check();
        sem_post(&stop);
        pthread_join(thread, NULL);
        _exit(!passed);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
        skip();
    assert_int_equal(status, 0);
}

/* On a busy machine, a single moment may not come about. */
static bool can_stop_again(void)
{
    for (int i = 0; i < 200; i++) {
        if (can_stop())
            return true;
        usleep(5000);
    }
    return false;
}

static bool fails_once_by(struct fault *fault, int error)
{
    fault_set(fault, error, 1);
    bool could = can_stop();
    return fault->calls != 0 && !could && can_stop_again();
}

static bool fails_once(void)
{
    return fails_once_by(&open_fault, EMFILE) && fails_once_by(&clone_fault, EAGAIN);
}

/* A helper that could outlive the process stops no thread. */
static bool needs_an_end(void)
{
    fault_set(&end_fault, EPERM, 1);
    return !can_stop() && !can_stop() && end_fault.calls == 1 && ptrace_fault.calls == 0;
}

static void a_helper_that_could_outlive_the_process(void **state)
{
    (void)state;
    check_in_child(needs_an_end);
}

static void a_helper_that_cannot_work(void **state)
{
    (void)state;
    check_in_child(fails_once);
}

/* Whoever is not allowed to trace is not asked again for a minute. */
static bool is_not_tried_again(void)
{
    fault_set(&ptrace_fault, EPERM, 1);
    bool could = can_stop();
    return !could && !can_stop() && ptrace_fault.calls == 1;
}

static void a_helper_that_may_not_trace(void **state)
{
    (void)state;
    check_in_child(is_not_tried_again);
}

/* Not even where the kernel does not find a thread that is there. */
static bool is_not_taken_for_ended(void)
{
    fault_set(&ptrace_fault, ESRCH, 1);
    return !can_stop();
}

static void a_thread_that_the_helper_does_not_find(void **state)
{
    (void)state;
    check_in_child(is_not_taken_for_ended);
}

/* -- Namespaces -------------------------------------------------------------------------------- */

/* Where children begin in a namespace of their own, the helper would be its first process. */
static bool leaves_the_namespace_to_the_program(void)
{
    struct gate over = gate_new();
    int status;

    if (unshare(CLONE_NEWPID) != 0)
        _exit(SKIPPED);
    if (can_stop() || clone_fault.calls != 0)
        return false;
    pid_t first = fork();
    if (first == 0) {
        gate_wait(&over);
        _exit(getpid() != 1);
    }
    bool could = can_stop() || clone_fault.calls != 0;
    gate_open(&over);
    return !could && waitpid(first, &status, 0) == first && status == 0;
}

static void a_namespace_of_children(void **state)
{
    (void)state;
    check_in_child(leaves_the_namespace_to_the_program);
}

/* -- Filters ----------------------------------------------------------------------------------- */

static bool forbid_tracing(void)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ptrace, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof(rules) / sizeof(rules[0]), rules};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/*
 * A filter that the process began with ends the helper alone, and soon no further one is made. On a
 * busy machine, the first may come too late to be killed.
 */
static bool is_killed_by_filter(void)
{
    if (!forbid_tracing())
        return false;
    threads_configure();
    for (int i = 0; i < 100; i++) {
        unsigned made = clone_fault.calls;

        if (can_stop())
            return false;
        if (made != 0 && clone_fault.calls == made)
            return true;
    }
    return false;
}

static void a_helper_that_is_killed(void **state)
{
    (void)state;
    check_in_child(is_killed_by_filter);
}

static bool is_not_tried(void)
{
    threads_configure();
    if (!can_stop_again() || !forbid_tracing())
        return false;
    unsigned made = clone_fault.calls;
    return !can_stop() && clone_fault.calls == made;
}

/* A filter of the program may end the process for making a helper. */
static void no_helper_in_a_program_with_filters(void **state)
{
    (void)state;
    check_in_child(is_not_tried);
}

/* -- A process that is killed ------------------------------------------------------------------ */

/* Stops its thread, reports the helper's id, and waits to be killed. */
_Noreturn static void stop_and_wait(int report)
{
    struct threads_stop moment;

    threads_after_fork();
    (void)begin(false);
    while (!threads_stop(&moment, THREADS_STOP))
        usleep(5000);
    if (write(report, &helper, sizeof(helper)) != sizeof(helper))
        _exit(1);
    for (;;)
        pause();
}

/* The helper, which shares the memory of the process, does not live on. */
static void a_process_that_is_killed_at_a_moment(void **state)
{
    int report[2];
    int status;
    pid_t its_helper;

    (void)state;
    assert_int_equal(pipe(report), 0);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    pid_t child = fork();
    if (child == 0)
        stop_and_wait(report[1]);
    assert_int_equal(read(report[0], &its_helper, sizeof(its_helper)), sizeof(its_helper));
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    alarm(60);
    assert_int_equal(waitpid(its_helper, &status, __WALL), its_helper);
    alarm(0);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
    close(report[0]);
    close(report[1]);
}

static void unknown_is_no(void **state)
{
    (void)state;
    fault_set(&stat_fault, ENOENT, 1);
    fault_set(&open_fault, ENOENT, 1);
    errno = 0;
    assert_false(can_stop());
    assert_int_equal(errno, 0);
    assert_true(can_stop_again());
}

int main(void)
{
    if (SANITIZED)
        return SKIPPED;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(threads_that_block_signals, setup),
        cmocka_unit_test_setup(a_thread_in_vfork, setup),
        cmocka_unit_test_setup(a_thread_that_waits_for_space_to_write, setup),
        cmocka_unit_test_setup(a_helper_that_cannot_work, setup),
        cmocka_unit_test_setup(a_helper_that_may_not_trace, setup),
        cmocka_unit_test_setup(a_helper_that_could_outlive_the_process, setup),
        cmocka_unit_test_setup(a_thread_that_the_helper_does_not_find, setup),
        cmocka_unit_test_setup(a_namespace_of_children, setup),
        cmocka_unit_test_setup(a_process_that_is_killed_at_a_moment, setup),
        cmocka_unit_test_setup(a_helper_that_is_killed, setup),
        cmocka_unit_test_setup(no_helper_in_a_program_with_filters, setup),
        cmocka_unit_test_setup(unknown_is_no, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
