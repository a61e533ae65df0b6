/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shared by the tests of the public interface: a directory for each test, kinds in it, queries of
 * their files, and blocks with a pattern. Each test must leave descriptors, mappings and the
 * directory as they were before.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memkind.h"
#include "memkind/internal/memkind_pmem.h"
#include "memkind/internal/memkind_private.h"
#include "support/leftovers.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

/*
 * The thread sanitizer cannot start threads after fork, and does not intercept the start of
 * jemalloc's background threads.
 */
#if defined(__SANITIZE_THREAD__)
#    define FIXTURE_TSAN true
#elif defined(__has_feature)
#    if __has_feature(thread_sanitizer)
#        define FIXTURE_TSAN true
#    endif
#endif
#ifndef FIXTURE_TSAN
#    define FIXTURE_TSAN false
#endif

/* With the address sanitizer, a thread may hold the sanitizer's locks while another one forks. */
#if defined(__SANITIZE_ADDRESS__)
#    define FIXTURE_ASAN true
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer)
#        define FIXTURE_ASAN true
#    endif
#endif
#ifndef FIXTURE_ASAN
#    define FIXTURE_ASAN false
#endif

/*
 * The page size of the heap: the kernel's page or a multiple. Blocks smaller than four of these
 * share slabs.
 */
#define FIXTURE_PAGE ((size_t)1 << MEMKIND_JEMALLOC_LG_PAGE)

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Bytes that a file system other than tmpfs may count for an empty file. */
#define FIXTURE_FILE_OVERHEAD (64 * KIB)

static struct leftovers fixture_before;
static char fixture_dir[TEST_DIR_PATH_SIZE];
static pid_t fixture_process;

/* -- Kinds ------------------------------------------------------------------------------------- */

/* Creates a PMEM kind in the test's directory; max_size as for memkind_create_pmem(). */
static inline memkind_t fixture_pmem(size_t max_size)
{
    memkind_t kind = NULL;

    assert_int_equal(memkind_create_pmem(fixture_dir, max_size, &kind), MEMKIND_SUCCESS);
    assert_non_null(kind);
    return kind;
}

/* Creates the same kind with the CONSERVATIVE policy. */
static inline memkind_t fixture_conservative_pmem(size_t max_size)
{
    struct memkind_config *config = memkind_config_new();
    memkind_t kind = NULL;

    assert_non_null(config);
    memkind_config_set_path(config, fixture_dir);
    memkind_config_set_size(config, max_size);
    memkind_config_set_memory_usage_policy(config, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE);
    assert_int_equal(memkind_create_pmem_with_config(config, &kind), MEMKIND_SUCCESS);
    memkind_config_delete(config);
    assert_non_null(kind);
    return kind;
}

static inline void fixture_destroy(memkind_t kind)
{
    assert_int_equal(memkind_destroy_kind(kind), MEMKIND_SUCCESS);
}

/* Returns the descriptor of a PMEM kind's file. */
static inline int fixture_fd(memkind_t kind)
{
    return ((struct memkind_pmem *)kind->priv)->fd;
}

/* Returns the bytes of file space that a PMEM kind holds, from the file system. */
static inline size_t fixture_file_space(memkind_t kind)
{
    return file_space_held(fixture_fd(kind));
}

/* Returns the bytes of file space that a PMEM kind holds, by the library's account. */
static inline size_t fixture_current_size(memkind_t kind)
{
    return __atomic_load_n(&((struct memkind_pmem *)kind->priv)->current_size, __ATOMIC_RELAXED);
}

/* Returns the apparent size of a PMEM kind's file. */
static inline size_t fixture_file_size(memkind_t kind)
{
    struct stat status;

    assert_int_equal(fstatat(fixture_fd(kind), "", &status, AT_EMPTY_PATH), 0);
    return (size_t)status.st_size;
}

/* Returns an upper bound of st_blocks, in bytes, if `bytes` are committed. */
static inline size_t fixture_space_for(memkind_t kind, size_t bytes)
{
    struct statfs fs;

    assert_int_equal(fstatfs(fixture_fd(kind), &fs), 0);
    return fs.f_type == TMPFS_MAGIC ? bytes : bytes + FIXTURE_FILE_OVERHEAD;
}

/* -- Setup and teardown ------------------------------------------------------------------------ */

/* Removes the directory of a test that failed in its teardown. */
static inline void fixture_at_exit(void)
{
    if (getpid() == fixture_process)
        (void)rmdir(fixture_dir);
}

static inline int fixture_setup(void **state)
{
    (void)state;
    if (fixture_process == 0) {
        fixture_process = getpid();
        assert_int_equal(atexit(fixture_at_exit), 0);
    } else {
        fixture_at_exit();
    }
    test_dir_make(fixture_dir);
    leftovers_take(&fixture_before, fixture_dir);
    return 0;
}

static inline int fixture_teardown(void **state)
{
    (void)state;
    leftovers_check(&fixture_before);
    test_dir_remove(fixture_dir);
    return 0;
}

#define FIXTURE_TEST(function) \
    cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

/* -- Processes --------------------------------------------------------------------------------- */

/*
 * Forks. In the child, a signal such as SIGSEGV ends the process, where cmocka would fail the test
 * and run the next one.
 */
static inline pid_t fixture_fork(void)
{
    static const int signals[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGSYS, SIGABRT};
    pid_t child = fork();

    assert_true(child >= 0);
    for (size_t i = 0; child == 0 && i < COUNT_OF(signals); i++)
        signal(signals[i], SIG_DFL);
    return child;
}

/* Waits for the child and returns its exit status. Fails the test if a signal ended the child. */
static inline int fixture_wait(pid_t child)
{
    int status;

    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status))
        fail_msg("a child was ended by signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

/* -- A test for each sort of kind -------------------------------------------------------------- */

enum fixture_sort {
    FIXTURE_PMEM = 1, /* with a max_size */
    FIXTURE_UNLIMITED,
    FIXTURE_CONSERVATIVE,
    FIXTURE_DEFAULT,
    FIXTURE_REGULAR,
    FIXTURE_INTERLEAVE,
    FIXTURE_FIXED,
};

#define FIXTURE_KIND_SIZE (64 * MIB)

/* Memory for fixed kinds, of which little is touched. The range in it is not aligned. */
#define FIXTURE_AREA_SIZE (8 * GIB)
#define FIXTURE_AREA_AT   ((size_t)24)

static char *fixture_area;

static inline memkind_t fixture_fixed(void)
{
    memkind_t kind = NULL;

    fixture_area = mmap(NULL, FIXTURE_AREA_SIZE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(fixture_area, MAP_FAILED);
    assert_int_equal(memkind_create_fixed(fixture_area + FIXTURE_AREA_AT,
                                          FIXTURE_AREA_SIZE - FIXTURE_AREA_AT, &kind),
                     MEMKIND_SUCCESS);
    return kind;
}

static inline memkind_t fixture_make(enum fixture_sort sort)
{
    switch (sort) {
    case FIXTURE_PMEM:
        return fixture_pmem(FIXTURE_KIND_SIZE);
    case FIXTURE_UNLIMITED:
        return fixture_pmem(0);
    case FIXTURE_CONSERVATIVE:
        return fixture_conservative_pmem(FIXTURE_KIND_SIZE);
    case FIXTURE_DEFAULT:
        return MEMKIND_DEFAULT;
    case FIXTURE_INTERLEAVE:
        return MEMKIND_INTERLEAVE;
    case FIXTURE_FIXED:
        return fixture_fixed();
    default:
        return MEMKIND_REGULAR;
    }
}

/* In: *state is the fixture_sort. Out: *state is the kind. */
static inline int fixture_kind_setup(void **state)
{
    enum fixture_sort sort = (enum fixture_sort)(uintptr_t)*state;
    int result = fixture_setup(state);

    *state = fixture_make(sort);
    return result;
}

static inline int fixture_kind_teardown(void **state)
{
    memkind_t kind = *state;

    memkind_set_allow_zero_allocs(kind, false);
    if (kind != MEMKIND_DEFAULT && kind != MEMKIND_REGULAR && kind != MEMKIND_INTERLEAVE)
        fixture_destroy(kind);
    if (fixture_area != NULL)
        assert_int_equal(munmap(fixture_area, FIXTURE_AREA_SIZE), 0);
    fixture_area = NULL;
    return fixture_teardown(state);
}

#define FIXTURE_TEST_ON(function, sort)                                                   \
    {                                                                                     \
#        function " " #        sort, function, fixture_kind_setup, fixture_kind_teardown, \
            (void *)(uintptr_t)(sort)                                                     \
    }

#define FIXTURE_TEST_ON_PMEM(function)                                                     \
    FIXTURE_TEST_ON(function, FIXTURE_PMEM), FIXTURE_TEST_ON(function, FIXTURE_UNLIMITED), \
        FIXTURE_TEST_ON(function, FIXTURE_CONSERVATIVE)

#define FIXTURE_TEST_ON_ALL(function)                                                              \
    FIXTURE_TEST_ON_PMEM(function), FIXTURE_TEST_ON(function, FIXTURE_DEFAULT),                    \
        FIXTURE_TEST_ON(function, FIXTURE_REGULAR), FIXTURE_TEST_ON(function, FIXTURE_INTERLEAVE), \
        FIXTURE_TEST_ON(function, FIXTURE_FIXED)

/* -- Blocks ------------------------------------------------------------------------------------ */

/* The word at an index of a block that was filled with a seed. */
static inline uint64_t fixture_word(size_t index, unsigned seed)
{
    return ((uint64_t)seed + 1) * UINT64_C(0x9e3779b97f4a7c15) ^
           index * UINT64_C(0xbf58476d1ce4e5b9);
}

/* Fills the block with words that depend on the seed and on their index. */
static inline void fixture_fill(void *block, size_t size, unsigned seed)
{
    for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
        uint64_t word = fixture_word(at, seed);
        size_t rest = size - at;

        memcpy((char *)block + at, &word, rest < sizeof(word) ? rest : sizeof(word));
    }
}

/* Returns whether the first `size` bytes are as fixture_fill() left them. */
static inline bool fixture_is_filled(const void *block, size_t size, unsigned seed)
{
    for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
        uint64_t word = fixture_word(at, seed);
        size_t rest = size - at;

        if (memcmp((const char *)block + at, &word, rest < sizeof(word) ? rest : sizeof(word)) != 0)
            return false;
    }
    return true;
}

static inline bool fixture_is_zero(const void *block, size_t size)
{
    const unsigned char *bytes = block;

    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* Returns the bytes of address space of the process. */
static inline size_t fixture_address_space(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long pages = 0;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu", &pages), 1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}
