/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of each function as a process's first call of the library: no function relies on another
 * for initialisation, and only a call that fails changes errno. Each runs in a child of a process
 * that has made no call.
 */
#include "api/fixture.h"

#include <pthread.h>

#include "memkind/internal/memkind_arena.h"
#include "memkind/internal/memkind_default.h"

static bool regular_malloc(void)
{
    char *block = memkind_malloc(MEMKIND_REGULAR, 100);

    if (block == NULL)
        return false;
    memset(block, 1, 100);
    memkind_free(MEMKIND_REGULAR, block);
    return true;
}

static bool regular_malloc_large(void)
{
    char *block = memkind_malloc(MEMKIND_REGULAR, 10 * MIB);

    if (block == NULL)
        return false;
    memset(block, 1, 10 * MIB);
    memkind_free(NULL, block);
    return true;
}

static bool regular_calloc(void)
{
    char *block = memkind_calloc(MEMKIND_REGULAR, 10, 10);

    return block != NULL && fixture_is_zero(block, 100);
}

static bool regular_realloc(void)
{
    return memkind_realloc(MEMKIND_REGULAR, NULL, 100) != NULL;
}

static bool regular_posix_memalign(void)
{
    void *block = NULL;

    return memkind_posix_memalign(MEMKIND_REGULAR, &block, 4096, 100) == 0 &&
           (uintptr_t)block % 4096 == 0;
}

static bool regular_malloc_of_0(void)
{
    return memkind_malloc(MEMKIND_REGULAR, 0) == NULL;
}

static bool regular_malloc_of_too_much(void)
{
    return memkind_malloc(MEMKIND_REGULAR, SIZE_MAX) == NULL && errno == ENOMEM;
}

static bool regular_free_of_null(void)
{
    memkind_free(MEMKIND_REGULAR, NULL);
    return regular_malloc();
}

/* Frees a block of another kind through a kind that has no heap yet. */
static bool regular_free_of_default_block(void)
{
    void *block = memkind_malloc(MEMKIND_DEFAULT, 100);

    memkind_default_free(MEMKIND_REGULAR, block);
    return block != NULL;
}

static bool regular_get_arena(void)
{
    unsigned arena;

    return memkind_thread_get_arena(MEMKIND_REGULAR, &arena, 0) == MEMKIND_SUCCESS;
}

static bool regular_policy(void)
{
    return memkind_arena_update_memory_usage_policy(
               MEMKIND_REGULAR, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE) == MEMKIND_SUCCESS &&
           regular_malloc();
}

static bool regular_get_stat(void)
{
    size_t value = 1;

    return memkind_get_stat(MEMKIND_REGULAR, MEMKIND_STAT_TYPE_ALLOCATED, &value) ==
               MEMKIND_SUCCESS &&
           value == 0;
}

static bool default_malloc(void)
{
    char *block = memkind_malloc(MEMKIND_DEFAULT, 100);

    if (block == NULL)
        return false;
    memset(block, 1, 100);
    memkind_free(MEMKIND_DEFAULT, block);
    return true;
}

static bool default_calloc(void)
{
    char *block = memkind_calloc(MEMKIND_DEFAULT, 10, 10);

    return block != NULL && fixture_is_zero(block, 100);
}

static bool default_get_stat(void)
{
    size_t value;

    return memkind_get_stat(MEMKIND_DEFAULT, MEMKIND_STAT_TYPE_ALLOCATED, &value) ==
           MEMKIND_SUCCESS;
}

static bool library_get_stat(void)
{
    size_t value;

    return memkind_get_stat(NULL, MEMKIND_STAT_TYPE_RESIDENT, &value) == MEMKIND_SUCCESS;
}

static bool update_stats(void)
{
    return memkind_update_cached_stats() == MEMKIND_SUCCESS;
}

static void ignore(void *opaque, const char *text)
{
    (void)opaque;
    (void)text;
}

static bool print_stats(void)
{
    return memkind_stats_print(ignore, NULL, MEMKIND_STAT_PRINT_ALL) == MEMKIND_SUCCESS;
}

static bool background_threads(void)
{
    if (FIXTURE_TSAN)
        return true;
    return memkind_set_bg_threads(true) == MEMKIND_SUCCESS &&
           memkind_set_bg_threads(false) == MEMKIND_SUCCESS;
}

static bool detect_kind(void)
{
    int on_stack;
    void *of_libc = malloc(100);
    bool found = memkind_detect_kind(NULL) != NULL || memkind_detect_kind(&on_stack) != NULL ||
                 memkind_detect_kind(of_libc) != NULL;

    free(of_libc);
    return !found;
}

static bool realloc_of_nothing(void)
{
    return memkind_realloc(NULL, NULL, 100) == NULL && errno == EINVAL;
}

static bool free_of_nothing(void)
{
    memkind_free(NULL, NULL);
    return true;
}

static bool create_pmem(void)
{
    memkind_t kind;
    void *block;

    if (memkind_create_pmem(fixture_dir, 0, &kind) != MEMKIND_SUCCESS)
        return false;
    block = memkind_malloc(kind, 100);
    return block != NULL && memkind_destroy_kind(kind) == MEMKIND_SUCCESS;
}

static bool create_pmem_that_fails(void)
{
    memkind_t kind;

    return memkind_create_pmem("/no/such/directory", 0, &kind) == MEMKIND_ERROR_INVALID;
}

static bool pmem_create(void)
{
    struct memkind kind = {0};

    return memkind_pmem_create(&kind, &MEMKIND_PMEM_OPS, "first") == MEMKIND_SUCCESS &&
           memkind_pmem_destroy(&kind) == MEMKIND_SUCCESS;
}

static bool arena_create(void)
{
    struct memkind_ops ops = MEMKIND_REGULAR_OPS;
    struct memkind kind = {0};

    return memkind_arena_create(&kind, &ops, "first") == MEMKIND_SUCCESS &&
           memkind_malloc(&kind, 100) != NULL && memkind_arena_destroy(&kind) == MEMKIND_SUCCESS;
}

static bool destroy_static_kinds(void)
{
    return memkind_destroy_kind(MEMKIND_DEFAULT) == MEMKIND_SUCCESS &&
           memkind_destroy_kind(MEMKIND_REGULAR) == MEMKIND_SUCCESS;
}

static bool capacity(void)
{
    return memkind_get_capacity(MEMKIND_REGULAR) > 0 && memkind_get_capacity(MEMKIND_DEFAULT) > 0;
}

static bool check_available(void)
{
    return memkind_check_available(MEMKIND_REGULAR) == MEMKIND_SUCCESS &&
           memkind_check_available(MEMKIND_DEFAULT) == MEMKIND_SUCCESS;
}

/* The first call is made by a thread other than the main thread. */
static void *in_thread(void *result)
{
    *(bool *)result = regular_malloc() && default_malloc();
    return result;
}

static bool first_call_of_a_thread(void)
{
    bool result = false;
    pthread_t thread;

    if (FIXTURE_TSAN)
        return true;
    return pthread_create(&thread, NULL, in_thread, &result) == 0 &&
           pthread_join(thread, NULL) == 0 && result;
}

#define UNTOUCHED 77

static bool create_fixed(void)
{
    memkind_t kind;
    static char area[64 * KIB];

    return memkind_create_fixed(area, sizeof(area), &kind) == MEMKIND_SUCCESS &&
           memkind_malloc(kind, 100) != NULL && memkind_destroy_kind(kind) == MEMKIND_SUCCESS;
}

static const struct {
    const char *name;
    bool (*call)(void);
    int error; /* errno after the call */
} calls[] = {
#define CALL(function)                 \
    {                                  \
#        function, function, UNTOUCHED \
    }
#define FAILING_CALL(function, error) \
    {                                 \
#        function, function, error    \
    }
    CALL(regular_malloc),
    CALL(regular_malloc_large),
    CALL(regular_calloc),
    CALL(regular_realloc),
    CALL(regular_posix_memalign),
    CALL(regular_malloc_of_0),
    FAILING_CALL(regular_malloc_of_too_much, ENOMEM),
    CALL(regular_free_of_null),
    CALL(regular_free_of_default_block),
    CALL(regular_get_arena),
    CALL(regular_policy),
    CALL(regular_get_stat),
    CALL(default_malloc),
    CALL(default_calloc),
    CALL(default_get_stat),
    CALL(library_get_stat),
    CALL(update_stats),
    CALL(print_stats),
    CALL(background_threads),
    CALL(detect_kind),
    FAILING_CALL(realloc_of_nothing, EINVAL),
    CALL(free_of_nothing),
    CALL(create_pmem),
    FAILING_CALL(create_pmem_that_fails, ENOENT),
    CALL(create_fixed),
    CALL(pmem_create),
    CALL(arena_create),
    CALL(destroy_static_kinds),
    CALL(capacity),
    CALL(check_available),
    CALL(first_call_of_a_thread),
#undef CALL
#undef FAILING_CALL
};

static bool succeeds(size_t i)
{
    errno = UNTOUCHED;
    if (!calls[i].call())
        return false;
    if (errno == calls[i].error)
        return true;
    print_error("%s: errno %d\n", calls[i].name, errno);
    return false;
}

static void test_first_calls(void **state)
{
    size_t failures = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        int status;
        pid_t child = fixture_fork();

        if (child == 0)
            _exit(succeeds(i) ? 0 : 1);
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            print_error("%s: status %x\n", calls[i].name, (unsigned)status);
            failures++;
        }
    }
    assert_int_equal(failures, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_first_calls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
