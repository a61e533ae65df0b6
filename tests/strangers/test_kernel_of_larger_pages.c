/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Report, from users of packages for Arm: on a kernel whose pages are larger than those that the
 * library was built for, no kind can be created, and no message says why.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <memkind.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/leftovers.h"

#define AREA_SIZE ((size_t)1 << 20)
#define LOG_SIZE  4096

/* Replaces libc's function, for the library and its jemalloc: a page size that no kernel has. */
__attribute__((visibility("default"))) long sysconf(int name)
{
    static long (*real)(int name);

    if (name == _SC_PAGESIZE)
        return (long)1 << 20;
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "sysconf");
    return real(name);
}

/* What the library writes to standard error. */
static char log_text[LOG_SIZE];
static int log_fd;
static int saved_stderr;

static void catch_log(const char *dir)
{
    log_fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    assert_true(log_fd >= 0);
    saved_stderr = dup(STDERR_FILENO);
    assert_int_equal(dup2(log_fd, STDERR_FILENO), STDERR_FILENO);
}

static void end_log(void)
{
    assert_int_equal(dup2(saved_stderr, STDERR_FILENO), STDERR_FILENO);
    close(saved_stderr);
    ssize_t size = pread(log_fd, log_text, LOG_SIZE - 1, 0);
    assert_true(size >= 0);
    log_text[size] = '\0';
    close(log_fd);
}

static void test_no_kind_and_a_reason(void **state)
{
    memkind_t untouched = (memkind_t)(uintptr_t)8;
    memkind_t kind = untouched;
    char dir[TEST_DIR_PATH_SIZE];
    static char range[AREA_SIZE];
    struct leftovers before;

    (void)state;
    test_dir_make(dir);
    leftovers_take(&before, dir);
    catch_log(dir);
    errno = 0;
    int status = memkind_create_pmem(dir, 0, &kind);
    int err = errno;
    int fixed_status = memkind_create_fixed(range, sizeof(range), &kind);
    int fixed_err = errno;
    errno = 0;
    void *block = memkind_malloc(MEMKIND_DEFAULT, 1);
    int malloc_err = errno;
    end_log();

    assert_int_equal(status, MEMKIND_ERROR_ARENAS_CREATE);
    assert_int_equal(err, ENOTSUP);
    assert_int_equal(fixed_status, MEMKIND_ERROR_ARENAS_CREATE);
    assert_int_equal(fixed_err, ENOTSUP);
    assert_ptr_equal(kind, untouched);
    assert_null(block);
    assert_int_equal(malloc_err, ENOMEM);
    assert_non_null(strstr(log_text, "-DMEMKIND_JEMALLOC_LG_PAGE=20"));
    leftovers_check(&before);
    test_dir_remove(dir);
}

/* The library reads its environment before main(). */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_kind_and_a_reason)};

    (void)argc;
    if (getenv("MEMKIND_DEBUG") == NULL) {
        setenv("MEMKIND_DEBUG", "1", 1);
        execv("/proc/self/exe", argv);
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
