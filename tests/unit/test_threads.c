/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of moments at which no other thread of the program runs. */
/* WRAP: stat open */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "os/threads.h"
#include "support/faults.h"

/* The thread sanitizer keeps signals back, and has a thread of its own, which cannot be stopped. */
#define SKIPPED 77
#ifdef __SANITIZE_THREAD__
#    define SANITIZED true
#else
#    define SANITIZED false
#endif

static struct fault stat_fault;
static struct fault open_fault;
static sem_t ready;
static sem_t stop;

int __real_stat(const char *path, struct stat *status);
int __wrap_stat(const char *path, struct stat *status);

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);

int __wrap_open(const char *path, int flags, ...)
{
    return fault_hits(&open_fault) ? -1 : __real_open(path, flags);
}

int __wrap_stat(const char *path, struct stat *status)
{
    return fault_hits(&stat_fault) ? -1 : __real_stat(path, status);
}

static int setup(void **state)
{
    (void)state;
    stat_fault = open_fault = (struct fault){0};
    return sem_init(&ready, 0, 0) | sem_init(&stop, 0, 0);
}

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
    (void)number;
    signals = signals + 1;
}

static void *stop_none(void *unused)
{
    return unused;
}

static bool can_stop(void)
{
    struct threads_stop moment;

    if (!threads_stop(&moment, true))
        return false;
    threads_continue(&moment);
    return true;
}

static void a_single_thread_has_no_signals_meanwhile(void **state)
{
    struct threads_stop moment;

    (void)state;
    signal(SIGUSR1, count_signal);
    assert_true(threads_stop(&moment, true));
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

static void a_thread_that_waits_is_no_hindrance(void **state)
{
    sigset_t mask, blocked;

    (void)state;
    sigemptyset(&mask);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    pthread_t thread = begin(false);
    for (int i = 0; i < 100; i++)
        while (!can_stop())
            usleep(1000);
    struct threads_stop moment;
    assert_false(threads_stop(&moment, false));
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    assert_int_equal(sigismember(&blocked, SIGUSR1), 0);
    end(thread);
}

/* -- Threads that run -------------------------------------------------------------------------- */

#define RUNNERS 3

static atomic_bool over;
static volatile unsigned long counters[RUNNERS];

static void *run(void *counter)
{
    while (!atomic_load(&over))
        (*(volatile unsigned long *)counter)++;
    return NULL;
}

static void nothing_runs_meanwhile(void **state)
{
    pthread_t threads[RUNNERS];
    unsigned stops = 0;

    (void)state;
    atomic_store(&over, false);
    for (size_t i = 0; i < RUNNERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run, (void *)&counters[i]), 0);
    for (int i = 0; i < 5000 && stops < 100; i++) {
        struct threads_stop moment;
        unsigned long before[RUNNERS];

        if (!threads_stop(&moment, true))
            continue;
        stops++;
        memcpy(before, (const void *)counters, sizeof(before));
        usleep(500);
        for (size_t k = 0; k < RUNNERS; k++)
            assert_true(counters[k] == before[k]);
        threads_continue(&moment);
    }
    assert_in_range(stops, 1, 200);
    unsigned long last = counters[0];
    while (counters[0] == last)
        usleep(1000);
    atomic_store(&over, true);
    for (size_t i = 0; i < RUNNERS; i++)
        pthread_join(threads[i], NULL);
}

static void *begin_others(void *unused)
{
    while (!atomic_load(&over)) {
        pthread_t thread;
        unsigned long count = 0;

        if (pthread_create(&thread, NULL, stop_none, &count) == 0)
            pthread_join(thread, NULL);
        counters[0]++;
    }
    return unused;
}

/* Threads that come and go all the time. */
static void new_threads_are_stopped_too(void **state)
{
    pthread_t thread;
    unsigned stops = 0;

    (void)state;
    atomic_store(&over, false);
    assert_int_equal(pthread_create(&thread, NULL, begin_others, NULL), 0);
    for (int i = 0; i < 300; i++) {
        struct threads_stop moment;

        if (!threads_stop(&moment, true))
            continue;
        unsigned long before = counters[0];
        usleep(200);
        assert_true(counters[0] == before);
        threads_continue(&moment);
        stops++;
    }
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    printf("%u moments among threads that come and go\n", stops);
}

/* -- System calls ------------------------------------------------------------------------------ */

static int ends[2];    /* of a pipe to which nothing is written */
static int sockets[2]; /* the same */

static int in_poll(void)
{
    struct pollfd entry = {.fd = ends[0], .events = POLLIN};
    return poll(&entry, 1, -1);
}

static int in_poll_for_a_time(void)
{
    struct pollfd entry = {.fd = ends[0], .events = POLLIN};
    int result = poll(&entry, 1, 200);
    return result == 0 ? 1 : result;
}

static int in_select(void)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    return select(ends[0] + 1, &set, NULL, NULL, NULL);
}

static int in_epoll(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int result = epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event);
    if (result == 0)
        result = epoll_wait(epoll, &event, 1, -1);
    int error = errno;
    close(epoll);
    errno = error;
    return result;
}

static int in_read(void)
{
    char byte;
    return (int)read(ends[0], &byte, 0 + 1) >= 0 ? 1 : -1;
}

/* With a timeout, which the kernel does not restart. */
static int in_receive(void)
{
    struct timeval timeout = {.tv_usec = 300000};
    char byte;
    (void)setsockopt(sockets[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    return recv(sockets[0], &byte, 1, 0) >= 0 || errno == EAGAIN ? 1 : -1;
}

static int in_sleep(void)
{
    const struct timespec pause = {.tv_nsec = 300000000};
    return nanosleep(&pause, NULL) == 0 ? 1 : -1;
}

static int in_semaphore(void)
{
    struct timespec end;
    sem_t semaphore;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec++;
    sem_init(&semaphore, 0, 0);
    return sem_timedwait(&semaphore, &end) == 0 || errno == ETIMEDOUT ? 1 : -1;
}

static int (*const waits[])(void) = {in_poll,    in_poll_for_a_time, in_select,    in_epoll,
                                     in_receive, in_sleep,           in_semaphore, in_read};

/* The program sees none of the moments. */
static void *wait_without_end(void *wait)
{
    int (*call)(void) = *(int (*const *)(void))wait;

    while (!atomic_load(&over))
        if (call() < 0 && !atomic_load(&over))
            return (void *)(intptr_t)errno;
    return NULL;
}

static void no_call_is_seen_to_fail(void **state)
{
    enum { WAITS = sizeof(waits) / sizeof(waits[0]) };
    pthread_t threads[WAITS];
    unsigned stops = 0;

    (void)state;
    assert_int_equal(pipe(ends) | socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    atomic_store(&over, false);
    for (size_t i = 0; i < WAITS; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, wait_without_end, (void *)(uintptr_t)&waits[i]), 0);
    for (int i = 0; i < 200; i++) {
        usleep(10000);
        stops += can_stop();
    }
    atomic_store(&over, true);
    assert_int_equal(write(ends[1], "abcdefgh", 8), 8);
    for (size_t i = 0; i < WAITS; i++) {
        void *error;

        pthread_join(threads[i], &error);
        if (error != NULL)
            print_message("call %zu: errno %d\n", i, (int)(intptr_t)error);
        assert_null(error);
    }
    assert_in_range(stops, 1, 200);
    printf("%u moments\n", stops);
    close(ends[0]);
    close(ends[1]);
    close(sockets[0]);
    close(sockets[1]);
}

/* -- What cannot be stopped -------------------------------------------------------------------- */

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
    assert_false(can_stop());
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

static void signals_of_the_program(void **state)
{
    int last = SIGRTMAX;

    (void)state;
    pthread_t thread = begin(false);
    assert_true(can_stop());
    /* The program takes the number that was in use, and then all. */
    struct sigaction action = {.sa_handler = count_signal};
    for (int number = last; number >= SIGRTMIN; number--) {
        assert_int_equal(sigaction(number, &action, NULL), 0);
        signals = 0;
        assert_int_equal(can_stop(), number != SIGRTMIN);
        assert_int_equal(signals, 0);
    }
    action.sa_handler = SIG_DFL;
    for (int number = last; number >= SIGRTMIN; number--)
        sigaction(number, &action, NULL);
    assert_true(can_stop());
    end(thread);
}

/* As without the handler. */
static void the_signal_from_elsewhere_ends_the_process(void **state)
{
    int status;

    (void)state;
    pthread_t thread = begin(false);
    assert_true(can_stop());
    pid_t child = fork();
    if (child == 0) {
        raise(SIGRTMAX);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGRTMAX);
    end(thread);
}

static void own_threads_do_not_count(void **state)
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
    end(thread);
}

static void *wait_with_signal_stack(void *unused)
{
    enum { SIZE = 64 << 10 };
    stack_t alternate = {.ss_sp = malloc(SIZE), .ss_size = SIZE};

    if (sigaltstack(&alternate, NULL) == 0)
        (void)wait_as(unused);
    alternate.ss_flags = SS_DISABLE;
    sigaltstack(&alternate, NULL);
    free(alternate.ss_sp);
    return NULL;
}

/* A thread whose stack and data the program has from malloc(3). */
static void check_stack_is_known(void *(*run_thread)(void *unused))
{
    enum { STACK_SIZE = 4 << 20 };
    char *stack = aligned_alloc(4096, STACK_SIZE);
    struct threads_stop moment;
    pthread_attr_t attributes;
    pthread_t thread;

    pthread_attr_init(&attributes);
    assert_int_equal(pthread_attr_setstack(&attributes, stack, STACK_SIZE), 0);
    assert_int_equal(pthread_create(&thread, &attributes, run_thread, NULL), 0);
    sem_wait(&ready);
    while (!threads_stop(&moment, true))
        usleep(1000);
    bool is_used = threads_use(&moment, stack + STACK_SIZE - 65536, 65536);
    bool begin_is_used = threads_use(&moment, stack, 4096);
    bool own_is_used = threads_use(&moment, __builtin_frame_address(0), sizeof(moment));
    threads_continue(&moment);
    end(thread);
    free(stack);
    assert_true(is_used);
    assert_true(own_is_used);
    assert_false(begin_is_used);
}

static void stacks_of_threads_are_known(void **state)
{
    (void)state;
    check_stack_is_known(wait_as);
}

/* The handler runs elsewhere then. */
static void stacks_are_known_beside_signal_stacks(void **state)
{
    (void)state;
    check_stack_is_known(wait_with_signal_stack);
}

static void files_that_cannot_be_read(void **state)
{
    (void)state;
    pthread_t thread = begin(false);
    for (unsigned skip = 0; skip < 3; skip++) {
        open_fault = (struct fault){.error = EMFILE, .skip = skip, .times = 1};
        assert_false(can_stop());
    }
    open_fault = (struct fault){0};
    assert_true(can_stop());
    end(thread);
}

/* One of the library's own, the idle thread, may stop all others. */
static void *stop_in_own(void *unused)
{
    threads_enter();
    bool could = can_stop();
    threads_leave();
    return could ? NULL : unused;
}

static void an_own_thread_stops_others(void **state)
{
    pthread_t thread;
    void *result;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, stop_in_own, &ready), 0);
    pthread_join(thread, &result);
    assert_null(result);
}

static void unknown_is_no(void **state)
{
    (void)state;
    fault_set(&stat_fault, ENOENT, 1);
    open_fault = (struct fault){.error = ENOENT, .times = 1};
    errno = 0;
    assert_false(can_stop());
    assert_int_equal(errno, 0);
    assert_true(can_stop());
}

int main(void)
{
    if (SANITIZED)
        return SKIPPED;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_single_thread_has_no_signals_meanwhile, setup),
        cmocka_unit_test_setup(a_thread_that_waits_is_no_hindrance, setup),
        cmocka_unit_test_setup(nothing_runs_meanwhile, setup),
        cmocka_unit_test_setup(new_threads_are_stopped_too, setup),
        cmocka_unit_test_setup(no_call_is_seen_to_fail, setup),
        cmocka_unit_test_setup(threads_that_block_signals, setup),
        cmocka_unit_test_setup(a_thread_in_vfork, setup),
        cmocka_unit_test_setup(signals_of_the_program, setup),
        cmocka_unit_test_setup(the_signal_from_elsewhere_ends_the_process, setup),
        cmocka_unit_test_setup(own_threads_do_not_count, setup),
        cmocka_unit_test_setup(an_own_thread_stops_others, setup),
        cmocka_unit_test_setup(stacks_of_threads_are_known, setup),
        cmocka_unit_test_setup(stacks_are_known_beside_signal_stacks, setup),
        cmocka_unit_test_setup(files_that_cannot_be_read, setup),
        cmocka_unit_test_setup(unknown_is_no, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
