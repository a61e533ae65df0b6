/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kinds on a real DAX device. Usage: test_device DEVICE SIZE_MIB ALIGNMENT_KIB
 *
 * The unit tests replace the device by a file. This test covers what only a device does: mappings
 * off its alignment fail, contents persist, and pages of 2 MiB are mapped at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stress/kinds.h"
#include "stress/pattern.h"

#define SMALLEST      ((size_t)MEMKIND_PMEM_MIN_SIZE)
#define DIRT          0xa5
#define MOST_BLOCKS   100000
#define NOBODY        65534
#define PERCENT       100
#define ENOUGH        98 /* percent of a device that small blocks must fill */
#define SMALL_SIZE    2000
#define TOUCHED       (64 * MIB)
#define PIECE         (2 * MIB)
#define SMALLEST_PAGE 4096

static const char *device;
static size_t device_size;
static size_t alignment;

static memkind_t make_device_kind(size_t max_size)
{
    memkind_t kind = NULL;

    assert_int_equal(memkind_create_pmem(device, max_size, &kind), MEMKIND_SUCCESS);
    return kind;
}

static void end_kind(memkind_t kind)
{
    assert_int_equal(memkind_destroy_kind(kind), MEMKIND_SUCCESS);
}

static void check_refused(const char *path, size_t max_size, int status, int error)
{
    memkind_t kind = NULL;

    assert_int_equal(memkind_create_pmem(path, max_size, &kind), status);
    assert_int_equal(errno, error);
    assert_null(kind);
}

static bool is_all(const char *block, size_t size, unsigned char value)
{
    return (unsigned char)block[0] == value && memcmp(block, block + 1, size - 1) == 0;
}

static void test_dax_path(void **state)
{
    static struct leftovers before;

    (void)state;
    leftovers_take(&before, NULL);
    assert_int_equal(memkind_pmem_validate_dir(device), MEMKIND_SUCCESS);
    assert_int_equal(memkind_check_dax_path(device), MEMKIND_SUCCESS);
    assert_int_equal(memkind_check_dax_path("/dev/null"), MEMKIND_ERROR_RUNTIME);
    leftovers_check(&before);
}

static void test_whole_device(void **state)
{
    static struct leftovers before;

    (void)state;
    leftovers_take(&before, NULL);
    memkind_t kind = make_device_kind(0);
    assert_int_equal(memkind_get_capacity(kind), device_size);
    for (size_t i = 0; i < device_size / PIECE; i++) {
        char *block = memkind_malloc(kind, PIECE);

        assert_non_null(block);
        memset(block, DIRT, PIECE);
    }
    assert_null(memkind_malloc(kind, 1));
    assert_int_equal(errno, ENOMEM);
    end_kind(kind);
    /* The device keeps old contents. calloc must clear them. */
    kind = make_device_kind(0);
    char *block = memkind_malloc(kind, PIECE);
    assert_true(is_all(block, PIECE, DIRT));
    memkind_free(kind, block);
    for (size_t i = 0; i < device_size / PIECE; i++) {
        block = memkind_calloc(kind, 1, PIECE);
        assert_non_null(block);
        assert_true(is_all(block, PIECE, 0));
    }
    end_kind(kind);
    leftovers_check(&before);
}

static void test_small_blocks(void **state)
{
    static char *blocks[MOST_BLOCKS * 4];
    memkind_t kind = make_device_kind(SMALLEST * 4);
    size_t capacity = (size_t)memkind_get_capacity(kind);
    size_t first_count = 0;

    (void)state;
    for (int round = 0; round < 2; round++) {
        size_t count = 0;

        while ((blocks[count] = memkind_malloc(kind, SMALL_SIZE)) != NULL) {
            pattern_fill(blocks[count], SMALL_SIZE);
            count++;
        }
        assert_int_equal(errno, ENOMEM);
        assert_true(count > capacity / 2048 / PERCENT * ENOUGH);
        assert_true(count >= first_count / PERCENT * ENOUGH);
        first_count = count;
        for (size_t i = 0; i < count; i++) {
            assert_true(pattern_holds(blocks[i], SMALL_SIZE, pattern_seed(blocks[i], SMALL_SIZE)));
            memkind_free(kind, blocks[i]);
        }
    }
    char *block = memkind_malloc(kind, capacity);
    assert_non_null(block);
    end_kind(kind);
}

static void test_several_kinds(void **state)
{
    (void)state;
    memkind_t first = make_device_kind(SMALLEST);
    memkind_t second = make_device_kind(SMALLEST * 2);
    char *of_first = memkind_malloc(first, SMALLEST);
    char *of_second = memkind_malloc(second, SMALLEST);

    check_refused(device, 0, MEMKIND_ERROR_UNAVAILABLE, EBUSY);
    pattern_fill(of_first, SMALLEST);
    pattern_fill(of_second, SMALLEST);
    assert_true(pattern_holds(of_first, SMALLEST, pattern_seed(of_first, SMALLEST)));
    assert_ptr_equal(memkind_detect_kind(of_first + 1), first);
    assert_ptr_equal(memkind_detect_kind(of_second), second);
    end_kind(first);
    assert_true(pattern_holds(of_second, SMALLEST, pattern_seed(of_second, SMALLEST)));
    end_kind(second);
    end_kind(make_device_kind(0));
}

static void test_errors(void **state)
{
    (void)state;
    check_refused(device, device_size + 1, MEMKIND_ERROR_INVALID, EINVAL);
    check_refused("/dev/null", 0, MEMKIND_ERROR_INVALID, ENOTDIR);
    assert_int_equal(seteuid(NOBODY), 0);
    check_refused(device, 0, MEMKIND_ERROR_INVALID, EACCES);
    assert_int_equal(seteuid(0), 0);
}

static void wait_for(pid_t child, int expected)
{
    int status = -1;

    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, expected);
}

/* A second process cannot use the first one's range until the first is killed. */
static void test_processes(void **state)
{
    int ends[2];
    char word;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        memkind_t kind = make_device_kind(0);

        memset(memkind_malloc(kind, MIB), 1, MIB);
        if (write(ends[1], "", 1) == 1)
            pause();
        _exit(1);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &word, 1), 1);
    check_refused(device, 0, MEMKIND_ERROR_UNAVAILABLE, EBUSY);
    check_refused(device, SMALLEST, MEMKIND_ERROR_UNAVAILABLE, EBUSY);
    assert_int_equal(kill(child, SIGKILL), 0);
    wait_for(child, SIGKILL);
    end_kind(make_device_kind(0));
    close(ends[0]);
}

static int live_as_child(memkind_t kind, const char *block, bool room)
{
    char *own = memkind_malloc(kind, MIB);

    if ((own != NULL) != room)
        return 1;
    if (room)
        memset(own, DIRT, MIB);
    return pattern_holds(block, MIB, pattern_seed(block, MIB)) ? 0 : 2;
}

/* The child of a fork gets its own range if there is one left. */
static void check_fork(size_t max_size, bool room)
{
    memkind_t kind = make_device_kind(max_size);
    char *block = memkind_malloc(kind, MIB);

    pattern_fill(block, MIB);
    pid_t child = fork();
    if (child == 0)
        _exit(live_as_child(kind, block, room));
    wait_for(child, 0);
    assert_true(pattern_holds(block, MIB, pattern_seed(block, MIB)));
    end_kind(kind);
    end_kind(make_device_kind(0));
}

static void test_fork(void **state)
{
    (void)state;
    check_fork(SMALLEST, true);
    check_fork(0, false);
}

static long count_faults(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt + usage.ru_majflt;
}

/* One fault for each piece of the device's alignment; none if the kind is prefaulted. */
static void test_faults(void **state)
{
    struct memkind_config *config = memkind_config_new();
    memkind_t kind = NULL;

    (void)state;
    for (int prefault = 0; prefault < 2; prefault++) {
        memkind_config_set_path(config, device);
        memkind_config_set_prefault(config, prefault != 0);
        assert_int_equal(memkind_create_pmem_with_config(config, &kind), MEMKIND_SUCCESS);
        char *block = memkind_malloc(kind, TOUCHED);
        long before = count_faults();

        for (size_t at = 0; at < TOUCHED; at += SMALLEST_PAGE)
            block[at] = 1;
        long faults = count_faults() - before;
        printf("%ld faults for %zu MiB\n", faults, TOUCHED / MIB);
        assert_true(faults <= (prefault != 0 ? 2 : (long)(TOUCHED / alignment) + 2));
        end_kind(kind);
    }
    memkind_config_delete(config);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dax_path),      cmocka_unit_test(test_whole_device),
        cmocka_unit_test(test_faults),        cmocka_unit_test(test_small_blocks),
        cmocka_unit_test(test_several_kinds), cmocka_unit_test(test_errors),
        cmocka_unit_test(test_processes),     cmocka_unit_test(test_fork),
    };

    if (argc != 4) {
        fprintf(stderr, "usage: %s DEVICE SIZE_MIB ALIGNMENT_KIB\n", argv[0]);
        return EXIT_FAILURE;
    }
    device = argv[1];
    device_size = strtoul(argv[2], NULL, 10) * MIB;
    alignment = strtoul(argv[3], NULL, 10) << 10;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
