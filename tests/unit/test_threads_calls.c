/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of system calls that threads make while they are stopped (os/threads.h). */
#include "support/threads_fixture.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

static atomic_bool over;

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

/* -- Signals ----------------------------------------------------------------------------------- */

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
    (void)number;
    signals = signals + 1;
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

int main(void)
{
    if (SANITIZED)
        return SKIPPED;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(no_call_is_seen_to_fail, setup),
        cmocka_unit_test_setup(no_call_that_begins_is_seen_to_fail, setup),
        cmocka_unit_test_setup(timeouts_go_on, setup),
        cmocka_unit_test_setup(signals_of_the_program_are_delivered, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
