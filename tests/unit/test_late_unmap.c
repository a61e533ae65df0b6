/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of page tables that are moved away and given up later. */
/* WRAP: mmap mremap madvise */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/late_unmap.h"
#include "support/faults.h"
#include "support/leftovers.h"

#define SIZE ((size_t)16 << 20)

/* The thread sanitizer has maps of its own that come and go. */
#define SKIPPED 77
#ifdef __SANITIZE_THREAD__
#    define SANITIZED true
#else
#    define SANITIZED false
#endif

static struct leftovers before;
static char *memory; /* a shared mapping of a file */
static int fd;
static struct fault map_fault;
static struct fault move_fault;
static struct fault advise_fault;

void *__real_mmap(void *addr, size_t size, int protection, int flags, int file, off_t offset);
void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int file, off_t offset);
void *__real_mremap(void *addr, size_t old_size, size_t size, int flags, void *place);
void *__wrap_mremap(void *addr, size_t old_size, size_t size, int flags, void *place);
int __real_madvise(void *addr, size_t size, int advice);
int __wrap_madvise(void *addr, size_t size, int advice);

void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int file, off_t offset)
{
    return fault_hits(&map_fault) ? MAP_FAILED
                                  : __real_mmap(addr, size, protection, flags, file, offset);
}

void *__wrap_mremap(void *addr, size_t old_size, size_t size, int flags, void *place)
{
    return fault_hits(&move_fault) ? MAP_FAILED : __real_mremap(addr, old_size, size, flags, place);
}

int __wrap_madvise(void *addr, size_t size, int advice)
{
    return fault_hits(&advise_fault) ? -1 : __real_madvise(addr, size, advice);
}

static int setup(void **state)
{
    (void)state;
    map_fault = move_fault = advise_fault = (struct fault){0};
    leftovers_take(&before, NULL);
    fd = memfd_create("test", MFD_CLOEXEC);
    assert_int_equal(ftruncate(fd, SIZE), 0);
    memory = __real_mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(memory != MAP_FAILED);
    memset(memory, 'm', SIZE);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    late_unmap_all();
    munmap(memory, SIZE);
    close(fd);
    leftovers_check(&before);
    return 0;
}

static bool is_intact(void)
{
    for (size_t i = 0; i < SIZE; i += 4096)
        if (memory[i] != 'm')
            return false;
    return true;
}

static void the_mapping_stays(void **state)
{
    size_t maps = count_maps();

    (void)state;
    late_unmap_move(memory, SIZE);
    assert_int_equal(move_fault.calls, 1);
    assert_true(count_maps() > maps);
    assert_true(is_intact());
    memory[5] = 'x';
    char byte = 0;
    assert_int_equal(pread(fd, &byte, 1, 5), 1);
    assert_int_equal(byte, 'x');
    late_unmap_some();
    assert_int_equal(count_maps(), maps);
    late_unmap_some();
    assert_int_equal(count_maps(), maps);
}

static void small_ones_are_left(void **state)
{
    (void)state;
    late_unmap_move(memory, SIZE / 4);
    assert_int_equal(move_fault.calls, 0);
    assert_true(is_intact());
}

static void pieces_are_unmapped(void **state)
{
    size_t size = (size_t)80 << 20;
    size_t maps;

    (void)state;
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    char *large = __real_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(large != MAP_FAILED);
    maps = count_maps();
    late_unmap_move(large, size);
    for (int i = 0; i < 3; i++) {
        assert_true(count_maps() > maps);
        late_unmap_some();
    }
    assert_int_equal(count_maps(), maps);
    munmap(large, size);
}

static void children_do_not_get_it(void **state)
{
    size_t maps = count_maps();
    int status;

    (void)state;
    late_unmap_move(memory, SIZE);
    pid_t child = fork();
    if (child == 0) {
        late_unmap_after_fork();
        late_unmap_all();
        _exit(count_maps() != maps || !is_intact());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void failures_leave_all_as_it_was(void **state)
{
    struct fault *faults[] = {&map_fault, &move_fault, &advise_fault};
    size_t maps = count_maps();

    (void)state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        fault_set(faults[i], i == 1 ? EINVAL : ENOMEM, 1);
        errno = 0;
        late_unmap_move(memory, SIZE);
        assert_int_equal(errno, 0);
        assert_int_equal(faults[i]->calls, 1);
        assert_int_equal(count_maps(), maps);
        assert_true(is_intact());
    }
}

static void so_many_and_no_more(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        late_unmap_move(memory, SIZE);
    assert_in_range(move_fault.calls, 32, 99);
    assert_true(is_intact());
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    if (SANITIZED)
        return SKIPPED;
    const struct CMUnitTest tests[] = {
        TEST(the_mapping_stays),      TEST(small_ones_are_left),          TEST(pieces_are_unmapped),
        TEST(children_do_not_get_it), TEST(failures_leave_all_as_it_was), TEST(so_many_and_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
