/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of the log: silent by default, one write for each line, and no failure does harm.
 *
 * The environment is read once in a process, so each test prints in a child, which records what it
 * observed in shared memory.
 */
/* WRAP: write secure_getenv pthread_sigmask */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/leftovers.h"
#include "util/log.h"

#define LINE_SIZE     1024 /* of the longest line */
#define KEPT_SIZE     8192
#define ERROR_PREFIX  "memkind: error: "
#define LONG_TEXT     4000
#define CHILD_DONE    0
#define CHILD_NOT_LOG 1

struct seen {
    char text[KEPT_SIZE]; /* what was written to descriptor 2 */
    unsigned writes;
    unsigned reads; /* of the environment */
    int errno_after;
    bool allocated;
    bool survived;
};

static struct seen *seen;
static int write_error;    /* errno of write(2), or 0 */
static int sigmask_fails;  /* which call of pthread_sigmask(3) fails, from 1; 0: none */
static bool really_writes; /* to descriptor 2 */

ssize_t __real_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size);
char *__real_secure_getenv(const char *name);
char *__wrap_secure_getenv(const char *name);
int __real_pthread_sigmask(int how, const sigset_t *set, sigset_t *old);
int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *old);

ssize_t __wrap_write(int fd, const void *data, size_t size)
{
    size_t used = strlen(seen->text);

    if (fd != STDERR_FILENO)
        return __real_write(fd, data, size);
    seen->writes++;
    if (really_writes)
        return __real_write(fd, data, size);
    if (used + size < KEPT_SIZE)
        memcpy(seen->text + used, data, size);
    if (write_error == 0)
        return (ssize_t)size;
    errno = write_error;
    return -1;
}

char *__wrap_secure_getenv(const char *name)
{
    seen->reads++;
    return __real_secure_getenv(name);
}

int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    if (sigmask_fails > 0 && --sigmask_fails == 0)
        return EINVAL;
    return __real_pthread_sigmask(how, set, old);
}

static int setup(void **state)
{
    (void)state;
    seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    write_error = 0;
    sigmask_fails = 0;
    really_writes = false;
    return seen == MAP_FAILED ? -1 : unsetenv("MEMKIND_DEBUG");
}

static int teardown(void **state)
{
    (void)state;
    return munmap(seen, sizeof(*seen));
}

static void in_child(const char *debug, void (*work)(void))
{
    int status;
    pid_t child = fork();

    assert_int_not_equal(child, -1);
    if (child == 0) {
        if (debug != NULL)
            setenv("MEMKIND_DEBUG", debug, 1);
        errno = EXDEV;
        work();
        seen->errno_after = errno;
        _exit(CHILD_DONE);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), CHILD_DONE);
}

static void print_both(void)
{
    log_error("%s has %d bytes", "file", 42);
    log_info("%c%c", 'o', 'k');
}

static void print_one(void)
{
    log_error("one");
}

static void test_prints_when_asked(void **state)
{
    (void)state;
    in_child("1", print_both);
    assert_string_equal(seen->text, "memkind: error: file has 42 bytes\nmemkind: info: ok\n");
    assert_int_equal(seen->writes, 2);
    assert_int_equal(seen->errno_after, EXDEV);
}

static void test_is_silent_otherwise(void **state)
{
    static const char *const values[] = {NULL, "", "0", "2", "yes", " 1"};

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        in_child(values[i], print_both);
        assert_int_equal(seen->writes, 0);
        assert_int_equal(seen->errno_after, EXDEV);
    }
}

static void ask_and_change(void)
{
    if (!log_enabled())
        _exit(CHILD_NOT_LOG);
    setenv("MEMKIND_DEBUG", "0", 1);
    if (!log_enabled())
        _exit(CHILD_NOT_LOG);
    log_error("still");
}

static void test_the_environment_is_read_once(void **state)
{
    (void)state;
    in_child("1", ask_and_change);
    assert_int_equal(seen->reads, 1);
    assert_string_equal(seen->text, "memkind: error: still\n");
}

static size_t length_to_print;

static void print_of_length(void)
{
    char text[LONG_TEXT + 1];

    memset(text, 'x', length_to_print);
    text[length_to_print] = '\0';
    log_error("%s", text);
}

static void check_length(size_t length, size_t expected, const char *end)
{
    memset(seen, 0, sizeof(*seen));
    length_to_print = length;
    in_child("1", print_of_length);
    assert_int_equal(seen->writes, 1);
    assert_int_equal(strlen(seen->text), expected);
    assert_memory_equal(seen->text, ERROR_PREFIX, strlen(ERROR_PREFIX));
    assert_string_equal(seen->text + expected - strlen(end), end);
}

static void test_long_lines_are_cut(void **state)
{
    const size_t around = strlen(ERROR_PREFIX) + strlen("\n");
    const size_t longest = LINE_SIZE - around;

    (void)state;
    check_length(1, 1 + around, " x\n");
    check_length(longest - 1, LINE_SIZE - 1, "xxx\n");
    check_length(longest, LINE_SIZE, "xxxx\n");
    check_length(longest + 1, LINE_SIZE, "x...\n");
    check_length(LONG_TEXT, LINE_SIZE, "x...\n");
}

static void print_controls(void)
{
    log_error("a\nb\tc\x1b[1m\xc3\xa9");
}

static void test_a_message_is_one_line(void **state)
{
    (void)state;
    in_child("1", print_controls);
    assert_string_equal(seen->text, "memkind: error: a?b?c?[1m\xc3\xa9\n");
}

static void print_what_cannot_be_converted(void)
{
    const wchar_t not_a_character[] = {(wchar_t)0x7fffffff, 0};

    log_error("%ls", not_a_character);
}

static void test_a_message_that_cannot_be_formatted(void **state)
{
    (void)state;
    in_child("1", print_what_cannot_be_converted);
    assert_string_equal(seen->text, "memkind: error: (a message that cannot be printed)\n");
    assert_int_equal(seen->errno_after, EXDEV);
}

static void print_and_count_memory(void)
{
    size_t before = mallinfo2().uordblks;

    length_to_print = LONG_TEXT;
    print_of_length();
    print_both();
    seen->allocated = mallinfo2().uordblks != before;
}

static void test_nothing_is_allocated(void **state)
{
    (void)state;
    in_child("1", print_and_count_memory);
    assert_int_equal(seen->writes, 3);
    assert_false(seen->allocated);
}

static void test_a_failing_write_is_tried_once(void **state)
{
    static const int errors[] = {EBADF, EPIPE, EINTR, EAGAIN, EFBIG, ENOSPC};

    (void)state;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        memset(seen, 0, sizeof(*seen));
        write_error = errors[i];
        in_child("1", print_one);
        assert_int_equal(seen->writes, 1);
        assert_int_equal(seen->errno_after, EXDEV);
    }
}

static void test_without_a_signal_mask_nothing_is_written(void **state)
{
    (void)state;
    for (int call = 1; call <= 2; call++) {
        sigmask_fails = call;
        in_child("1", print_one);
        assert_int_equal(seen->writes, 0);
        assert_int_equal(seen->errno_after, EXDEV);
    }
}

static void print_into_a_broken_pipe(void)
{
    int ends[2];

    if (pipe(ends) != 0 || dup2(ends[1], STDERR_FILENO) < 0)
        _exit(CHILD_NOT_LOG);
    close(ends[0]);
    errno = EXDEV;
    print_one();
    seen->survived = true;
}

static void test_a_broken_pipe_sends_no_signal(void **state)
{
    (void)state;
    really_writes = true;
    in_child("1", print_into_a_broken_pipe);
    assert_true(seen->survived);
    assert_int_equal(seen->writes, 1);
    assert_int_equal(seen->errno_after, EXDEV);
}

static void print_past_the_file_size_limit(void)
{
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = RLIM_INFINITY};
    char path[TEST_DIR_PATH_SIZE];
    int fd;

    snprintf(path, sizeof(path), "%s/memkind-test-log-XXXXXX", test_dir());
    fd = mkstemp(path);
    if (fd < 0 || unlink(path) != 0 || dup2(fd, STDERR_FILENO) < 0 ||
        setrlimit(RLIMIT_FSIZE, &none) != 0)
        _exit(CHILD_NOT_LOG);
    errno = EXDEV;
    print_one();
    seen->survived = true;
}

static void test_the_file_size_limit_sends_no_signal(void **state)
{
    (void)state;
    really_writes = true;
    in_child("1", print_past_the_file_size_limit);
    assert_true(seen->survived);
    assert_int_equal(seen->writes, 1);
    assert_int_equal(seen->errno_after, EXDEV);
}

static void *print_while_being_cancelled(void *argument)
{
    (void)argument;
    pthread_cancel(pthread_self());
    print_one();
    seen->survived = true;
    return NULL;
}

static void print_in_a_cancelled_thread(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, print_while_being_cancelled, NULL) != 0)
        _exit(CHILD_NOT_LOG);
    pthread_join(thread, NULL);
}

static void test_printing_is_no_cancellation_point(void **state)
{
    (void)state;
    really_writes = true;
    in_child("1", print_in_a_cancelled_thread);
    assert_true(seen->survived);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_prints_when_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_is_silent_otherwise, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_environment_is_read_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_lines_are_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_message_is_one_line, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_message_that_cannot_be_formatted, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_is_allocated, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_failing_write_is_tried_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_a_signal_mask_nothing_is_written, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_broken_pipe_sends_no_signal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_file_size_limit_sends_no_signal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_printing_is_no_cancellation_point, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
