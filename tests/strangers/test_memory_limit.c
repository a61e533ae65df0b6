/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Report: a container whose memory is limited was ended by the kernel when the program requested
 * more than the limit from a kind on tmpfs. fallocate(2) takes memory until there is none.
 */
#include "api/fixture.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "support/call_filter.h"

#define LIMIT    (160 * MIB)
#define TOO_MUCH (400 * MIB)
#define FITS     (80 * MIB)

/* The folders in which a group with a limit can be made, and its file for the limit. */
static const struct {
    const char *folder;
    const char *limit;
} versions[] = {{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
                {"/sys/fs/cgroup", "memory.max"}};

static char group[64];

static bool write_file(const char *name, const char *text)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", group, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return written;
}

/* Makes a group whose processes have LIMIT bytes. */
static bool make_group(void)
{
    char limit[32];

    snprintf(limit, sizeof(limit), "%zu", LIMIT);
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        snprintf(group, sizeof(group), "%s/memkind_test.%d", versions[i].folder, (int)getpid());
        if (mkdir(group, 0700) != 0)
            continue;
        if (write_file(versions[i].limit, limit))
            return true;
        rmdir(group);
    }
    return false;
}

static bool is_on_tmpfs(void)
{
    struct statfs fs;

    return statfs(fixture_dir, &fs) == 0 && fs.f_type == TMPFS_MAGIC &&
           (size_t)fs.f_bavail * (size_t)fs.f_bsize > TOO_MUCH;
}

static int request(memkind_t kind)
{
    errno = 0;
    if (memkind_malloc(kind, TOO_MUCH) != NULL || errno != ENOMEM)
        return 2;
    char *block = memkind_malloc(kind, FITS);
    if (block == NULL)
        return 3;
    memset(block, 1, FITS);
    return memkind_realloc(kind, block, TOO_MUCH) == NULL ? 0 : 4;
}

static int request_in_group(void)
{
    memkind_t kind = NULL;

    if (!write_file("cgroup.procs", "0"))
        return 1;
    if (memkind_create_pmem(fixture_dir, 0, &kind) != MEMKIND_SUCCESS)
        return 5;
    return request(kind);
}

static int request_under_filter(void)
{
    memkind_t kind = NULL;

    if (!write_file("cgroup.procs", "0") ||
        memkind_create_pmem(fixture_dir, 0, &kind) != MEMKIND_SUCCESS)
        return 1;
    const struct call_filter_rule rule = {.call = SYS_fstatfs, .error = EPERM};
    return call_filter_install(&rule, 1) ? request(kind) : 0;
}

static void check_child(int (*run)(void))
{
    int status = 0;

    /* The thread sanitizer takes four times the memory. */
    if (FIXTURE_TSAN || !is_on_tmpfs() || !make_group())
        skip();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(run());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(rmdir(group), 0);
    assert_int_equal(status, 0);
}

static void test_limit_of_a_control_group(void **state)
{
    (void)state;
    check_child(request_in_group);
}

/* The free space of the file system cannot be queried either. */
static void test_limit_under_a_filter(void **state)
{
    (void)state;
    check_child(request_under_filter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_limit_of_a_control_group),
        FIXTURE_TEST(test_limit_under_a_filter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
