/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of PMEM kinds: what create makes, what destroy leaves, and every failure of either. */
/* WRAP: openat fstatvfs sched_getaffinity */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "heap/heap.h"
#include "heap/jemalloc_ctl.h"
#include "kinds/kind_registry.h"
#include "kinds/pmem_create.h"
#include "memkind.h"
#include "space/address_map.h"
#include "space/space.h"
#include "support/arenas.h"
#include "support/fake_calloc.h"
#include "support/fake_file_space.h"
#include "support/fake_malloc.h"
#include "support/fake_mmap.h"
#include "support/fake_mutex.h"
#include "support/faults.h"
#include "support/leftovers.h"

#define KIB          ((size_t)1 << 10)
#define MIB          ((size_t)1 << 20)
#define CHUNK        ((size_t)MEMKIND_PMEM_CHUNK_SIZE)
#define SMALLEST     ((size_t)MEMKIND_PMEM_MIN_SIZE)
#define SOME_ERRNO   1234
#define LONG_PATH    (PATH_MAX + 100)
#define FILLER       0x3c
#define MOST_FAULTS  60u
#define PARTITIONS   (MEMKIND_NUM_BASE_KIND + MEMKIND_MAX_KIND)
#define DEFAULT      MEMKIND_MEM_USAGE_POLICY_DEFAULT
#define CONSERVATIVE MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE

static struct leftovers before;
static char dir_path[TEST_DIR_PATH_SIZE];
static struct memkind *kinds_before[PARTITIONS];
static struct memkind *const untouched = (struct memkind *)(uintptr_t)0x10;

static struct fault openat_fault;
static struct fault fstatvfs_fault;
static struct fault affinity_fault;

int __real_openat(int dirfd, const char *path, int flags, mode_t mode);
int __wrap_openat(int dirfd, const char *path, int flags, mode_t mode);
int __real_fstatvfs(int fd, struct statvfs *fs);
int __wrap_fstatvfs(int fd, struct statvfs *fs);
int __real_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *cpus);
int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *cpus);

int __wrap_openat(int dirfd, const char *path, int flags, mode_t mode)
{
    return fault_hits_if_set(&openat_fault) ? -1 : __real_openat(dirfd, path, flags, mode);
}

int __wrap_fstatvfs(int fd, struct statvfs *fs)
{
    return fault_hits_if_set(&fstatvfs_fault) ? -1 : __real_fstatvfs(fd, fs);
}

int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *cpus)
{
    return fault_hits_if_set(&affinity_fault) ? -1 : __real_sched_getaffinity(pid, size, cpus);
}

/* -- Fixture ----------------------------------------------------------------------------------- */

static void no_faults(void)
{
    malloc_fault = calloc_fault = file_map_fault = mmap_fault = openat_fault = (struct fault){0};
    allocate_fault = punch_fault = fstatvfs_fault = mutex_fault = affinity_fault =
        (struct fault){0};
    arenas_reset_faults();
}

static int setup(void **state)
{
    (void)state;
    no_faults();
    unsetenv("MEMKIND_ARENA_NUM_PER_KIND");
    unsetenv("MEMKIND_HOG_MEMORY");
    arenas_alive = 0;
    for (unsigned i = 0; i < PARTITIONS; i++)
        kinds_before[i] = kind_registry_get(i);
    test_dir_make(dir_path);
    leftovers_take(&before, dir_path);
    return 0;
}

/* Checks that no kind, arena, descriptor, mapping or file is left. */
static void check_nothing_left(void)
{
    leftovers_check(&before);
    assert_int_equal(arenas_alive, 0);
    for (unsigned i = 0; i < PARTITIONS; i++)
        assert_ptr_equal(kind_registry_get(i), kinds_before[i]);
}

static int teardown(void **state)
{
    (void)state;
    check_nothing_left();
    test_dir_remove(dir_path);
    return 0;
}

static int new_pmem(const char *dir, size_t max_size, memkind_mem_usage_policy policy,
                    memkind_t *kind)
{
    const struct memkind_config config = {.pmem_dir = dir, .pmem_size = max_size, .policy = policy};

    return pmem_create(&config, kind);
}

static struct memkind *new_kind(size_t max_size)
{
    struct memkind *kind = NULL;

    assert_int_equal(new_pmem(dir_path, max_size, DEFAULT, &kind), MEMKIND_SUCCESS);
    assert_non_null(kind);
    return kind;
}

static const struct memkind_pmem *pmem_of(const struct memkind *kind)
{
    return kind->priv;
}

static void destroy(struct memkind *kind)
{
    assert_int_equal(memkind_pmem_destroy(kind), MEMKIND_SUCCESS);
    free(kind);
}

static void expect_failure(const char *dir, size_t max_size, int policy, int status, int error)
{
    struct memkind *kind = untouched;

    errno = SOME_ERRNO;
    assert_int_equal(new_pmem(dir, max_size, (memkind_mem_usage_policy)policy, &kind), status);
    assert_ptr_equal(kind, untouched);
    if (error != 0)
        assert_int_equal(errno, error);
    no_faults();
    check_nothing_left();
}

static bool is_filled(const unsigned char *block, size_t size, unsigned char value)
{
    for (size_t i = 0; i < size; i++)
        if (block[i] != value)
            return false;
    return true;
}

/* -- Create ------------------------------------------------------------------------------------ */

static void new_kind_has_a_nameless_file(void **state)
{
    struct memkind *kind = new_kind(SMALLEST);
    const struct memkind_pmem *pmem = pmem_of(kind);
    struct stat status;

    (void)state;
    assert_true(pmem->fd >= 0);
    assert_int_equal(fstat(pmem->fd, &status), 0);
    assert_int_equal(status.st_nlink, 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(status.st_blocks, 0);
    assert_true((fcntl(pmem->fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_string_equal(pmem->dir, dir_path);
    assert_int_equal(pmem->max_size, SMALLEST);
    assert_int_equal(pmem->current_size, 0);
    assert_string_equal(kind->name, "memkind_pmem");
    assert_ptr_equal(kind->ops, &MEMKIND_PMEM_OPS);
    assert_true(kind->partition >= MEMKIND_NUM_BASE_KIND);
    assert_ptr_equal(kind_registry_get(kind->partition), kind);
    assert_int_equal(arenas_alive, 1);
    destroy(kind);
}

static void max_size_is_rounded_up_to_a_chunk(void **state)
{
    const size_t sizes[][2] = {
        {0, 0},
        {SMALLEST, SMALLEST},
        {SMALLEST + 1, SMALLEST + CHUNK},
        {SMALLEST + CHUNK, SMALLEST + CHUNK},
        {SIZE_MAX - CHUNK + 1, SIZE_MAX - CHUNK + 1},
        {SIZE_MAX - CHUNK + 2, 0},
        {SIZE_MAX, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct memkind *kind = new_kind(sizes[i][0]);

        assert_true(pmem_of(kind)->max_size == sizes[i][1]);
        destroy(kind);
    }
}

static void impossible_arguments_are_refused(void **state)
{
    (void)state;
    expect_failure(dir_path, 1, DEFAULT, MEMKIND_ERROR_INVALID, EINVAL);
    expect_failure(dir_path, SMALLEST - 1, DEFAULT, MEMKIND_ERROR_INVALID, EINVAL);
    expect_failure(dir_path, SMALLEST, MEMKIND_MEM_USAGE_POLICY_MAX_VALUE, MEMKIND_ERROR_INVALID,
                   EINVAL);
    expect_failure(dir_path, SMALLEST, -1, MEMKIND_ERROR_INVALID, EINVAL);
}

static void unusable_directory_is_its_error(void **state)
{
    static char path[LONG_PATH + 1];

    (void)state;
    expect_failure(NULL, SMALLEST, DEFAULT, MEMKIND_ERROR_INVALID, EINVAL);
    expect_failure("", SMALLEST, DEFAULT, MEMKIND_ERROR_INVALID, ENOENT);
    expect_failure("/nowhere/at/all", SMALLEST, DEFAULT, MEMKIND_ERROR_INVALID, ENOENT);
    expect_failure("/dev/null", SMALLEST, DEFAULT, MEMKIND_ERROR_INVALID, ENOTDIR);
    memset(path, 'x', LONG_PATH);
    expect_failure(path, SMALLEST, DEFAULT, MEMKIND_ERROR_INVALID, ENAMETOOLONG);
    /* A directory in which no file can be created. */
    struct memkind *kind = untouched;
    assert_int_equal(new_pmem("/proc", SMALLEST, DEFAULT, &kind), MEMKIND_ERROR_INVALID);
    assert_ptr_equal(kind, untouched);
}

static void file_that_cannot_be_made_is_its_error(void **state)
{
    (void)state;
    fault_set(&openat_fault, EMFILE, FAULT_ALWAYS);
    expect_failure(dir_path, SMALLEST, DEFAULT, MEMKIND_ERROR_INVALID, EMFILE);
    fault_set(&openat_fault, ENOSPC, FAULT_ALWAYS);
    expect_failure(dir_path, SMALLEST, CONSERVATIVE, MEMKIND_ERROR_INVALID, ENOSPC);
    fault_set(&openat_fault, EACCES, FAULT_ALWAYS);
    expect_failure(dir_path, 0, DEFAULT, MEMKIND_ERROR_INVALID, EACCES);
}

/* Returns whether creation failed with the n-th call of this fault. Checks what it left. */
static bool create_fails_at(struct fault *fault, int error, unsigned n, int status)
{
    struct memkind *kind = untouched;

    fault_set(fault, error, 1);
    fault->skip = n;
    int result = new_pmem(dir_path, SMALLEST, DEFAULT, &kind);
    bool was_hit = fault->calls > n;
    no_faults();
    if (result == MEMKIND_SUCCESS) {
        destroy(kind);
    } else {
        assert_true(result == status || result == MEMKIND_ERROR_INVALID);
        assert_ptr_equal(kind, untouched);
    }
    check_nothing_left();
    return was_hit;
}

static unsigned fail_each_call(struct fault *fault, int error, int status)
{
    unsigned n = 0;

    while (create_fails_at(fault, error, n, status)) {
        n++;
        assert_true(n < MOST_FAULTS * 10);
    }
    return n;
}

static void each_allocation_can_fail(void **state)
{
    (void)state;
    assert_true(fail_each_call(&malloc_fault, ENOMEM, MEMKIND_ERROR_MALLOC) >= 3);
    assert_true(fail_each_call(&calloc_fault, ENOMEM, MEMKIND_ERROR_MALLOC) >= 2);
    /* jemalloc gives no reason for a missing arena. */
    fail_each_call(&mmap_fault, ENOMEM, MEMKIND_ERROR_ARENAS_CREATE);
}

static void first_lock_that_cannot_be_made_is_an_error(void **state)
{
    (void)state;
    fault_set(&mutex_fault, ENOMEM, 1);
    expect_failure(dir_path, SMALLEST, DEFAULT, MEMKIND_ERROR_MALLOC, 0);
}

static void kind_without_an_arena_is_an_error(void **state)
{
    (void)state;
    fault_set(&create_fault, EAGAIN, 1);
    expect_failure(dir_path, SMALLEST, DEFAULT, MEMKIND_ERROR_ARENAS_CREATE, 0);
    fault_set(&create_fault, ENOMEM, 1);
    expect_failure(dir_path, SMALLEST, DEFAULT, MEMKIND_ERROR_MALLOC, 0);
}

static void policy_that_cannot_be_set_is_an_error(void **state)
{
    (void)state;
    fault_set(&decay_fault, EFAULT, 1);
    decay_fault.skip = 1; /* of the new arena */
    expect_failure(dir_path, SMALLEST, CONSERVATIVE, MEMKIND_ERROR_RUNTIME, 0);
}

static void wrong_environment_is_an_error(void **state)
{
    const char *const wrong[] = {"", "0", "-1", "x", "4x", "4 4", "99999999999"};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        setenv("MEMKIND_ARENA_NUM_PER_KIND", wrong[i], 1);
        expect_failure(dir_path, SMALLEST, DEFAULT, MEMKIND_ERROR_ENVIRON, 0);
    }
}

static void as_many_kinds_as_there_may_be(void **state)
{
    static struct memkind *kinds[MEMKIND_MAX_KIND];
    struct memkind *more = untouched;

    (void)state;
    for (int i = 0; i < MEMKIND_MAX_KIND; i++)
        kinds[i] = new_kind(SMALLEST);
    assert_int_equal(new_pmem(dir_path, SMALLEST, DEFAULT, &more), MEMKIND_ERROR_TOOMANY);
    assert_ptr_equal(more, untouched);
    assert_int_equal(arenas_alive, MEMKIND_MAX_KIND);
    unsigned partition = kinds[100]->partition;
    destroy(kinds[100]);
    kinds[100] = new_kind(SMALLEST);
    assert_int_equal(kinds[100]->partition, partition);
    for (int i = 0; i < MEMKIND_MAX_KIND; i++) {
        void *block = memkind_malloc(kinds[i], 100);

        assert_non_null(block);
        assert_ptr_equal(kind_registry_kind_of(block), kinds[i]);
    }
    for (int i = 0; i < MEMKIND_MAX_KIND; i++)
        destroy(kinds[i]);
}

/* -- Arenas ------------------------------------------------------------------------------------ */

static unsigned slots_of_kind(size_t max_size)
{
    struct memkind *kind = new_kind(max_size);
    unsigned slots = kind->arena_map_len;

    assert_int_equal(kind->arena_map_mask, slots - 1);
    assert_int_equal(slots & (slots - 1), 0);
    assert_int_equal(kind->arena_zero, kind->arena_map[0]);
    destroy(kind);
    return slots;
}

static void small_kind_has_few_arenas(void **state)
{
    (void)state;
    setenv("MEMKIND_ARENA_NUM_PER_KIND", "64", 1);
    assert_int_equal(slots_of_kind(0), 64);
    assert_int_equal(slots_of_kind((size_t)1 << 40), 64);
    assert_int_equal(slots_of_kind(SMALLEST), 2);
    assert_int_equal(slots_of_kind(5 * SMALLEST), 8);
    setenv("MEMKIND_ARENA_NUM_PER_KIND", "1", 1);
    assert_int_equal(slots_of_kind(SMALLEST), 1);
    setenv("MEMKIND_ARENA_NUM_PER_KIND", "2147483647", 1);
    assert_int_equal(slots_of_kind(0), 4096);
}

static void number_of_arenas_follows_the_processors(void **state)
{
    (void)state;
    assert_in_range(slots_of_kind(0), 4, 256);
    fault_set(&affinity_fault, EINVAL, FAULT_ALWAYS);
    assert_int_equal(slots_of_kind(0), 256);
}

/* -- Destroy ----------------------------------------------------------------------------------- */

static void destroy_gives_everything_back(void **state)
{
    struct memkind *kind = new_kind(0);
    int fd = pmem_of(kind)->fd;
    void *block = memkind_malloc(kind, 3 * MIB);

    (void)state;
    assert_non_null(block);
    memset(block, FILLER, 3 * MIB);
    for (size_t size = 1; size < MIB; size *= 2)
        assert_non_null(memkind_malloc(kind, size));
    destroy(kind);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(address_map_owner(block), ADDRESS_MAP_NONE);
    assert_null(kind_registry_detect(block));
}

static void kinds_are_apart(void **state)
{
    struct memkind *one = new_kind(0);
    struct memkind *two = new_kind(SMALLEST);
    void *block = memkind_malloc(one, 100);
    void *other = memkind_malloc(two, 100);

    (void)state;
    assert_int_not_equal(one->partition, two->partition);
    assert_ptr_equal(kind_registry_detect(block), one);
    assert_ptr_equal(kind_registry_detect(other), two);
    destroy(one);
    memset(other, FILLER, 100);
    memkind_free(NULL, other);
    destroy(two);
}

/* -- No file yet ------------------------------------------------------------------------------- */

static void kind_without_a_file_has_no_memory(void **state)
{
    struct memkind kind = {0};

    (void)state;
    assert_int_equal(memkind_pmem_create(&kind, &MEMKIND_PMEM_OPS, "early"), MEMKIND_SUCCESS);
    assert_int_equal(pmem_of(&kind)->fd, -1);
    assert_null(pmem_of(&kind)->dir);
    for (size_t size = 1; size <= MIB; size *= 16) {
        errno = 0;
        assert_null(memkind_malloc(&kind, size));
        assert_int_equal(errno, ENOMEM);
    }
    errno = 0;
    assert_ptr_equal(memkind_pmem_mmap(&kind, NULL, MIB), MAP_FAILED);
    assert_int_equal(errno, EBADF);
    assert_int_equal(memkind_get_capacity(&kind), -1);
    assert_int_equal(memkind_pmem_destroy(&kind), MEMKIND_SUCCESS);
}

static void incomplete_arguments_are_invalid(void **state)
{
    struct memkind kind = {0};

    (void)state;
    assert_int_equal(memkind_pmem_create(NULL, &MEMKIND_PMEM_OPS, "x"), MEMKIND_ERROR_INVALID);
    assert_int_equal(memkind_pmem_create(&kind, NULL, "x"), MEMKIND_ERROR_INVALID);
    assert_int_equal(memkind_pmem_create(&kind, &MEMKIND_PMEM_OPS, NULL), MEMKIND_ERROR_INVALID);
}

/* -- memkind_pmem_mmap() ----------------------------------------------------------------------- */

static void mapped_space_is_committed_and_aligned(void **state)
{
    const size_t sizes[] = {1, 4 * KIB, CHUNK, CHUNK + 1, 3 * CHUNK};
    struct memkind *kind = new_kind(0);

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t held = pmem_of(kind)->current_size;

        errno = SOME_ERRNO;
        unsigned char *block = memkind_pmem_mmap(kind, (void *)1, sizes[i]);
        assert_ptr_not_equal(block, MAP_FAILED);
        assert_int_equal(errno, SOME_ERRNO);
        assert_int_equal((uintptr_t)block % CHUNK, 0);
        assert_true(is_filled(block, sizes[i], 0));
        memset(block, FILLER, sizes[i]);
        assert_true(pmem_of(kind)->current_size >= held + sizes[i]);
        assert_int_equal(file_space_held(pmem_of(kind)->fd), pmem_of(kind)->current_size);
        assert_ptr_equal(kind_registry_detect(block), kind);
    }
    destroy(kind);
}

static void expect_no_mapping(struct memkind *kind, size_t size, int error)
{
    size_t held = pmem_of(kind)->current_size;

    errno = 0;
    assert_ptr_equal(memkind_pmem_mmap(kind, NULL, size), MAP_FAILED);
    assert_int_equal(errno, error);
    assert_int_equal(pmem_of(kind)->current_size, held);
    no_faults();
}

static void mapping_without_space_is_enomem(void **state)
{
    struct memkind *kind = new_kind(SMALLEST);

    (void)state;
    expect_no_mapping(kind, 0, EINVAL);
    expect_no_mapping(kind, SMALLEST + 1, ENOMEM);
    expect_no_mapping(kind, SIZE_MAX, ENOMEM);
    expect_no_mapping(kind, SIZE_MAX / 2, ENOMEM);
    fault_set(&allocate_fault, ENOSPC, FAULT_ALWAYS);
    expect_no_mapping(kind, 1, ENOMEM);
    fault_set(&allocate_fault, EIO, FAULT_ALWAYS);
    expect_no_mapping(kind, 1, ENOMEM);
    assert_ptr_not_equal(memkind_pmem_mmap(kind, NULL, SMALLEST), MAP_FAILED);
    expect_no_mapping(kind, 1, ENOMEM);
    destroy(kind);
}

static void addresses_that_cannot_be_had_are_enomem(void **state)
{
    struct memkind *kind = new_kind(0);

    (void)state;
    fault_set(&mmap_fault, ENOMEM, FAULT_ALWAYS);
    expect_no_mapping(kind, 1, ENOMEM);
    fault_set(&file_map_fault, ENOMEM, FAULT_ALWAYS);
    expect_no_mapping(kind, 1, ENOMEM);
    assert_ptr_not_equal(memkind_pmem_mmap(kind, NULL, 1), MAP_FAILED);
    destroy(kind);
}

static void mapping_that_fails_has_one_of_three_errors(void **state)
{
    struct memkind *kind = new_kind(0);

    (void)state;
    fault_set(&file_map_fault, EAGAIN, FAULT_ALWAYS);
    void *block = memkind_pmem_mmap(kind, NULL, 1);
    int error = errno;
    destroy(kind);
    assert_ptr_equal(block, MAP_FAILED);
    assert_int_equal(error, ENOMEM);
}

static void flags_are_shared(void **state)
{
    int flags = -1;

    (void)state;
    assert_int_equal(memkind_pmem_get_mmap_flags(NULL, &flags), MEMKIND_SUCCESS);
    assert_int_equal(flags, MAP_SHARED);
    assert_int_equal(memkind_pmem_get_mmap_flags(NULL, NULL), MEMKIND_ERROR_INVALID);
}

/* -- Blocks ------------------------------------------------------------------------------------ */

static void file_space_follows_the_blocks(void **state)
{
    struct memkind *kind = NULL;

    (void)state;
    assert_int_equal(new_pmem(dir_path, SMALLEST, CONSERVATIVE, &kind), MEMKIND_SUCCESS);
    int fd = pmem_of(kind)->fd;
    void *block = memkind_malloc(kind, 4 * MIB);
    assert_non_null(block);
    memset(block, FILLER, 4 * MIB);
    assert_int_equal(file_space_held(fd), 4 * MIB);
    void *small = memkind_malloc(kind, 100);
    assert_non_null(small);
    memkind_free(kind, block);
    assert_true(file_space_held(fd) <= 64 * KIB);
    memkind_free(kind, small);
    assert_int_equal(file_space_held(fd), 0);
    assert_int_equal(pmem_of(kind)->current_size, 0);
    destroy(kind);
}

/*
 * Allocates in a new kind, where the n-th fallocate(2) and all later ones fail. Returns whether
 * there were that many calls.
 */
static bool allocate_fails_at(unsigned n)
{
    static void *blocks[64];
    struct memkind *kind = new_kind(SMALLEST);
    size_t count = 0;

    fault_set(&allocate_fault, ENOSPC, FAULT_ALWAYS);
    allocate_fault.skip = n;
    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
        errno = SOME_ERRNO;
        blocks[count] = memkind_malloc(kind, 50 * KIB);
        assert_int_equal(errno, blocks[count] != NULL ? SOME_ERRNO : ENOMEM);
        if (blocks[count] != NULL)
            memset(blocks[count++], FILLER, 50 * KIB);
    }
    bool was_hit = allocate_fault.calls > n;
    no_faults();
    assert_int_equal(file_space_held(pmem_of(kind)->fd), pmem_of(kind)->current_size);
    while (count > 0)
        memkind_free(kind, blocks[--count]);
    /* The kind can still allocate. */
    void *block = memkind_malloc(kind, SMALLEST);
    assert_non_null(block);
    memset(block, FILLER, SMALLEST);
    destroy(kind);
    return was_hit;
}

static void full_file_system_is_null_and_no_signal(void **state)
{
    unsigned n = 0;

    (void)state;
    while (allocate_fails_at(n)) {
        n++;
        assert_true(n < MOST_FAULTS);
    }
    assert_true(n > 0);
}

static void file_system_without_holes_works(void **state)
{
    struct memkind *kind = new_kind(SMALLEST);

    (void)state;
    fault_set(&punch_fault, EOPNOTSUPP, FAULT_ALWAYS);
    for (int i = 0; i < 20; i++) {
        unsigned char *block = memkind_calloc(kind, 1, 6 * MIB);

        assert_non_null(block);
        assert_true(is_filled(block, 6 * MIB, 0));
        memset(block, FILLER, 6 * MIB);
        memkind_free(kind, block);
    }
    assert_int_equal(file_space_held(pmem_of(kind)->fd), pmem_of(kind)->current_size);
    destroy(kind);
}

static void hog_keeps_its_memory(void **state)
{
    const char *const wrong[] = {"2", "yes", ""};

    (void)state;
    setenv("MEMKIND_HOG_MEMORY", "1", 1);
    struct memkind *kind = NULL;
    assert_int_equal(new_pmem(dir_path, SMALLEST, CONSERVATIVE, &kind), MEMKIND_SUCCESS);
    memkind_free(kind, memkind_malloc(kind, 4 * MIB));
    assert_true(file_space_held(pmem_of(kind)->fd) >= 4 * MIB);
    destroy(kind);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        setenv("MEMKIND_HOG_MEMORY", wrong[i], 1);
        assert_int_equal(new_pmem(dir_path, SMALLEST, CONSERVATIVE, &kind), MEMKIND_SUCCESS);
        memkind_free(kind, memkind_malloc(kind, 4 * MIB));
        assert_int_equal(file_space_held(pmem_of(kind)->fd), 0);
        destroy(kind);
    }
}

/* -- Capacity and DAX -------------------------------------------------------------------------- */

static void capacity_is_max_size_or_the_file_system(void **state)
{
    struct memkind *kind = new_kind(SMALLEST + 1);
    struct statvfs fs;

    (void)state;
    assert_int_equal(memkind_get_capacity(kind), SMALLEST + CHUNK);
    destroy(kind);
    kind = new_kind(SIZE_MAX - CHUNK + 1);
    assert_int_equal(memkind_get_capacity(kind), SSIZE_MAX);
    destroy(kind);
    kind = new_kind(0);
    assert_int_equal(statvfs(dir_path, &fs), 0);
    assert_int_equal(memkind_get_capacity(kind), fs.f_blocks * fs.f_frsize);
    fault_set(&fstatvfs_fault, EIO, 1);
    errno = 0;
    assert_int_equal(memkind_get_capacity(kind), -1);
    assert_int_equal(errno, EIO);
    destroy(kind);
}

static void directory_is_asked_for_dax(void **state)
{
    (void)state;
    assert_int_equal(memkind_pmem_validate_dir(NULL), MEMKIND_ERROR_RUNTIME);
    assert_int_equal(memkind_pmem_validate_dir("/nowhere"), MEMKIND_ERROR_RUNTIME);
    fault_set(&file_map_fault, EOPNOTSUPP, FAULT_ALWAYS);
    assert_int_equal(memkind_pmem_validate_dir(dir_path), MEMKIND_ERROR_MMAP);
    fault_set(&openat_fault, EACCES, FAULT_ALWAYS);
    assert_int_equal(memkind_pmem_validate_dir(dir_path), MEMKIND_ERROR_RUNTIME);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(new_kind_has_a_nameless_file),
        TEST(max_size_is_rounded_up_to_a_chunk),
        TEST(impossible_arguments_are_refused),
        TEST(unusable_directory_is_its_error),
        TEST(file_that_cannot_be_made_is_its_error),
        TEST(each_allocation_can_fail),
        TEST(first_lock_that_cannot_be_made_is_an_error),
        TEST(kind_without_an_arena_is_an_error),
        TEST(policy_that_cannot_be_set_is_an_error),
        TEST(wrong_environment_is_an_error),
        TEST(as_many_kinds_as_there_may_be),
        TEST(small_kind_has_few_arenas),
        TEST(number_of_arenas_follows_the_processors),
        TEST(destroy_gives_everything_back),
        TEST(kinds_are_apart),
        TEST(kind_without_a_file_has_no_memory),
        TEST(incomplete_arguments_are_invalid),
        TEST(mapped_space_is_committed_and_aligned),
        TEST(mapping_without_space_is_enomem),
        TEST(addresses_that_cannot_be_had_are_enomem),
        TEST(mapping_that_fails_has_one_of_three_errors),
        TEST(flags_are_shared),
        TEST(file_space_follows_the_blocks),
        TEST(full_file_system_is_null_and_no_signal),
        TEST(file_system_without_holes_works),
        TEST(hog_keeps_its_memory),
        TEST(capacity_is_max_size_or_the_file_system),
        TEST(directory_is_asked_for_dax),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
