/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of moments at which no other thread of the program runs. */
/* WRAP: stat open clone ptrace */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "os/threads.h"
#include "support/faults.h"

/* The thread sanitizer takes the helper process for a thread that it does not know. */
#define SKIPPED 77
#ifdef __SANITIZE_THREAD__
#    define SANITIZED true
#else
#    define SANITIZED false
#endif

static struct fault stat_fault;
static struct fault open_fault;
static struct fault clone_fault;
static struct fault ptrace_fault;
static sem_t ready;
static sem_t stop;

int __real_clone(int (*call)(void *), void *stack, int flags, void *arg, ...);
int __wrap_clone(int (*call)(void *), void *stack, int flags, void *arg, pid_t *parent, void *local,
                 pid_t *child);

static pid_t helper;

int __wrap_clone(int (*call)(void *), void *stack, int flags, void *arg, pid_t *parent, void *local,
                 pid_t *child)
{
    helper =
        fault_hits(&clone_fault) ? -1 : __real_clone(call, stack, flags, arg, parent, local, child);
    return helper;
}

long __real_ptrace(int request, ...);
long __wrap_ptrace(int request, pid_t thread, void *addr, void *data);

long __wrap_ptrace(int request, pid_t thread, void *addr, void *data)
{
    return fault_hits(&ptrace_fault) ? -1 : __real_ptrace(request, thread, addr, data);
}

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
    stat_fault = open_fault = clone_fault = ptrace_fault = (struct fault){0};
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

    if (!threads_stop(&moment, THREADS_STOP))
        return false;
    threads_continue(&moment);
    return true;
}

static void a_single_thread_has_no_signals_meanwhile(void **state)
{
    struct threads_stop moment;

    (void)state;
    signal(SIGUSR1, count_signal);
    assert_true(threads_stop(&moment, THREADS_STOP));
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
    assert_false(threads_stop(&moment, THREADS_LEAVE));
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

        if (!threads_stop(&moment, THREADS_STOP))
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

/* -- Calls during the moment ------------------------------------------------------------------- */

static int kills_before; /* steps of the call before the helper is killed */

static int count_steps(void *steps)
{
    for (int i = 0; i < 3; i++) {
        if (i == kills_before) {
            kill(helper, SIGKILL);
            usleep(1000); /* the signal ends the helper here, if that has not happened yet */
        }
        ++*(int *)steps;
    }
    return -EDOM;
}

/* Makes the call at a moment, and returns how many steps it made. */
static int steps_at_moment(bool kill_first, int kill_before, int result)
{
    struct threads_stop moment;
    int steps = 0;

    kills_before = kill_before;
    assert_true(threads_stop(&moment, THREADS_STOP));
    if (kill_first)
        kill(helper, SIGKILL);
    errno = ENOTTY;
    assert_int_equal(threads_call(&moment, count_steps, &steps), result);
    assert_int_equal(errno, ENOTTY);
    threads_continue(&moment);
    return steps;
}

static void *count_own_calls(void *own)
{
    threads_enter();
    *(int *)own = steps_at_moment(false, -1, -EDOM);
    threads_leave();
    return NULL;
}

/* A call is made while the threads are stopped, or not at all. */
static void calls_at_a_moment(void **state)
{
    pthread_t librarys;
    int steps = 0;

    (void)state;
    assert_int_equal(steps_at_moment(false, -1, -EDOM), 3);
    pthread_t thread = begin(false);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(steps_at_moment(false, -1, -EDOM), 3);
        assert_int_equal(steps_at_moment(true, -1, -EBUSY), 0);
        assert_int_equal(steps_at_moment(false, i % 3, -EBUSY), i % 3);
    }
    assert_int_equal(pthread_create(&librarys, NULL, count_own_calls, &steps), 0);
    pthread_join(librarys, NULL);
    assert_int_equal(steps, 3);
    end(thread);
}

/* Threads that the program ensures do not disturb are not stopped. */
static void trusted_threads_go_on(void **state)
{
    struct threads_stop moment;

    (void)state;
    pthread_t thread = begin(false);
    assert_true(threads_stop(&moment, THREADS_TRUSTED));
    assert_int_equal(clone_fault.calls, 0);
    /* This ends the thread while the moment lasts. */
    end(thread);
    threads_continue(&moment);
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

        if (!threads_stop(&moment, THREADS_STOP))
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

#define CALLS 7u

static atomic_ulong calls_begun[CALLS];

static void *wait_once(void *wait)
{
    (void)(*(int (*const *)(void))wait)();
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

/* -- Calls that begin at the moment ------------------------------------------------------------ */

/* Each of a few microseconds, or of a millisecond at most. */
static int through_poll(void)
{
    struct pollfd entry = {.fd = ends[0], .events = POLLIN};
    return poll(&entry, 1, (int)(atomic_load(&calls_begun[CALLS - 1]) % 2));
}

static int through_epoll(int epoll)
{
    struct epoll_event event;
    return (int)syscall(SYS_epoll_pwait, epoll, &event, 1, 1, NULL, (size_t)8);
}

static int through_receive(void)
{
    char byte;
    return recv(sockets[0], &byte, 1, 0) < 0 && errno == EAGAIN ? 0 : -1;
}

static int through_sleep(void)
{
    const struct timespec pause = {.tv_nsec = 1000};
    return nanosleep(&pause, NULL);
}

static int through_semaphore(void)
{
    struct timespec end;
    sem_t semaphore;
    clock_gettime(CLOCK_REALTIME, &end);
    sem_init(&semaphore, 0, 0);
    return sem_timedwait(&semaphore, &end) == 0 || errno == ETIMEDOUT ? 0 : -1;
}

static int through_signals(void)
{
    const struct timespec pause = {.tv_nsec = 1000};
    sigset_t all;
    sigfillset(&all);
    return sigtimedwait(&all, NULL, &pause) < 0 && errno == EAGAIN ? 0 : -1;
}

/* Bytes that arrive in order. */
static int through_pipe(void)
{
    static unsigned char sent;
    unsigned char got = 0;
    return write(ends[1], &sent, 1) == 1 && read(ends[0], &got, 1) == 1 && got == sent++ ? 0 : -1;
}

static void *call_without_end(void *which)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int (*const calls[])(void) = {through_receive, through_sleep, through_semaphore,
                                  through_signals, through_pipe};
    intptr_t result = 0;
    sigset_t all;

    sigfillset(&all);
    if (which == &calls_begun[3])
        pthread_sigmask(SIG_SETMASK, &all, NULL);
    while (!atomic_load(&over) && result == 0) {
        size_t call = (size_t)((atomic_ulong *)which - calls_begun);
        errno = 0;
        if ((call < 5 ? calls[call]() : call == 5 ? through_epoll(epoll) : through_poll()) < 0)
            result = errno != 0 ? errno : -1;
        atomic_fetch_add((atomic_ulong *)which, 1);
    }
    close(epoll);
    return (void *)result;
}

static void no_call_that_begins_is_seen_to_fail(void **state)
{
    pthread_t threads[CALLS];
    const struct timeval shortest = {.tv_usec = 1000};
    unsigned stops = 0;

    (void)state;
    assert_int_equal(pipe(ends) | socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    setsockopt(sockets[0], SOL_SOCKET, SO_RCVTIMEO, &shortest, sizeof(shortest));
    atomic_store(&over, false);
    for (size_t i = 0; i < CALLS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, call_without_end, &calls_begun[i]), 0);
    for (int i = 0; i < 2000; i++) {
        stops += can_stop();
        usleep(200);
    }
    atomic_store(&over, true);
    for (size_t i = 0; i < CALLS; i++) {
        void *error;

        pthread_join(threads[i], &error);
        printf("call %zu: made %lu times\n", i, atomic_load(&calls_begun[i]));
        assert_int_equal((intptr_t)error, 0);
    }
    printf("%u moments\n", stops);
    assert_in_range(stops, 100, 2000);
    for (size_t i = 0; i < 2; i++) {
        close(ends[i]);
        close(sockets[i]);
    }
}

/* A timeout is not as long as there are moments. */
static void timeouts_go_on(void **state)
{
    int (*const calls[])(void) = {in_poll_for_a_time, in_sleep};
    pthread_t threads[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    for (size_t i = 0; i < 2; i++) {
        atomic_store(&over, true); /* after one call */
        assert_int_equal(pthread_create(&threads[i], NULL, wait_once, (void *)(uintptr_t)&calls[i]),
                         0);
    }
    for (size_t i = 0; i < 2; i++)
        while (pthread_tryjoin_np(threads[i], NULL) != 0) {
            (void)can_stop();
            usleep(5000);
        }
    close(ends[0]);
    close(ends[1]);
}

/* What the program sends interrupts a call as ever, and is handled once. */
static void *send_signals(void *thread)
{
    for (int i = 0; i < 200; i++) {
        pthread_kill(*(pthread_t *)thread, SIGUSR1);
        usleep(2000);
    }
    return NULL;
}

static void *count_interruptions(void *count)
{
    struct pollfd entry = {.fd = ends[0], .events = POLLIN};

    while (poll(&entry, 1, -1) < 0 && errno == EINTR)
        ++*(int *)count;
    return NULL;
}

static void signals_of_the_program_are_delivered(void **state)
{
    struct sigaction action = {.sa_handler = count_signal};
    pthread_t sleeper, sender;
    int interruptions = 0;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    signals = 0;
    sigaction(SIGUSR1, &action, NULL);
    assert_int_equal(pthread_create(&sleeper, NULL, count_interruptions, &interruptions), 0);
    assert_int_equal(pthread_create(&sender, NULL, send_signals, &sleeper), 0);
    while (pthread_tryjoin_np(sender, NULL) != 0) {
        (void)can_stop();
        usleep(300);
    }
    assert_int_equal(write(ends[1], "", 1), 1);
    pthread_join(sleeper, NULL);
    printf("%d signals, %d interruptions\n", (int)signals, interruptions);
    assert_in_range(signals, 100, 200);
    assert_in_range(interruptions, 100, signals);
    signal(SIGUSR1, SIG_DFL);
    close(ends[0]);
    close(ends[1]);
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
    assert_true(can_stop());
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
    assert_int_equal(status, 0);
}

static bool fails_once_by(struct fault *fault, int error)
{
    fault_set(fault, error, 1);
    bool could = can_stop();
    return fault->calls != 0 && !could && can_stop();
}

static bool fails_once(void)
{
    return fails_once_by(&open_fault, EMFILE) && fails_once_by(&clone_fault, EAGAIN);
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

/* A filter that the process began with ends the helper alone. */
static bool is_killed_by_filter(void)
{
    if (!forbid_tracing())
        return false;
    threads_configure();
    return !can_stop() && !can_stop() && clone_fault.calls == 1;
}

static void a_helper_that_is_killed(void **state)
{
    (void)state;
    check_in_child(is_killed_by_filter);
}

static bool is_not_tried(void)
{
    threads_configure();
    return can_stop() && forbid_tracing() && !can_stop() && clone_fault.calls == 1;
}

/* A filter of the program may end the process for making a helper. */
static void no_helper_in_a_program_with_filters(void **state)
{
    (void)state;
    check_in_child(is_not_tried);
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
    fault_set(&open_fault, ENOENT, 1);
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
        cmocka_unit_test_setup(calls_at_a_moment, setup),
        cmocka_unit_test_setup(trusted_threads_go_on, setup),
        cmocka_unit_test_setup(new_threads_are_stopped_too, setup),
        cmocka_unit_test_setup(no_call_is_seen_to_fail, setup),
        cmocka_unit_test_setup(no_call_that_begins_is_seen_to_fail, setup),
        cmocka_unit_test_setup(timeouts_go_on, setup),
        cmocka_unit_test_setup(signals_of_the_program_are_delivered, setup),
        cmocka_unit_test_setup(threads_that_block_signals, setup),
        cmocka_unit_test_setup(a_thread_in_vfork, setup),
        cmocka_unit_test_setup(own_threads_do_not_count, setup),
        cmocka_unit_test_setup(an_own_thread_stops_others, setup),
        cmocka_unit_test_setup(a_thread_that_waits_for_space_to_write, setup),
        cmocka_unit_test_setup(a_helper_that_cannot_work, setup),
        cmocka_unit_test_setup(a_helper_that_may_not_trace, setup),
        cmocka_unit_test_setup(a_helper_that_is_killed, setup),
        cmocka_unit_test_setup(no_helper_in_a_program_with_filters, setup),
        cmocka_unit_test_setup(unknown_is_no, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
