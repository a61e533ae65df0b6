/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of moments at which no other thread of the program runs. */
/* WRAP: stat */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/threads.h"
#include "support/faults.h"

static struct fault stat_fault;
static sem_t ready;
static sem_t stop;

int __real_stat(const char *path, struct stat *status);
int __wrap_stat(const char *path, struct stat *status);

int __wrap_stat(const char *path, struct stat *status)
{
    return fault_hits(&stat_fault) ? -1 : __real_stat(path, status);
}

static int setup(void **state)
{
    (void)state;
    stat_fault = (struct fault){0};
    return sem_init(&ready, 0, 0) | sem_init(&stop, 0, 0);
}

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
    (void)number;
    signals = signals + 1;
}

static bool can_stop(void)
{
    struct threads_stop moment;

    if (!threads_stop(&moment))
        return false;
    threads_continue(&moment);
    return true;
}

static void a_single_thread_has_no_signals_meanwhile(void **state)
{
    struct threads_stop moment;

    (void)state;
    signal(SIGUSR1, count_signal);
    assert_true(threads_stop(&moment));
    raise(SIGUSR1);
    assert_int_equal(signals, 0);
    threads_continue(&moment);
    assert_int_equal(signals, 1);
    raise(SIGUSR1);
    assert_int_equal(signals, 2);
}

static void *wait_as(void *is_own)
{
    if (is_own != NULL)
        threads_enter();
    sem_post(&ready);
    while (sem_wait(&stop) != 0)
        ;
    if (is_own != NULL)
        threads_leave();
    return NULL;
}

static pthread_t begin(bool is_own)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, wait_as, is_own ? &ready : NULL), 0);
    sem_wait(&ready);
    return thread;
}

static void end(pthread_t thread)
{
    sem_post(&stop);
    pthread_join(thread, NULL);
    /* The kernel counts it for a moment longer. */
    while (!can_stop())
        usleep(1000);
}

static void other_threads_prevent_it(void **state)
{
    sigset_t mask, blocked;

    (void)state;
    sigemptyset(&mask);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    pthread_t thread = begin(false);
    assert_false(can_stop());
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    assert_int_equal(sigismember(&blocked, SIGUSR1), 0);
    end(thread);
}

static void own_threads_do_not(void **state)
{
    (void)state;
    pthread_t thread = begin(true);
    assert_true(can_stop());
    /* The child has none. */
    pid_t child = fork();
    int status;
    if (child == 0) {
        threads_after_fork();
        _exit(!can_stop());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    pthread_t other = begin(false);
    assert_false(can_stop());
    sem_post(&stop);
    sem_post(&stop);
    pthread_join(thread, NULL);
    pthread_join(other, NULL);
}

static void *stop_in_own(void *unused)
{
    threads_enter();
    bool could = can_stop();
    threads_leave();
    return could ? NULL : unused;
}

static void an_own_thread_stops_nobody(void **state)
{
    pthread_t thread;
    void *result;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, stop_in_own, &ready), 0);
    pthread_join(thread, &result);
    assert_ptr_equal(result, &ready);
}

static void unknown_is_no(void **state)
{
    (void)state;
    while (!can_stop())
        usleep(1000);
    fault_set(&stat_fault, ENOENT, 1);
    errno = 0;
    assert_false(can_stop());
    assert_int_equal(errno, 0);
    assert_true(can_stop());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_single_thread_has_no_signals_meanwhile, setup),
        cmocka_unit_test_setup(other_threads_prevent_it, setup),
        cmocka_unit_test_setup(own_threads_do_not, setup),
        cmocka_unit_test_setup(an_own_thread_stops_nobody, setup),
        cmocka_unit_test_setup(unknown_is_no, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
