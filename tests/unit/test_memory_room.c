/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the room in memory: what /proc/meminfo and the files of control groups decide. */
/* WRAP: open read sysinfo */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "os/memory_room.h"
#include "support/faults.h"
#include "support/leftovers.h"

#define ROOT  "/fake"
#define GIB   ((size_t)1 << 30)
#define MIB   ((size_t)1 << 20)
#define FILES 12

static struct leftovers before;
static struct fault read_fault;
static struct fault sysinfo_fault;

/* The files that exist below ROOT. */
static struct {
    const char *path;
    const char *text;
} files[FILES];

int __wrap_open(const char *path, int flags, ...);
ssize_t __real_read(int fd, void *buffer, size_t size);
ssize_t __wrap_read(int fd, void *buffer, size_t size);
int __wrap_sysinfo(struct sysinfo *info);

int __wrap_open(const char *path, int flags, ...)
{
    (void)flags;
    assert_memory_equal(path, ROOT "/", sizeof(ROOT "/") - 1);
    for (size_t i = 0; i < FILES && files[i].path != NULL; i++)
        if (strcmp(path + sizeof(ROOT) - 1, files[i].path) == 0) {
            int fd = memfd_create("file", MFD_CLOEXEC);
            ssize_t size = (ssize_t)strlen(files[i].text);

            assert_true(fd >= 0);
            assert_int_equal(pwrite(fd, files[i].text, (size_t)size, 0), size);
            return fd;
        }
    errno = ENOENT;
    return -1;
}

/* A few bytes at a time. */
ssize_t __wrap_read(int fd, void *buffer, size_t size)
{
    if (fault_hits(&read_fault))
        return -1;
    return __real_read(fd, buffer, size < 7 ? size : 7);
}

/* 16 GiB of memory, 4 GiB of swap. */
int __wrap_sysinfo(struct sysinfo *info)
{
    if (fault_hits(&sysinfo_fault))
        return -1;
    *info = (struct sysinfo){.totalram = 16 * 1024, .totalswap = 4 * 1024, .mem_unit = MIB};
    return 0;
}

static void put(const char *path, const char *text)
{
    size_t i = 0;

    while (files[i].path != NULL && strcmp(files[i].path, path) != 0)
        i++;
    assert_true(i < FILES);
    files[i].path = path;
    files[i].text = text;
}

static int setup(void **state)
{
    (void)state;
    memset(files, 0, sizeof(files));
    fault_set(&read_fault, 0, 0);
    fault_set(&sysinfo_fault, 0, 0);
    leftovers_take(&before, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    leftovers_check(&before);
    return 0;
}

/* Checks that the room is exactly `room`. */
static void check_room(size_t room)
{
    errno = 77;
    assert_true(memory_room_has(ROOT, room));
    assert_false(memory_room_has(ROOT, room + 1));
    assert_int_equal(errno, 77);
}

/* Memory of 6 GiB is available. */
static void put_meminfo(void)
{
    put("/proc/meminfo", "MemTotal:       16777216 kB\nMemFree:         1048576 kB\n"
                         "MemAvailable:    6291456 kB\nSwapTotal:       4194304 kB\n"
                         "SwapFree:              0 kB\n");
}

/* -- The machine ------------------------------------------------------------------------------- */

static void memory_and_swap_of_the_machine(void **state)
{
    (void)state;
    assert_int_equal(memory_room_total(), 20 * GIB);
    check_room(20 * GIB);
    put("/proc/meminfo", "MemTotal: 16777216 kB\nMemAvailable: 6291456 kB\nSwapFree: 1048576 kB\n");
    check_room(7 * GIB);
}

static void unusual_contents(void **state)
{
    (void)state;
    put("/proc/meminfo", "");
    check_room(20 * GIB);
    put("/proc/meminfo", "MemTotal: 16777216 kB\nMemFree: 1 kB\nSwapFree: 1048576 kB\n");
    check_room(20 * GIB); /* Linux before 3.14 */
    put("/proc/meminfo", "MemAvailable: 6291456 kB\n");
    check_room(20 * GIB);
    put("/proc/meminfo", "SwapFree: 0 kB\nMemAvailable"); /* the end is missing */
    check_room(20 * GIB);
    put("/proc/meminfo", "MemAvailableToo: 1 kB\nMemAvailable: 6291456 kB\nSwapFree: 0 kB");
    check_room(6 * GIB);
}

static void failing_calls(void **state)
{
    (void)state;
    put_meminfo();
    fault_set(&read_fault, EINTR, 3);
    check_room(6 * GIB);
    fault_set(&read_fault, EIO, FAULT_ALWAYS);
    check_room(20 * GIB);
    fault_set(&sysinfo_fault, EPERM, FAULT_ALWAYS);
    assert_int_equal(memory_room_total(), SIZE_MAX);
    assert_true(memory_room_has(ROOT, SIZE_MAX));
}

/* -- Control groups ---------------------------------------------------------------------------- */

static void limit_of_version_2(void **state)
{
    (void)state;
    put_meminfo();
    put("/proc/self/cgroup", "0::/a/b\n");
    put("/sys/fs/cgroup/a/b/memory.max", "1073741824\n");
    check_room(GIB);
    put("/sys/fs/cgroup/a/b/memory.current", "1048576\n");
    check_room(GIB - MIB);
    /* The contents of files can be dropped. */
    put("/sys/fs/cgroup/a/b/memory.stat", "anon 1\nfile 999\ninactive_file 4096\nactive_file 8192");
    check_room(GIB - MIB + 12288);
    put("/sys/fs/cgroup/a/b/memory.current", "2147483648\n");
    check_room(12288);
    put("/sys/fs/cgroup/a/b/memory.max", "max\n");
    check_room(6 * GIB);
}

static void limits_of_groups_above(void **state)
{
    (void)state;
    put_meminfo();
    put("/proc/self/cgroup", "0::/a/b\n");
    put("/sys/fs/cgroup/a/b/memory.max", "4294967296\n");
    check_room(4 * GIB);
    put("/sys/fs/cgroup/a/memory.max", "2147483648\n");
    check_room(2 * GIB);
    put("/sys/fs/cgroup/memory.max", "1073741824\n");
    check_room(GIB);
}

static void group_of_a_container(void **state)
{
    (void)state;
    put_meminfo();
    put("/proc/self/cgroup", "0::/\n");
    put("/sys/fs/cgroup/memory.max", "1073741824\n");
    check_room(GIB);
    put("/proc/self/cgroup", "0::/../elsewhere\n");
    check_room(GIB);
    put("/proc/self/cgroup", "");
    check_room(GIB);
    put("/proc/self/cgroup", "0\n0:memory\n0::/\n");
    check_room(GIB);
}

static void limit_of_version_1(void **state)
{
    (void)state;
    put_meminfo();
    put("/proc/self/cgroup", "3:cpu,cpuacct:/x\n2:hugetlb,memory:/a\n1:name=systemd:/\n0::/\n");
    put("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1073741824\n");
    put("/sys/fs/cgroup/memory/a/memory.usage_in_bytes", "2097152\n");
    put("/sys/fs/cgroup/memory/a/memory.stat",
        "inactive_file 5\ntotal_inactive_file 4096\ntotal_active_file 1044480\n");
    check_room(GIB - MIB);
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    check_room(GIB - MIB);
}

/* A group may use the machine's swap, whose limit for the group is not read. */
static void groups_beside_swap(void **state)
{
    (void)state;
    put("/proc/meminfo", "MemAvailable: 6291456 kB\nSwapFree: 1048576 kB\n");
    put("/proc/self/cgroup", "0::/a\n");
    put("/sys/fs/cgroup/a/memory.max", "1073741824\n");
    check_room(2 * GIB);
}

static void long_paths_are_skipped(void **state)
{
    static char group[1200] = "0::/";

    (void)state;
    memset(group + 4, 'x', sizeof(group) - 5);
    put_meminfo();
    put("/proc/self/cgroup", group);
    put("/sys/fs/cgroup/memory.max", "1073741824\n");
    check_room(GIB);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(memory_and_swap_of_the_machine),
        TEST(unusual_contents),
        TEST(failing_calls),
        TEST(limit_of_version_2),
        TEST(limits_of_groups_above),
        TEST(group_of_a_container),
        TEST(limit_of_version_1),
        TEST(groups_beside_swap),
        TEST(long_paths_are_skipped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
