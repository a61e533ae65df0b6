/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of threads that wait for futexes which are not private. */
/* WRAP: mmap open openat read */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/shared_futex.h"
#include "support/faults.h"

#define WORDS     2048
#define LAST      (WORDS - 1)
#define PAUSE     ((useconds_t)1000)
#define TRIES     10000
#define SIZE      (WORDS * sizeof(atomic_uint))
#define LAST_BYTE ((off_t)(LAST * sizeof(atomic_uint)))

static struct fault mmap_fault;
static struct fault open_fault;
static struct fault openat_fault;
static struct fault read_fault;

void *__real_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_openat(int directory, const char *path, int flags, ...);
int __wrap_openat(int directory, const char *path, int flags, ...);
ssize_t __real_read(int fd, void *buffer, size_t size);
ssize_t __wrap_read(int fd, void *buffer, size_t size);

void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset)
{
    return fault_hits(&mmap_fault) ? MAP_FAILED
                                   : __real_mmap(addr, size, protection, flags, fd, offset);
}

int __wrap_open(const char *path, int flags, ...)
{
    return fault_hits(&open_fault) ? -1 : __real_open(path, flags, 0600);
}

int __wrap_openat(int directory, const char *path, int flags, ...)
{
    return fault_hits(&openat_fault) ? -1 : __real_openat(directory, path, flags, 0600);
}

ssize_t __wrap_read(int fd, void *buffer, size_t size)
{
    return fault_hits(&read_fault) ? -1 : __real_read(fd, buffer, size);
}

/* -- A thread that waits ----------------------------------------------------------------------- */

static int file;
static atomic_uint *words; /* of the file */
static atomic_bool is_woken;
static unsigned visits;
static const void *visited;

struct wait {
    pthread_t thread;
    atomic_uint *word;
    int operation;
};

static void *wait_once(void *argument)
{
    const struct wait *wait = argument;

    (void)syscall(SYS_futex, wait->word, wait->operation, 0, NULL, NULL, FUTEX_BITSET_MATCH_ANY);
    atomic_store(&is_woken, true);
    return NULL;
}

static void count(const void *addr)
{
    visits++;
    visited = addr;
}

/* Until the thread is in its call, or long enough that it would be. */
static void visit(unsigned tries)
{
    visits = 0;
    for (unsigned i = 0; i < tries && visits == 0; i++) {
        usleep(PAUSE);
        shared_futex_each_waited(count);
    }
}

static void start(struct wait *wait, atomic_uint *word, int operation)
{
    *wait = (struct wait){.word = word, .operation = operation};
    atomic_store(&is_woken, false);
    assert_int_equal(pthread_create(&wait->thread, NULL, wait_once, wait), 0);
}

static int setup(void **state)
{
    (void)state;
    mmap_fault = open_fault = openat_fault = read_fault = (struct fault){0};
    file = memfd_create("words", MFD_CLOEXEC);
    if (file < 0 || ftruncate(file, SIZE) != 0)
        return -1;
    words = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    return words == MAP_FAILED ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    return munmap(words, SIZE) == 0 && close(file) == 0 ? 0 : -1;
}

/* -- Tests ------------------------------------------------------------------------------------- */

static void check_is_woken(int operation)
{
    struct wait wait;

    start(&wait, &words[LAST], operation);
    visit(TRIES);
    assert_int_equal(visits, 1);
    assert_ptr_equal(visited, &words[LAST]);
    assert_int_equal(shared_futex_wake(file, 0), 0);
    usleep(PAUSE);
    assert_false(atomic_load(&is_woken));
    /* The thread waits under the file, whatever lies at its address by now. */
    assert_ptr_equal(mmap(words, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file, 0),
                     words);
    assert_int_equal(shared_futex_wake(file, LAST_BYTE), 0);
    assert_int_equal(pthread_join(wait.thread, NULL), 0);
}

static void test_waiter_is_woken(void **state)
{
    (void)state;
    check_is_woken(FUTEX_WAIT);
}

static void test_waiter_for_bits_is_woken(void **state)
{
    (void)state;
    check_is_woken(FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME);
}

static void test_private_futex_is_not_visited(void **state)
{
    struct wait wait;

    (void)state;
    start(&wait, words, FUTEX_WAIT | FUTEX_PRIVATE_FLAG);
    visit(50);
    assert_int_equal(visits, 0);
    atomic_store(words, 1);
    while (!atomic_load(&is_woken))
        (void)syscall(SYS_futex, words, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX, NULL, NULL, 0);
    assert_int_equal(pthread_join(wait.thread, NULL), 0);
}

/* errno is kept. */
static void check_no_visits(void)
{
    errno = ERANGE;
    visits = 0;
    shared_futex_each_waited(count);
    assert_int_equal(visits, 0);
    assert_int_equal(errno, ERANGE);
}

static void test_failing_calls(void **state)
{
    struct wait wait;

    (void)state;
    start(&wait, &words[LAST], FUTEX_WAIT);
    visit(TRIES);
    fault_set(&open_fault, ENOENT, 1);
    check_no_visits();
    fault_set(&openat_fault, ESRCH, FAULT_ALWAYS);
    check_no_visits();
    fault_set(&openat_fault, 0, 0);
    fault_set(&read_fault, EPERM, FAULT_ALWAYS);
    check_no_visits();
    fault_set(&read_fault, 0, 0);
    fault_set(&mmap_fault, ENOMEM, 1);
    assert_int_equal(shared_futex_wake(file, LAST_BYTE), -ENOMEM);
    assert_int_equal(errno, ERANGE);
    assert_int_equal(shared_futex_wake(file, LAST_BYTE), 0);
    assert_int_equal(pthread_join(wait.thread, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_waiter_is_woken, setup, teardown),
        cmocka_unit_test_setup_teardown(test_waiter_for_bits_is_woken, setup, teardown),
        cmocka_unit_test_setup_teardown(test_private_futex_is_not_visited, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failing_calls, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
