/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of PMEM kinds on a DAX device. The device is a file that a fake dax_device_query() accepts.
 */
/* WRAP: dax_device_query open mmap */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "heap/jemalloc_ctl.h"
#include "memkind.h"
#include "memkind/internal/memkind_pmem.h"
#include "os/dax_device.h"
#include "support/arenas.h"
#include "support/fake_calloc.h"
#include "support/fake_mutex.h"
#include "support/faults.h"
#include "support/leftovers.h"

#define MIB         ((size_t)1 << 20)
#define GIB         ((size_t)1 << 30)
#define SMALLEST    ((size_t)MEMKIND_PMEM_MIN_SIZE)
#define SIZE        (64 * MIB)
#define DIRT        0xa5
#define SOME_ERRNO  1234
#define MOST_BLOCKS 20000
#define MOST_FAULTS 30u

static struct dax_device device;
static int query_error;
static char path[TEST_DIR_PATH_SIZE];
static struct leftovers before;
static struct fault open_fault;
static struct fault map_fault;       /* of the device */
static struct fault anonymous_fault; /* of other memory */
static memkind_t const untouched = (memkind_t)(uintptr_t)0x10;

int __wrap_dax_device_query(const char *name, struct dax_device *found);
int __real_open(const char *name, int flags, ...);
int __wrap_open(const char *name, int flags, ...);
void *__real_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset);

int __wrap_dax_device_query(const char *name, struct dax_device *found)
{
    assert_string_equal(name, path);
    if (query_error == 0)
        *found = device;
    return query_error;
}

int __wrap_open(const char *name, int flags, ...)
{
    va_list arguments;

    /* The library first tries the path as a directory. */
    if (strcmp(name, path) == 0 && (flags & O_DIRECTORY) == 0 && fault_hits_if_set(&open_fault))
        return -1;
    va_start(arguments, flags);
    int mode = va_arg(arguments, int);
    va_end(arguments);
    return __real_open(name, flags, mode);
}

/* Returns whether the device could be mapped like this. */
static bool is_aligned(void *addr, size_t size, off_t offset)
{
    return (((uintptr_t)addr | size | (size_t)offset) & (device.alignment - 1)) == 0;
}

void *__wrap_mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (fault_hits_if_set((flags & MAP_ANONYMOUS) != 0 ? &anonymous_fault : &map_fault))
        return MAP_FAILED;
    assert_true((flags & MAP_ANONYMOUS) != 0 || is_aligned(addr, size, offset));
    return __real_mmap(addr, size, protection, flags, fd, offset);
}

/* Makes a device of this size that is full of an earlier user's contents. */
static void make_device(size_t size, size_t alignment)
{
    static char dirt[MIB];

    device = (struct dax_device){
        .name = "dax0.0", .size = size, .alignment = alignment, .target_node = 1};
    int fd = __real_open(path, O_RDWR | O_CLOEXEC | O_TRUNC, 0);
    assert_true(fd >= 0);
    memset(dirt, DIRT, sizeof(dirt));
    for (size_t written = 0; written < size && written < SIZE; written += sizeof(dirt))
        assert_int_equal(write(fd, dirt, sizeof(dirt)), sizeof(dirt));
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    close(fd);
}

static int setup(void **state)
{
    (void)state;
    open_fault = map_fault = anonymous_fault = calloc_fault = mutex_fault = (struct fault){0};
    arenas_reset_faults();
    query_error = 0;
    snprintf(path, sizeof(path), "%s/device-XXXXXX", test_dir());
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    make_device(SIZE, 2 * MIB);
    leftovers_take(&before, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    leftovers_check(&before);
    return unlink(path);
}

static memkind_t make_kind(size_t max_size)
{
    memkind_t kind = NULL;

    assert_int_equal(memkind_create_pmem(path, max_size, &kind), MEMKIND_SUCCESS);
    return kind;
}

static void end_kind(memkind_t kind)
{
    assert_int_equal(memkind_destroy_kind(kind), MEMKIND_SUCCESS);
}

/* Creates a kind, and records the lines on standard error. */
static int create_and_listen(size_t max_size, memkind_t *kind, char said[TEST_DIR_PATH_SIZE * 2])
{
    int screen = dup(STDERR_FILENO);
    int paper = memfd_create("stderr", MFD_CLOEXEC);

    assert_int_equal(dup2(paper, STDERR_FILENO), STDERR_FILENO);
    errno = SOME_ERRNO;
    int status = memkind_create_pmem(path, max_size, kind);
    int error = errno;
    dup2(screen, STDERR_FILENO);
    close(screen);
    ssize_t length = pread(paper, said, TEST_DIR_PATH_SIZE * 2 - 1, 0);
    close(paper);
    assert_true(length >= 0);
    said[length] = '\0';
    errno = error;
    return status;
}

/* Checks that the kind is refused, with this line. */
static void check_refused(size_t max_size, int status, int error, const char *expected)
{
    char said[TEST_DIR_PATH_SIZE * 2];
    memkind_t kind = untouched;

    assert_int_equal(create_and_listen(max_size, &kind, said), status);
    assert_int_equal(errno, error);
    assert_ptr_equal(kind, untouched);
    if (strstr(said, expected) == NULL)
        fail_msg("expected \"%s\" in \"%s\"", expected, said);
}

static bool is_all(const char *block, size_t size, unsigned char value)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)block[i] != value)
            return false;
    return true;
}

/* -- Create ------------------------------------------------------------------------------------ */

static void test_create(void **state)
{
    (void)state;
    memkind_t kind = make_kind(0);
    const struct memkind_pmem *pmem = kind->priv;

    assert_int_equal(memkind_get_capacity(kind), SIZE);
    assert_int_equal(memkind_check_available(kind), MEMKIND_SUCCESS);
    assert_int_equal(pmem->max_size, SIZE);
    assert_int_equal(pmem->current_size, 0);
    assert_string_equal(pmem->dir, path);
    assert_int_equal(fcntl(pmem->fd, F_GETFD), FD_CLOEXEC);
    char *block = memkind_malloc(kind, 100);
    assert_non_null(block);
    assert_ptr_equal(memkind_detect_kind(block), kind);
    memset(block, 1, 100);
    assert_int_not_equal(pmem->current_size, 0);
    memkind_free(NULL, block);
    end_kind(kind);
    /* Creation replaces the directory's name by the device's, which the program may free. */
    assert_int_equal(access(path, F_OK), 0);
}

static void test_sizes(void **state)
{
    (void)state;
    memkind_t kind = make_kind(SMALLEST + 1);
    assert_int_equal(memkind_get_capacity(kind), SMALLEST + 2 * MIB);
    end_kind(kind);
    end_kind(make_kind(SIZE));
    check_refused(SIZE + 1, MEMKIND_ERROR_INVALID, EINVAL, "too small");
    check_refused(SMALLEST - 1, MEMKIND_ERROR_INVALID, EINVAL, "no kind has a size");
    make_device(SMALLEST - 2 * MIB, 2 * MIB);
    check_refused(0, MEMKIND_ERROR_INVALID, EINVAL, "too small");
    /* Pages of the smallest size. The unit is a chunk nevertheless. */
    make_device(SMALLEST + 4096, 4096);
    kind = make_kind(0);
    assert_int_equal(memkind_get_capacity(kind), SMALLEST);
    end_kind(kind);
}

static void test_alignment_of_a_gib(void **state)
{
    (void)state;
    make_device(3 * GIB, GIB);
    memkind_t first = make_kind(SMALLEST);
    memkind_t second = make_kind(GIB + 1);

    assert_int_equal(memkind_get_capacity(first), GIB);
    assert_int_equal(memkind_get_capacity(second), 2 * GIB);
    assert_non_null(memkind_malloc(first, MIB));
    assert_non_null(memkind_malloc(second, MIB));
    check_refused(SMALLEST, MEMKIND_ERROR_UNAVAILABLE, EBUSY,
                  "(dax0.0) has no free range of 1073741824 bytes");
    end_kind(first);
    end_kind(second);
    make_device(3 * GIB + 2 * MIB, GIB);
    check_refused(3 * GIB + 1, MEMKIND_ERROR_INVALID, EINVAL, "alignment 1073741824: too small");
}

static void test_errors(void **state)
{
    (void)state;
    query_error = -ENODEV;
    check_refused(0, MEMKIND_ERROR_INVALID, ENOTDIR, "neither a directory nor a DAX device");
    query_error = -ENXIO;
    check_refused(0, MEMKIND_ERROR_INVALID, ENXIO, "cannot be queried");
    arenas_reset_faults();
    query_error = 0;
    device.system_ram = true;
    check_refused(0, MEMKIND_ERROR_UNAVAILABLE, ENXIO, "used as system RAM, on node 1");
    device.system_ram = false;
    fault_set(&open_fault, EACCES, 1);
    check_refused(0, MEMKIND_ERROR_INVALID, EACCES, "(Permission denied)");
    fault_set(&open_fault, ENXIO, 1);
    check_refused(0, MEMKIND_ERROR_UNAVAILABLE, ENXIO, "has no driver");
    fault_set(&map_fault, EINVAL, 1);
    check_refused(0, MEMKIND_ERROR_INVALID, EINVAL, "cannot be mapped");
    end_kind(make_kind(0));
}

static void test_config(void **state)
{
    (void)state;
    struct memkind_config *config = memkind_config_new();
    memkind_t kind = untouched;

    memkind_config_set_path(config, path);
    memkind_config_set_size(config, SMALLEST);
    memkind_config_set_prefault(config, true);
    memkind_config_set_memory_usage_policy(config, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
    assert_int_equal(memkind_create_pmem_with_config(config, &kind), MEMKIND_SUCCESS);
    const struct memkind_pmem *pmem = kind->priv;
    void *block = memkind_malloc(kind, MIB);
    assert_non_null(block);
    memkind_free(kind, block);
    assert_int_equal(pmem->current_size, 0);
    end_kind(kind);
    memkind_config_set_fork(config, MEMKIND_FORK_SNAPSHOT);
    assert_int_equal(memkind_create_pmem_with_config(config, &kind), MEMKIND_ERROR_INVALID);
    assert_int_equal(errno, EOPNOTSUPP);
    memkind_config_set_fork(config, MEMKIND_FORK_SHARE);
    memkind_config_set_memory_usage_policy(config, MEMKIND_MEM_USAGE_POLICY_MAX_VALUE);
    assert_int_equal(memkind_create_pmem_with_config(config, &kind), MEMKIND_ERROR_INVALID);
    memkind_config_delete(config);
}

/* Whichever call fails during creation: an error, and nothing is left. */
static void test_every_failure(void **state)
{
    struct fault *const faults[] = {&anonymous_fault, &calloc_fault, &mutex_fault, &create_fault};

    (void)state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        bool made = false;

        for (unsigned skip = 0; !made; skip++) {
            memkind_t kind = untouched;

            assert_true(skip < MOST_FAULTS);
            *faults[i] = (struct fault){.error = ENOMEM, .skip = skip, .times = 1};
            made = memkind_create_pmem(path, 0, &kind) == MEMKIND_SUCCESS;
            *faults[i] = (struct fault){0};
            assert_true(made || kind == untouched);
            /* Unless the call is repeated in another way, as a map at a hinted address is. */
            if (made)
                end_kind(kind);
            leftovers_check(&before);
        }
    }
    end_kind(make_kind(0));
}

/* -- Sharing ----------------------------------------------------------------------------------- */

static void test_kinds_share_the_device(void **state)
{
    memkind_t kinds[SIZE / SMALLEST];
    char *blocks[SIZE / SMALLEST];

    (void)state;
    for (size_t i = 0; i < SIZE / SMALLEST; i++) {
        kinds[i] = make_kind(SMALLEST);
        blocks[i] = memkind_malloc(kinds[i], SMALLEST);
        assert_non_null(blocks[i]);
        memset(blocks[i], (int)i, SMALLEST);
    }
    check_refused(SMALLEST, MEMKIND_ERROR_UNAVAILABLE, EBUSY, "has no free range of");
    check_refused(0, MEMKIND_ERROR_UNAVAILABLE, EBUSY, path);
    for (size_t i = 0; i < SIZE / SMALLEST; i++)
        assert_true(is_all(blocks[i], SMALLEST, (unsigned char)i));
    end_kind(kinds[1]);
    check_refused(SMALLEST + 1, MEMKIND_ERROR_UNAVAILABLE, EBUSY, path);
    kinds[1] = make_kind(SMALLEST);
    for (size_t i = 0; i < SIZE / SMALLEST; i++)
        end_kind(kinds[i]);
    end_kind(make_kind(0));
}

static void wait_for(pid_t child)
{
    int status = -1;

    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* In the child of a fork: blocks stay the parent's, and new memory is its own, or NULL. */
static int live_as_child(memkind_t kind, char *block, bool room)
{
    if (!is_all(block, MIB, 7) || memkind_detect_kind(block) != kind)
        return 1;
    char *own = memkind_malloc(kind, MIB);
    if ((own != NULL) != room || (own == NULL && errno != ENOMEM))
        return 2;
    if (room)
        memset(own, 8, MIB);
    if (room != (memkind_pmem_mmap(kind, NULL, MIB) != MAP_FAILED))
        return 3;
    memkind_free(kind, block);
    char *again = memkind_malloc(kind, MIB);
    if (again == block || (again != NULL) != room)
        return 4;
    memkind_free(kind, own);
    return memkind_destroy_kind(kind) == MEMKIND_SUCCESS ? 0 : 5;
}

static void check_fork(size_t max_size, bool room)
{
    memkind_t kind = make_kind(max_size);
    char *block = memkind_malloc(kind, MIB);

    memset(block, 7, MIB);
    pid_t child = fork();
    if (child == 0)
        _exit(live_as_child(kind, block, room));
    /* While the child lives, and afterwards. */
    char *beside = memkind_calloc(kind, 1, MIB);
    wait_for(child);
    assert_true(is_all(block, MIB, 7));
    assert_true(is_all(beside, MIB, 0));
    end_kind(kind);
    end_kind(make_kind(0));
}

static void test_fork(void **state)
{
    (void)state;
    check_fork(SIZE / 2, true);
    check_fork(0, false);
}

/* -- Memory ------------------------------------------------------------------------------------ */

/* All of the device can be allocated in blocks of this size, and again after it was freed. */
static void fill_and_free(memkind_t kind, size_t size, size_t least)
{
    static char *blocks[MOST_BLOCKS];
    size_t count = 0;

    while ((blocks[count] = memkind_calloc(kind, 1, size)) != NULL) {
        assert_true(is_all(blocks[count], size, 0));
        memset(blocks[count], DIRT, size);
        assert_true(++count < MOST_BLOCKS);
    }
    assert_int_equal(errno, ENOMEM);
    if (count < least)
        fail_msg("%zu blocks of %zu, expected %zu", count, size, least);
    while (count > 0)
        memkind_free(kind, blocks[--count]);
}

static void test_zero_and_reuse(void **state)
{
    (void)state;
    memkind_t kind = make_kind(SMALLEST);

    for (int round = 0; round < 3; round++) {
        fill_and_free(kind, SMALLEST, 1);
        fill_and_free(kind, MIB, SMALLEST / MIB);
        fill_and_free(kind, 5 * MIB, 3);
        fill_and_free(kind, 1000, SMALLEST / 1024 / 100 * 98);
        fill_and_free(kind, 20480, SMALLEST / 20480 / 100 * 98);
    }
    end_kind(kind);
}

static void test_grow_and_shrink(void **state)
{
    (void)state;
    memkind_t kind = make_kind(0);
    char *block = memkind_malloc(kind, 10);

    memset(block, 3, 10);
    block = memkind_realloc(kind, block, 20 * MIB);
    assert_true(is_all(block, 10, 3));
    assert_null(memkind_realloc(kind, block, SIZE + 1));
    assert_int_equal(errno, ENOMEM);
    block = memkind_realloc(kind, block, 100);
    assert_true(is_all(block, 10, 3));
    memkind_free(kind, block);
    end_kind(kind);
}

static void test_mmap_operation(void **state)
{
    (void)state;
    memkind_t kind = make_kind(0);
    char *mapped = memkind_pmem_mmap(kind, NULL, MIB + 1);

    assert_ptr_not_equal(mapped, MAP_FAILED);
    assert_int_equal((uintptr_t)mapped % MEMKIND_PMEM_CHUNK_SIZE, 0);
    assert_true(is_all(mapped, MIB + 4096, 0));
    assert_ptr_equal(memkind_pmem_mmap(kind, NULL, 0), MAP_FAILED);
    assert_int_equal(errno, EINVAL);
    assert_ptr_equal(memkind_pmem_mmap(kind, NULL, SIZE), MAP_FAILED);
    assert_int_equal(errno, ENOMEM);
    assert_ptr_equal(memkind_pmem_mmap(kind, NULL, SIZE_MAX), MAP_FAILED);
    assert_int_equal(errno, ENOMEM);
    end_kind(kind);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_create),
        TEST(test_sizes),
        TEST(test_alignment_of_a_gib),
        TEST(test_errors),
        TEST(test_config),
        TEST(test_every_failure),
        TEST(test_kinds_share_the_device),
        TEST(test_fork),
        TEST(test_zero_and_reuse),
        TEST(test_grow_and_shrink),
        TEST(test_mmap_operation),
    };

    setenv("MEMKIND_DEBUG", "1", 1);
    /* The idle thread would move blocks while a test counts them. */
    setenv("MEMKIND_IDLE_THREAD", "0", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
