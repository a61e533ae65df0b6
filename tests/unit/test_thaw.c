/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of frozen chunks that return to the file: when they do, what is written, and what threads
 * write meanwhile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

#include "space/thaw.h"
#include "stress/parameters.h"
#include "support/faults.h"
#include "support/freeze_fixture.h"
#include "support/leftovers.h"

/* WRAP: clone */

#define WRITERS      4
#define WRITER_WORDS 2048 /* in pages of its own */

/* -- Thawing ----------------------------------------------------------------------------------- */

/* Without a page map all is written. */
static void thaw_without_a_page_map(void **state)
{
    (void)state;
    freeze_and_write();
    fault_set(&open_fault, EACCES, 1);
    thaw_all(space, true);
    check_thawed();
    freeze_and_write();
    fault_set(&read_fault, EIO, FAULT_ALWAYS);
    thaw_all(space, true);
    check_thawed();
    assert_true(is_filled('b'));
    check_file();
}

/* Only what was written to is written to the file. */
static void thaw_writes_what_has_changed(void **state)
{
    (void)state;
    pid_t child = fork_space();
    if (child == 0)
        _exit(0);
    check_child(child);
    blocks[1][CHUNK] = 'w';
    thaw_all(space, true);
    check_thawed();
    assert_int_equal(write_fault.calls, 1);
    assert_int_equal(blocks[1][CHUNK], 'w');
    check_file();
}

/* A commit has filled a stale page with zeroes, and failed then. The file has the old bytes. */
static void pages_of_a_failed_commit_are_empty(void **state)
{
    struct gate end = gate_new();
    char *page = blocks[1] + 2 * CHUNK;

    (void)state;
    pid_t child = fork_space();
    if (child == 0) {
        gate_wait(&end);
        _exit(0);
    }
    assert_int_equal(space_decommit(space, page, space->page), 0);
    allocate_fault = (struct fault){.error = ENOSPC, .skip = 1, .times = FAULT_ALWAYS};
    assert_int_equal(space_commit(space, page, 2 * space->page), -ENOSPC);
    clear_faults();
    gate_open(&end);
    check_child(child);
    thaw_all(space, true);
    check_thawed();
    assert_int_equal(space_commit(space, page, space->page), 0);
    for (size_t i = 0; i < space->page; i++)
        assert_int_equal(page[i], 0);
    gate_close(&end);
}

/* A thread that cannot be stopped: an interruption would be seen. */

static void write_slowly(void)
{
    usleep(3000);
}

/* Other threads wait meanwhile, so a piece ends with the chunk that has taken long to write. */
static void slow_writes_make_small_pieces(void **state)
{
    (void)state;
    freeze_and_write();
    write_hook = write_slowly;
    size_t frozen = atomic_load(&space->frozen);
    assert_true(frozen > 2 * CHUNK);
    assert_true(thaw_in_background(space));
    assert_int_equal(atomic_load(&space->frozen), frozen - CHUNK);
    thaw_all(space, true);
    check_thawed();
    assert_true(is_filled('b'));
    check_file();
}

static void *write_much(void *pipe_end)
{
    enum { SIZE = 1 << 20 };
    static char bytes[SIZE];

    NEED(write(*(int *)pipe_end, bytes, SIZE) == SIZE);
    return NULL;
}

static void wait_until_full(int pipe_end)
{
    enum { ROOM = 65536 };
    int size = 0;

    while (size < ROOM)
        assert_int_equal(ioctl(pipe_end, FIONREAD, &size), 0);
    usleep(10000);
}

static void *wait_at_gate(void *gate)
{
    gate_wait(gate);
    return NULL;
}

static void not_while_others_could_write(void **state)
{
    struct gate end = gate_new();
    pthread_t thread;
    char bytes[4096];
    int ends[2];

    (void)state;
    pid_t child = fork_space();
    if (child == 0) {
        gate_wait(&end);
        _exit(0);
    }
    fill('b');
    thaw_all(space, true);
    assert_int_not_equal(atomic_load(&space->frozen), 0);
    gate_open(&end);
    check_child(child);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pthread_create(&thread, NULL, write_much, &ends[1]), 0);
    wait_until_full(ends[0]);
    thaw_all(space, true);
    assert_int_not_equal(atomic_load(&space->frozen), 0);
    for (size_t size = 0; size < 1 << 20;)
        size += (size_t)read(ends[0], bytes, sizeof(bytes));
    pthread_join(thread, NULL);
    close(ends[0]);
    close(ends[1]);
    for (int i = 0; i < 1000 && atomic_load(&space->frozen) != 0; i++) {
        thaw_all(space, true);
        usleep(1000);
    }
    check_thawed();
    assert_true(is_filled('b'));
    gate_close(&end);
}

/* -- A helper that is killed ------------------------------------------------------------------- */

static pid_t helper;

int __real_clone(int (*call)(void *), void *stack, int flags, void *arg, ...);
int __wrap_clone(int (*call)(void *), void *stack, int flags, void *arg, pid_t *parent, void *local,
                 pid_t *child);

int __wrap_clone(int (*call)(void *), void *stack, int flags, void *arg, pid_t *parent, void *local,
                 pid_t *child)
{
    helper = __real_clone(call, stack, flags, arg, parent, local, child);
    return helper;
}

static atomic_bool counts;

/* Counts in a word until counts is false. Returns the word, or NULL after a lost write. */
static void *count_in(void *word)
{
    volatile uintptr_t *count = word;

    *count = 0;
    for (uintptr_t i = 0; atomic_load(&counts); i++)
        if (*count != i)
            return NULL;
        else
            *count = i + 1;
    return word;
}

/* The thread counts on after the page of its word was written to the file. */
static void kill_helper(void)
{
    kill(helper, SIGKILL);
    usleep(2000);
}

/* The thread goes on in the middle of a piece: what it writes from then on is not lost. */
static void a_helper_that_is_killed(void **state)
{
    pthread_t thread;
    void *result;
    char *word = blocks[0] + size_of(0) - sizeof(uintptr_t);

    (void)state;
    freeze_and_write();
    atomic_store(&counts, true);
    assert_int_equal(pthread_create(&thread, NULL, count_in, word), 0);
    for (int i = 0; i < 20; i++) {
        write_hook = kill_helper;
        thaw_all(space, true);
    }
    write_hook = NULL;
    for (int i = 0; i < 5000 && atomic_load(&space->frozen) != 0; i++) {
        thaw_all(space, true);
        usleep(1000);
    }
    atomic_store(&counts, false);
    pthread_join(thread, &result);
    assert_ptr_equal(result, word);
    check_thawed();
    check_file();
}

/* -- Threads that write ------------------------------------------------------------------------ */

static atomic_bool over;
static atomic_ulong writes;
static int pipes[2];
static int sockets[2];
static int epoll;

/* Ways to write a number to memory. */
static void store_number(unsigned *at, unsigned number)
{
    *(volatile unsigned *)at = number;
}

static void read_number(unsigned *at, unsigned number)
{
    NEED(write(pipes[1], &number, sizeof(number)) == sizeof(number));
    NEED(read(pipes[0], at, sizeof(number)) == sizeof(number));
}

static void receive_number(unsigned *at, unsigned number)
{
    NEED(send(sockets[1], &number, sizeof(number), 0) == sizeof(number));
    NEED(recv(sockets[0], at, sizeof(number), 0) == sizeof(number));
}

/* epoll_wait(2) writes the number as the data of its event. */
static void wait_for_number(unsigned *at, unsigned number)
{
    struct epoll_event event = {.events = EPOLLOUT, .data.u32 = number};
    struct epoll_event *result = (void *)at;

    NEED(epoll_ctl(epoll, EPOLL_CTL_MOD, sockets[1], &event) == 0);
    NEED(epoll_wait(epoll, result, 1, -1) == 1);
    NEED(result->data.u32 == number);
}

static void thaw_until_done(void)
{
    for (int i = 0; i < 1000 && atomic_load(&space->frozen) != 0; i++) {
        thaw_all(space, true);
        usleep(1000);
    }
}

struct writer {
    void (*write_number)(unsigned *at, unsigned number);
    unsigned *words;
    size_t step;  /* words between two numbers */
    size_t place; /* of the number, from there on */
};

static void *write_numbers(void *argument)
{
    const struct writer *writer = argument;
    unsigned expected[WRITER_WORDS] = {0};
    unsigned number = 1;

    while (!atomic_load(&over))
        for (size_t i = 0; i < WRITER_WORDS; i += writer->step, number++) {
            unsigned *at = writer->words + i;

            if (expected[i] != 0)
                NEED(at[writer->place] == expected[i]);
            writer->write_number(at, number);
            expected[i] = number;
            atomic_fetch_add(&writes, 1);
        }
    return NULL;
}

/* Nothing that a thread writes is lost, however it is written, and no call fails. */
static void threads_that_write(void **state)
{
    struct writer writers[WRITERS] = {
        {.write_number = store_number, .step = 1},
        {.write_number = read_number, .step = 8},
        {.write_number = receive_number, .step = 8},
        {.write_number = wait_for_number, .step = 8, .place = 1},
    };
    pthread_t threads[WRITERS];
    size_t forks = parameter("STRESS_FORKS", 150);
    unsigned thaws = 0;

    (void)state;
    struct epoll_event event = {.events = EPOLLOUT};
    assert_int_equal(pipe(pipes) | socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, sockets[1], &event), 0);
    atomic_store(&over, false);
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i].words = (unsigned *)(void *)(blocks[1] + i * 16 * 4096);
        assert_int_equal(pthread_create(&threads[i], NULL, write_numbers, &writers[i]), 0);
    }
    for (size_t i = 0; i < forks; i++) {
        pid_t child = fork_space();
        if (child == 0)
            _exit(0);
        check_child(child);
        blocks[0][0] = (char)i;
        thaw_all(space, true);
        thaws += atomic_load(&space->frozen) == 0;
        assert_int_equal(blocks[0][0], (char)i);
        if (i % 3 == 0)
            usleep(1000);
    }
    atomic_store(&over, true);
    for (size_t i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    print_message("%lu writes, thawed %u of %zu times\n", atomic_load(&writes), thaws, forks);
    /* A busy machine may not stop all threads in time; but it does when there are no others. */
    thaw_until_done();
    check_thawed();
    close(pipes[0]);
    close(pipes[1]);
    close(sockets[0]);
    close(sockets[1]);
    close(epoll);
}

static ucontext_t on_stack, beside_stack;

/* The stack that this runs on lies in a frozen chunk: others are thawed, and it goes on. */
static void thaw_on_stack(void)
{
    volatile unsigned sum = 0;

    for (volatile unsigned i = 0; i < 100; i++) {
        thaw_all(space, true);
        sum = sum + i;
    }
    NEED(sum == 99 * 50);
    swapcontext(&on_stack, &beside_stack);
}

static void a_stack_in_the_space(void **state)
{
    enum { STACK_SIZE = 1 << 20 };

    (void)state;
    char *stack = reserve(2 * CHUNK);
    assert_int_equal(space_commit(space, stack, 2 * CHUNK), 0);
    memset(stack, 's', 2 * CHUNK);
    freeze_and_write();
    getcontext(&on_stack);
    on_stack.uc_stack.ss_sp = stack + CHUNK / 2;
    on_stack.uc_stack.ss_size = STACK_SIZE;
    on_stack.uc_link = NULL;
    makecontext(&on_stack, thaw_on_stack, 0);
    swapcontext(&beside_stack, &on_stack);
    assert_in_range(atomic_load(&space->frozen), CHUNK, 2 * CHUNK);
    assert_true(is_filled('b'));
    thaw_all(space, true);
    check_thawed();
    assert_int_equal(stack[0], 's');
}

/* By and by, as pages come and go, and not at once after a fork. */
static void commits_thaw(void **state)
{
    char *page = blocks[0] + 5 * space->page;

    (void)state;
    freeze_and_write();
    thaw_before_fork();
    assert_int_equal(space_commit(space, page, space->page), 0);
    assert_int_not_equal(atomic_load(&space->frozen), 0);
    for (int i = 0; i < 100 && space->holders != NULL; i++) {
        usleep(50000);
        assert_int_equal(space_decommit(space, page, space->page), 0);
        assert_int_equal(space_commit(space, page, space->page), 0);
    }
    check_thawed();
    assert_true(is_filled('b'));
    check_file();
}

static void come_and_go(unsigned times)
{
    char *page = blocks[0] + 5 * space->page;

    assert_int_equal(space_commit(space, page, space->page), 0);
    for (unsigned i = 0; i < times && space->holders != NULL; i++) {
        usleep(50000);
        assert_int_equal(space_decommit(space, page, space->page), 0);
        assert_int_equal(space_commit(space, page, space->page), 0);
    }
}

/* With another thread, that waits. */
static void commits_thaw_beside_threads(void **state)
{
    struct gate end = gate_new();
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, wait_at_gate, &end), 0);
    freeze_and_write();
    come_and_go(200);
    gate_open(&end);
    pthread_join(thread, NULL);
    gate_close(&end);
    check_thawed();
    assert_true(is_filled('b'));
    check_file();
}

static void only_by_request(void **state)
{
    (void)state;
    assert_int_equal(setenv("MEMKIND_PMEM_THAW", "manual", 1), 0);
    thaw_configure();
    freeze_and_write();
    assert_false(thaw_is_due(space));
    come_and_go(30);
    thaw_all(space, false);
    assert_false(thaw_in_background(space));
    assert_int_not_equal(atomic_load(&space->frozen), 0);
    assert_int_equal(setenv("MEMKIND_PMEM_THAW", "auto", 1), 0);
    thaw_configure();
    assert_true(thaw_is_due(space));
    while (thaw_in_background(space))
        ;
    check_thawed();
    /* Anything else is ignored. */
    assert_int_equal(setenv("MEMKIND_PMEM_THAW", "never", 1), 0);
    thaw_configure();
    freeze_and_write();
    assert_true(thaw_is_due(space));
    unsetenv("MEMKIND_PMEM_THAW");
    thaw_all(space, true);
    check_thawed();
}

static void many_runs_take_few_maps(void **state)
{
    enum { RUNS = 1400 };
    static char *pages[RUNS];

    (void)state;
    size_t maps = count_maps();
    for (size_t i = 0; i < RUNS; i++) {
        pages[i] = reserve(2 * CHUNK);
        assert_int_equal(space_commit(space, pages[i], space->page), 0);
        pages[i][0] = (char)i;
    }
    pid_t child = fork_space();
    if (child == 0) {
        for (size_t i = 0; i < RUNS; i++) {
            NEED(pages[i][0] == (char)i);
            pages[i][0] = 'c';
        }
        _exit(0);
    }
    assert_in_range(count_maps(), maps, maps + 100);
    check_child(child);
    for (size_t i = 0; i < RUNS; i++)
        assert_int_equal(pages[i][0], (char)i);
    thaw_all(space, true);
    check_thawed();
}

int main(void)
{
    /* Its own thread cannot be stopped. */
    if (SANITIZED)
        return SKIPPED;
    const struct CMUnitTest tests[] = {
        TEST(slow_writes_make_small_pieces), TEST(thaw_without_a_page_map),
        TEST(thaw_writes_what_has_changed),  TEST(not_while_others_could_write),
        TEST(a_helper_that_is_killed),       TEST(threads_that_write),
        TEST(a_stack_in_the_space),          TEST(commits_thaw),
        TEST(commits_thaw_beside_threads),   TEST(only_by_request),
        TEST(many_runs_take_few_maps),       TEST(pages_of_a_failed_commit_are_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
