/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of memkind_arena(3): kinds of the program, with arenas over the library's memory. */
#include "api/arena_fixture.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 20

static void test_kind_of_the_program(void **state)
{
    struct memkind kind = {0};

    (void)state;
    assert_int_equal(memkind_arena_create(&kind, &arena_ops, "mine"), MEMKIND_SUCCESS);
    assert_ptr_equal(kind.ops, &arena_ops);
    assert_string_equal(kind.name, "mine");
    assert_true(kind.partition >= MEMKIND_NUM_BASE_KIND);
    use(&kind);
    assert_int_equal(memkind_check_available(&kind), MEMKIND_SUCCESS);
    assert_int_equal(memkind_arena_destroy(&kind), MEMKIND_SUCCESS);
}

static void test_many_lives(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct memkind kind = {0};

        assert_int_equal(memkind_arena_create(&kind, &arena_ops, "mine"), MEMKIND_SUCCESS);
        use(&kind);
        /* The kind still has a block. */
        assert_non_null(memkind_malloc(&kind, MIB));
        assert_non_null(memkind_malloc(&kind, 100));
        assert_int_equal(memkind_arena_destroy(&kind), MEMKIND_SUCCESS);
    }
}

static void test_address_space_comes_back(void **state)
{
    struct memkind kind = {0};

    (void)state;
    assert_int_equal(memkind_arena_create(&kind, &arena_ops, "mine"), MEMKIND_SUCCESS);
    assert_non_null(memkind_malloc(&kind, MIB));
    assert_int_equal(memkind_arena_destroy(&kind), MEMKIND_SUCCESS);
    size_t before = fixture_address_space();
    for (int i = 0; i < 50; i++) {
        memset(&kind, 0, sizeof(kind));
        assert_int_equal(memkind_arena_create(&kind, &arena_ops, "mine"), MEMKIND_SUCCESS);
        assert_non_null(memkind_malloc(&kind, 10 * MIB));
        assert_int_equal(memkind_arena_destroy(&kind), MEMKIND_SUCCESS);
    }
    assert_true(fixture_address_space() <= before + 4 * MIB);
}

/* -- The kind's own way of placing pages ------------------------------------------------------- */

static atomic_uint madvise_calls;
static atomic_uint mbind_calls;
static int mbind_result;

static int count_madvise(struct memkind *kind, void *addr, size_t size)
{
    (void)kind;
    assert_non_null(addr);
    assert_true(size > 0);
    atomic_fetch_add(&madvise_calls, 1);
    return MEMKIND_SUCCESS;
}

static int count_mbind(struct memkind *kind, void *addr, size_t size)
{
    (void)kind;
    assert_non_null(addr);
    assert_true(size > 0);
    atomic_fetch_add(&mbind_calls, 1);
    return mbind_result;
}

static void test_operations_on_pages_are_called(void **state)
{
    struct memkind_ops ops = arena_ops;
    struct memkind kind = {0};

    (void)state;
    ops.madvise = count_madvise;
    ops.mbind = count_mbind;
    madvise_calls = 0;
    mbind_calls = 0;
    mbind_result = MEMKIND_SUCCESS;
    assert_int_equal(memkind_arena_create(&kind, &ops, "mine"), MEMKIND_SUCCESS);
    use(&kind);
    assert_true(atomic_load(&madvise_calls) > 0);
    assert_true(atomic_load(&mbind_calls) > 0);
    assert_int_equal(memkind_arena_destroy(&kind), MEMKIND_SUCCESS);
}

static void test_pages_that_cannot_be_placed(void **state)
{
    struct memkind_ops ops = arena_ops;
    struct memkind kind = {0};

    (void)state;
    ops.mbind = count_mbind;
    mbind_result = MEMKIND_ERROR_MBIND;
    assert_int_equal(memkind_arena_create(&kind, &ops, "mine"), MEMKIND_SUCCESS);
    errno = 0;
    assert_null(memkind_malloc(&kind, 100));
    assert_int_equal(errno, ENOMEM);
    mbind_result = MEMKIND_SUCCESS;
    /*
     * Only the binding has failed: the kind works. Another size, because the failed one is
     * remembered.
     */
    void *block = memkind_malloc(&kind, 5 * MIB);
    assert_non_null(block);
    memkind_free(&kind, block);
    assert_int_equal(memkind_arena_destroy(&kind), MEMKIND_SUCCESS);
}

/* -- The kind's own malloc and free ------------------------------------------------------------ */

static unsigned own_mallocs, own_frees, misses;

static void *count_malloc(struct memkind *kind, size_t size)
{
    own_mallocs++;
    return memkind_arena_malloc(kind, size);
}

static void count_free(struct memkind *kind, void *ptr)
{
    own_frees++;
    memkind_arena_free(kind, ptr);
}

static void *miss(size_t size)
{
    (void)size;
    misses++;
    return NULL;
}

/* The fast paths of other kinds are as before. */
static void is_fast(memkind_t kind)
{
    memkind_free(kind, memkind_malloc(kind, 100));
    memkind_free(kind, memkind_arena_malloc_or(100, miss, kind));
    assert_int_equal(misses, 0);
}

static void calls_are_counted(struct memkind *kind)
{
    own_mallocs = 0;
    own_frees = 0;
    for (unsigned i = 1; i <= BLOCKS; i++) {
        void *block = memkind_malloc(kind, 100);

        assert_non_null(block);
        assert_int_equal(own_mallocs, i);
        memkind_free(kind, block);
        assert_int_equal(own_frees, i);
    }
}

/* No block that a thread has cached bypasses the kind's operations, nor in a child of a fork. */
static void test_own_malloc_and_free(void **state)
{
    struct memkind_ops ops = arena_ops;
    struct memkind kind = {0};
    memkind_t other = fixture_pmem(0);

    (void)state;
    use(other);
    ops.malloc = count_malloc;
    ops.free = count_free;
    assert_int_equal(memkind_arena_create(&kind, &ops, "counts"), MEMKIND_SUCCESS);
    calls_are_counted(&kind);
    is_fast(other);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        calls_are_counted(&kind);
        _exit(EXIT_SUCCESS);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, EXIT_SUCCESS);
    assert_int_equal(memkind_arena_destroy(&kind), MEMKIND_SUCCESS);
    use(other);
    fixture_destroy(other);
}

/* -- Arenas and threads ------------------------------------------------------------------------ */

struct arena_of_thread {
    memkind_t kind;
    int (*get_arena)(struct memkind *, unsigned *, size_t);
    unsigned arena;
    pthread_barrier_t *barrier;
};

static void *find_arena(void *argument)
{
    struct arena_of_thread *found = argument;

    found->arena = UINT_MAX;
    if (found->get_arena(found->kind, &found->arena, 100) != MEMKIND_SUCCESS)
        found->arena = UINT_MAX;
    unsigned again = UINT_MAX;
    if (found->get_arena(found->kind, &again, SIZE_MAX) != MEMKIND_SUCCESS || again != found->arena)
        found->arena = UINT_MAX;
    pthread_barrier_wait(found->barrier);
    return NULL;
}

/* Returns how many different arenas get_arena returns to the threads of the kind. */
static size_t count_arenas(memkind_t kind, int (*get_arena)(struct memkind *, unsigned *, size_t))
{
    static struct arena_of_thread found[THREADS];
    pthread_t threads[THREADS];
    pthread_barrier_t barrier;
    size_t different = 0;

    assert_int_equal(pthread_barrier_init(&barrier, NULL, THREADS), 0);
    for (size_t i = 0; i < THREADS; i++) {
        found[i] =
            (struct arena_of_thread){.kind = kind, .get_arena = get_arena, .barrier = &barrier};
        assert_int_equal(pthread_create(&threads[i], NULL, find_arena, &found[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        size_t j = 0;

        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_not_equal(found[i].arena, UINT_MAX);
        while (found[j].arena != found[i].arena)
            j++;
        different += j == i;
    }
    pthread_barrier_destroy(&barrier);
    return different;
}

static void test_threads_that_never_meet_share_an_arena(void **state)
{
    memkind_t kind = fixture_pmem(0);
    size_t arenas = count_arenas(kind, memkind_thread_get_arena);

    (void)state;
    /* No thread has allocated. */
    assert_int_equal(arenas, 1);
    fixture_destroy(kind);
}

static void test_one_arena_for_all(void **state)
{
    struct memkind_ops ops = arena_ops;
    struct memkind kind = {0};

    (void)state;
    ops.get_arena = memkind_bijective_get_arena;
    assert_int_equal(memkind_arena_create(&kind, &ops, "one arena"), MEMKIND_SUCCESS);
    assert_int_equal(kind.arena_map_len, 1);
    assert_int_equal(count_arenas(&kind, memkind_bijective_get_arena), 1);
    use(&kind);
    assert_int_equal(memkind_arena_destroy(&kind), MEMKIND_SUCCESS);
}

static void test_arena_map_length(void **state)
{
    struct memkind_ops ops = arena_ops;
    struct memkind kind = {.ops = &ops};

    (void)state;
    assert_int_equal(memkind_set_arena_map_len(&kind), MEMKIND_SUCCESS);
    assert_in_range(kind.arena_map_len, 1, 4096);
    assert_int_equal(kind.arena_map_len & (kind.arena_map_len - 1), 0);
    assert_int_equal(kind.arena_map_mask, kind.arena_map_len - 1);
    ops.get_arena = memkind_bijective_get_arena;
    assert_int_equal(memkind_set_arena_map_len(&kind), MEMKIND_SUCCESS);
    assert_int_equal(kind.arena_map_len, 1);
    assert_int_equal(kind.arena_map_mask, 0);
}

/* -- One kind too many ------------------------------------------------------------------------- */

static void test_one_kind_too_many(void **state)
{
    static struct memkind kinds[MEMKIND_MAX_KIND];
    struct memkind last = {0};

    (void)state;
    memset(kinds, 0, sizeof(kinds));
    for (size_t i = 0; i < MEMKIND_MAX_KIND; i++)
        assert_int_equal(memkind_arena_create(&kinds[i], &arena_ops, "many"), MEMKIND_SUCCESS);
    assert_int_equal(memkind_arena_create(&last, &arena_ops, "too many"), MEMKIND_ERROR_TOOMANY);
    for (size_t i = 0; i < MEMKIND_MAX_KIND; i++)
        assert_int_equal(memkind_arena_destroy(&kinds[i]), MEMKIND_SUCCESS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_kind_of_the_program),
        FIXTURE_TEST(test_many_lives),
        FIXTURE_TEST(test_address_space_comes_back),
        FIXTURE_TEST(test_operations_on_pages_are_called),
        FIXTURE_TEST(test_pages_that_cannot_be_placed),
        FIXTURE_TEST(test_threads_that_never_meet_share_an_arena),
        FIXTURE_TEST(test_one_arena_for_all),
        FIXTURE_TEST(test_arena_map_length),
        FIXTURE_TEST(test_one_kind_too_many),
        FIXTURE_TEST(test_own_malloc_and_free),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
