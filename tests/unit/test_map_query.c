/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the queries of shared and writable maps: which are found, and failures. */
/* WRAP: open ioctl */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/map_query.h"
#include "support/faults.h"
#include "support/leftovers.h"

#define PAGES 3

static struct fault open_fault;
static struct fault ioctl_fault;
static size_t page;

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

int __wrap_open(const char *path, int flags, ...)
{
    return fault_hits(&open_fault) ? -1 : __real_open(path, flags);
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
    va_list list;

    va_start(list, request);
    void *argument = va_arg(list, void *);
    va_end(list);
    return fault_hits(&ioctl_fault) ? -1 : __real_ioctl(fd, request, argument);
}

static int setup(void **state)
{
    (void)state;
    open_fault = ioctl_fault = (struct fault){0};
    page = (size_t)sysconf(_SC_PAGESIZE);
    return 0;
}

/* -- Maps that are found ----------------------------------------------------------------------- */

struct found {
    uintptr_t address;
    unsigned count; /* of maps that contain the address */
    uintptr_t last; /* end of the map before */
    bool in_order;
    bool for_transfers;
    struct process_map map;
};

static struct found *found; /* by the present search */

static void find(const struct process_map *map)
{
    found->in_order &= map->start >= found->last && map->end > map->start;
    found->last = map->end;
    found->for_transfers |= process_map_is_for_transfers(map);
    if (map->start <= found->address && found->address < map->end) {
        found->count++;
        found->map = *map;
    }
}

static bool any_path(const struct process_map *map)
{
    assert_string_equal(map->path, "");
    return true;
}

static bool no_path(const struct process_map *map)
{
    (void)map;
    return false;
}

/* Skips the test where the kernel answers no queries. */
static struct found find_map_with(const char *address,
                                  bool (*needs_path)(const struct process_map *))
{
    const struct map_query_visitor visitor = {needs_path, find};
    struct found result = {.address = (uintptr_t)address, .in_order = true};

    found = &result;
    int err = map_query_each(&visitor);
    if (err == -EOPNOTSUPP)
        skip();
    assert_int_equal(err, 0);
    assert_true(result.in_order);
    return result;
}

static struct found find_map(const char *address)
{
    return find_map_with(address, any_path);
}

/* Maps three pages of a new file, which is nameless. */
static char *map_file(const char *dir, int flags, struct stat *status)
{
    int fd = open(dir, O_TMPFILE | O_RDWR, 0600);
    if (fd < 0)
        skip();
    assert_int_equal(ftruncate(fd, (off_t)(PAGES * page)), 0);
    assert_int_equal(fstat(fd, status), 0);
    char *addr = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, flags, fd, 0);
    assert_true(addr != MAP_FAILED);
    close(fd);
    return addr;
}

static void writable_maps_of_a_file_are_found(void **state)
{
    struct stat status;
    char *addr = map_file("/dev/shm", MAP_SHARED, &status);

    (void)state;
    assert_int_equal(mprotect(addr + page, page, PROT_READ), 0);
    struct found first = find_map(addr);
    assert_int_equal(first.count, 1);
    assert_true(first.map.start == (uintptr_t)addr && first.map.end == (uintptr_t)addr + page);
    assert_true(first.map.is_shared);
    assert_int_equal(first.map.protection, PROT_READ | PROT_WRITE);
    assert_int_equal(first.map.effects, 0);
    assert_true(first.map.file == map_query_file(status.st_dev, status.st_ino));
    assert_memory_equal(first.map.path, "/dev/shm/", strlen("/dev/shm/"));
    struct found without = find_map_with(addr, no_path);
    assert_int_equal(without.count, 1);
    assert_string_equal(without.map.path, "");
    assert_int_equal(find_map(addr + page).count, 0);
    assert_true(find_map(addr + 2 * page).map.file == first.map.file);
    assert_int_equal(munmap(addr, PAGES * page), 0);
    assert_int_equal(find_map(addr).count, 0);
}

static void files_differ(void **state)
{
    struct stat one, other;
    char *first = map_file("/dev/shm", MAP_SHARED, &one);
    char *second = map_file("/dev/shm", MAP_SHARED, &other);

    (void)state;
    assert_true(find_map(first).map.file != find_map(second).map.file);
    assert_int_equal(munmap(first, PAGES * page), 0);
    assert_int_equal(munmap(second, PAGES * page), 0);
}

static void private_maps_are_left_out(void **state)
{
    struct stat status;
    char *addr = map_file("/dev/shm", MAP_PRIVATE, &status);

    (void)state;
    assert_int_equal(find_map(addr).count, 0);
    assert_int_equal(munmap(addr, PAGES * page), 0);
}

/* The kernel refuses to return a path that is longer than the buffer. */
static void a_map_with_a_long_path_has_none(void **state)
{
    char dir[TEST_DIR_PATH_SIZE];
    char path[TEST_DIR_PATH_SIZE + 1024];
    struct stat status;

    (void)state;
    test_dir_make(dir);
    size_t length = (size_t)snprintf(path, sizeof(path), "%s", dir);
    for (int i = 0; i < 3; i++) {
        length += (size_t)snprintf(path + length, sizeof(path) - length, "/%0200d", i);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    char *addr = map_file(path, MAP_SHARED, &status);
    struct found without = find_map(addr);
    assert_int_equal(without.count, 1);
    assert_string_equal(without.map.path, "");
    assert_true(without.map.file == map_query_file(status.st_dev, status.st_ino));
    assert_int_equal(munmap(addr, PAGES * page), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rmdir(path), 0);
        *strrchr(path, '/') = '\0';
    }
    test_dir_remove(dir);
}

static void maps_for_transfers_are_known(void **state)
{
    aio_context_t context = 0;

    (void)state;
    assert_false(find_map(NULL).for_transfers);
    if (syscall(SYS_io_setup, 4, &context) != 0)
        skip();
    assert_true(find_map(NULL).for_transfers);
    assert_int_equal(syscall(SYS_io_destroy, context), 0);
}

/* The query for the path may fail alone: the map stays, without the path. */
static void a_path_that_is_not_found(void **state)
{
    struct stat status;
    char *addr = map_file("/dev/shm", MAP_SHARED, &status);

    (void)state;
    (void)find_map(addr);
    /* Each map takes two queries. */
    for (unsigned i = 1; i < ioctl_fault.calls; i += 2) {
        ioctl_fault = (struct fault){.error = ENOMEM, .skip = i, .times = 1};
        assert_int_equal(find_map(addr).count, 1);
    }
    assert_int_equal(munmap(addr, PAGES * page), 0);
}

/* -- Failures ---------------------------------------------------------------------------------- */

static void failures_are_reported_and_leave_nothing(void **state)
{
    static const int errors[] = {ENOTTY, EPERM, ENOSYS, EINVAL, ESRCH};
    const struct map_query_visitor visitor = {any_path, find};
    struct found none = {0};
    struct leftovers before;
    char dir[TEST_DIR_PATH_SIZE];

    (void)state;
    test_dir_make(dir);
    leftovers_take(&before, dir);
    found = &none;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        fault_set(&ioctl_fault, errors[i], FAULT_ALWAYS);
        errno = 0;
        assert_int_equal(map_query_each(&visitor), -EOPNOTSUPP);
        assert_int_equal(errno, 0);
    }
    fault_set(&open_fault, EMFILE, 1);
    assert_int_equal(map_query_each(&visitor), -EMFILE);
    assert_int_equal(none.last, 0);
    leftovers_check(&before);
    test_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(writable_maps_of_a_file_are_found, setup),
        cmocka_unit_test_setup(files_differ, setup),
        cmocka_unit_test_setup(private_maps_are_left_out, setup),
        cmocka_unit_test_setup(a_map_with_a_long_path_has_none, setup),
        cmocka_unit_test_setup(maps_for_transfers_are_known, setup),
        cmocka_unit_test_setup(a_path_that_is_not_found, setup),
        cmocka_unit_test_setup(failures_are_reported_and_leave_nothing, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
