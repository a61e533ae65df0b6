/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of the pool of huge pages: which files are read, and which contents are valid. */
/* WRAP: open read mmap munmap */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/huge_pages_pool.h"
#include "support/faults.h"
#include "support/leftovers.h"

#define NODES     256
#define ALL_NODES "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
#define NODE      "/sys/devices/system/node/node%u/hugepages/hugepages-2048kB/nr_hugepages"
#define GIGANTIC  "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages"
#define FIRST     3
#define SECOND    200

static struct leftovers before;
static struct fault read_fault;
static const char *text_of_all; /* NULL: the file does not exist */
static const char *text_of_gigantic;
static const char *text_of_first;  /* of node FIRST */
static const char *text_of_second; /* of node SECOND */
static const char *text;           /* of the open file */

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
ssize_t __real_read(int fd, void *buffer, size_t size);
ssize_t __wrap_read(int fd, void *buffer, size_t size);

static const char *text_at(const char *path)
{
    char first[128];
    char second[128];

    snprintf(first, sizeof(first), NODE, FIRST);
    snprintf(second, sizeof(second), NODE, SECOND);
    if (strcmp(path, ALL_NODES) == 0)
        return text_of_all;
    if (strcmp(path, GIGANTIC) == 0)
        return text_of_gigantic;
    if (strcmp(path, first) == 0)
        return text_of_first;
    return strcmp(path, second) == 0 ? text_of_second : NULL;
}

int __wrap_open(const char *path, int flags, ...)
{
    text = text_at(path);
    if (text == NULL) {
        errno = ENOENT;
        return -1;
    }
    assert_int_equal(flags, O_RDONLY | O_CLOEXEC);
    return __real_open("/dev/null", flags);
}

ssize_t __wrap_read(int fd, void *buffer, size_t size)
{
    size_t length = strlen(text);

    (void)fd;
    if (fault_hits(&read_fault))
        return -1;
    length = length < size ? length : size;
    memcpy(buffer, text, length);
    return (ssize_t)length;
}

static struct fault mmap_fault;
static int mapped; /* huge pages that stay mapped, which ordinary pages replace here */

void *__real_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *addr, size_t size);
int __wrap_munmap(void *addr, size_t size);

void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset)
{
    if ((flags & MAP_HUGETLB) == 0)
        return __real_mmap(addr, size, protection, flags, fd, offset);
    assert_int_equal(flags & (MAP_SHARED | MAP_NORESERVE), 0);
    if (fault_hits(&mmap_fault))
        return MAP_FAILED;
    mapped++;
    return __real_mmap(addr, size, protection, MAP_PRIVATE | MAP_ANONYMOUS, fd, offset);
}

int __wrap_munmap(void *addr, size_t size)
{
    mapped -= size == HUGE_PAGES_POOL_PAGE;
    return __real_munmap(addr, size);
}

static void pool_is_empty_where_nothing_can_be_reserved(void **state)
{
    (void)state;
    errno = EXDEV;
    assert_false(huge_pages_pool_is_empty());
    fault_set(&mmap_fault, ENOMEM, 1);
    assert_true(huge_pages_pool_is_empty());
    assert_int_equal(mapped, 0);
    assert_int_equal(errno, EXDEV);
}

static int setup(void **state)
{
    (void)state;
    read_fault = (struct fault){0};
    text_of_all = text_of_gigantic = text_of_first = text_of_second = NULL;
    leftovers_take(&before, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    leftovers_check(&before);
    return 0;
}

static void whole_pool_is_one_number(void **state)
{
    (void)state;
    assert_int_equal(huge_pages_pool_size(NULL, 0), 0);
    text_of_all = "0\n";
    assert_int_equal(huge_pages_pool_size(NULL, NODES), 0);
    text_of_all = "1234567\n";
    assert_int_equal(huge_pages_pool_size(NULL, NODES), 1234567);
    text_of_all = "";
    assert_int_equal(huge_pages_pool_size(NULL, NODES), 0);
    text_of_all = "no number";
    assert_int_equal(huge_pages_pool_size(NULL, NODES), 0);
    text_of_all = "17";
    fault_set(&read_fault, EIO, 1);
    assert_int_equal(huge_pages_pool_size(NULL, NODES), 0);
}

static void pages_of_both_sizes_are_apart(void **state)
{
    (void)state;
    text_of_all = "8\n";
    text_of_first = "5\n";
    assert_int_equal(huge_pages_pool_size_gigantic(NULL, 0), 0);
    text_of_gigantic = "2\n";
    assert_int_equal(huge_pages_pool_size_gigantic(NULL, 0), 2);
    assert_int_equal(huge_pages_pool_size(NULL, 0), 8);
    assert_int_equal(
        huge_pages_pool_size_gigantic(&(unsigned long){1ul << FIRST}, 8 * sizeof(unsigned long)),
        0);
}

static void nodes_of_the_mask_are_added_up(void **state)
{
    enum { BITS = 8 * sizeof(unsigned long) };
    unsigned long mask[NODES / BITS] = {0};

    (void)state;
    text_of_all = "99\n";
    text_of_first = "5\n";
    text_of_second = "7\n";
    assert_int_equal(huge_pages_pool_size(mask, NODES), 0);
    mask[FIRST / BITS] |= 1ul << FIRST % BITS;
    assert_int_equal(huge_pages_pool_size(mask, NODES), 5);
    mask[SECOND / BITS] |= 1ul << SECOND % BITS;
    assert_int_equal(huge_pages_pool_size(mask, NODES), 12);
    /* Bits beyond the last node do not count, and missing nodes have no pages. */
    assert_int_equal(huge_pages_pool_size(mask, SECOND), 5);
    memset(mask, 0xff, sizeof(mask));
    assert_int_equal(huge_pages_pool_size(mask, NODES), 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pool_is_empty_where_nothing_can_be_reserved, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(whole_pool_is_one_number, setup, teardown),
        cmocka_unit_test_setup_teardown(pages_of_both_sizes_are_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(nodes_of_the_mask_are_added_up, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
