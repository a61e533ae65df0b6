/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of memkind_arena(3): kinds with arenas, over the library's memory and over extent hooks of
 * the program.
 */
#include "api/fixture.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memkind/internal/memkind_arena.h"
#include "memkind/internal/memkind_default.h"

#define BLOCKS  500
#define THREADS 20
#define FULL    (32 * MIB)

/* -- Operations of a program's own kinds ------------------------------------------------------- */

static struct memkind_ops arena_ops = {
    .create = memkind_arena_create,
    .destroy = memkind_arena_destroy,
    .malloc = memkind_arena_malloc,
    .calloc = memkind_arena_calloc,
    .posix_memalign = memkind_arena_posix_memalign,
    .realloc = memkind_arena_realloc,
    .free = memkind_arena_free,
    .mmap = memkind_default_mmap,
    .get_mmap_flags = memkind_default_get_mmap_flags,
    .get_arena = memkind_thread_get_arena,
    .init_once = memkind_default_init_once,
    .malloc_usable_size = memkind_default_malloc_usable_size,
    .update_memory_usage_policy = memkind_arena_update_memory_usage_policy,
    .get_stat = memkind_arena_get_stat,
    .defrag_reallocate = memkind_arena_defrag_reallocate,
};

/* Allocates, moves and frees blocks of many sizes through the public functions. */
static void use(memkind_t kind)
{
    void *blocks[BLOCKS];
    size_t sizes[BLOCKS];

    for (size_t i = 0; i < BLOCKS; i++) {
        sizes[i] = 1 + i * i * 3 % 40000;
        blocks[i] = memkind_malloc(kind, sizes[i]);
        assert_non_null(blocks[i]);
        fixture_fill(blocks[i], sizes[i], (unsigned)i);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        assert_true(fixture_is_filled(blocks[i], sizes[i], (unsigned)i));
        assert_ptr_equal(memkind_detect_kind(blocks[i]), kind);
        assert_ptr_equal(memkind_arena_detect_kind(blocks[i]), kind);
        blocks[i] = memkind_realloc(i % 2 == 0 ? kind : NULL, blocks[i], sizes[i] * 2);
        assert_non_null(blocks[i]);
        assert_true(fixture_is_filled(blocks[i], sizes[i], (unsigned)i));
    }
    for (size_t i = 0; i < BLOCKS; i++)
        memkind_free(i % 3 == 0 ? NULL : kind, blocks[i]);
}

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

/* -- Hooks of the program ---------------------------------------------------------------------- */

/* As in jemalloc(3), version 5.3. */
struct extent_hooks_s {
    void *(*alloc)(extent_hooks_t *, void *, size_t, size_t, bool *, bool *, unsigned);
    bool (*dalloc)(extent_hooks_t *, void *, size_t, bool, unsigned);
    void (*destroy)(extent_hooks_t *, void *, size_t, bool, unsigned);
    bool (*commit)(extent_hooks_t *, void *, size_t, size_t, size_t, unsigned);
    bool (*decommit)(extent_hooks_t *, void *, size_t, size_t, size_t, unsigned);
    bool (*purge_lazy)(extent_hooks_t *, void *, size_t, size_t, size_t, unsigned);
    bool (*purge_forced)(extent_hooks_t *, void *, size_t, size_t, size_t, unsigned);
    bool (*split)(extent_hooks_t *, void *, size_t, size_t, size_t, bool, unsigned);
    bool (*merge)(extent_hooks_t *, void *, size_t, void *, size_t, bool, unsigned);
};

#define POOL_SIZE (64 * MIB)

/* A piece of memory from which the hooks cut extents. */
static struct {
    char *base;
    size_t used;
    pthread_mutex_t lock;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *pool_alloc(extent_hooks_t *hooks, void *new_addr, size_t size, size_t alignment,
                        bool *zero, bool *commit, unsigned arena)
{
    void *extent = NULL;

    (void)hooks;
    (void)arena;
    pthread_mutex_lock(&pool.lock);
    uintptr_t start = ((uintptr_t)pool.base + pool.used + alignment - 1) & ~(alignment - 1);
    size_t end = start - (uintptr_t)pool.base + size;
    if (new_addr == NULL && size < POOL_SIZE && end <= POOL_SIZE) {
        pool.used = end;
        extent = (void *)start;
        *zero = true;
        *commit = true;
    }
    pthread_mutex_unlock(&pool.lock);
    return extent;
}

static bool pool_split(extent_hooks_t *hooks, void *addr, size_t size, size_t size_a, size_t size_b,
                       bool committed, unsigned arena)
{
    (void)hooks;
    (void)addr;
    (void)size;
    (void)size_a;
    (void)size_b;
    (void)committed;
    (void)arena;
    return false;
}

static bool pool_merge(extent_hooks_t *hooks, void *addr_a, size_t size_a, void *addr_b,
                       size_t size_b, bool committed, unsigned arena)
{
    (void)hooks;
    (void)addr_a;
    (void)size_a;
    (void)addr_b;
    (void)size_b;
    (void)committed;
    (void)arena;
    return true;
}

static extent_hooks_t pool_hooks = {.alloc = pool_alloc, .split = pool_split, .merge = pool_merge};

static void pool_open(void)
{
    pool.base = mmap(NULL, POOL_SIZE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    pool.used = 0;
    assert_ptr_not_equal(pool.base, MAP_FAILED);
}

static bool pool_has(const void *block)
{
    return (const char *)block >= pool.base && (const char *)block < pool.base + POOL_SIZE;
}

static int pool_create(struct memkind *kind, struct memkind_ops *ops, const char *name)
{
    int result = memkind_default_create(kind, ops, name);

    return result == MEMKIND_SUCCESS ? memkind_arena_create_map(kind, &pool_hooks) : result;
}

static void test_hooks_of_the_program(void **state)
{
    struct memkind_ops ops = arena_ops;
    struct memkind kind = {0};

    (void)state;
    pool_open();
    ops.create = pool_create;
    assert_int_equal(ops.create(&kind, &ops, "pool"), MEMKIND_SUCCESS);
    void *block = memkind_malloc(&kind, 1000);
    assert_non_null(block);
    assert_true(pool_has(block));
    use(&kind);
    memkind_free(NULL, block);
    assert_int_equal(memkind_arena_destroy(&kind), MEMKIND_SUCCESS);
    assert_int_equal(munmap(pool.base, POOL_SIZE), 0);
}

/* Blocks from hooks lie anywhere, also beside those of the default heap and of other such kinds. */
static void test_two_kinds_over_the_same_hooks(void **state)
{
    struct memkind first = {0};
    struct memkind second = {0};

    (void)state;
    pool_open();
    assert_int_equal(pool_create(&first, &arena_ops, "first"), MEMKIND_SUCCESS);
    assert_int_equal(pool_create(&second, &arena_ops, "second"), MEMKIND_SUCCESS);
    for (size_t size = 8; size <= MIB; size *= 4) {
        void *blocks[] = {memkind_malloc(&first, size), memkind_malloc(&second, size),
                          memkind_malloc(MEMKIND_DEFAULT, size)};
        const memkind_t kinds[] = {&first, &second, MEMKIND_DEFAULT};

        for (size_t i = 0; i < COUNT_OF(blocks); i++) {
            assert_non_null(blocks[i]);
            assert_ptr_equal(memkind_detect_kind(blocks[i]), kinds[i]);
            blocks[i] = memkind_realloc(NULL, blocks[i], size + 1);
            assert_ptr_equal(memkind_detect_kind(blocks[i]), kinds[i]);
            memkind_free(NULL, blocks[i]);
        }
    }
    assert_int_equal(memkind_arena_destroy(&first), MEMKIND_SUCCESS);
    assert_int_equal(memkind_arena_destroy(&second), MEMKIND_SUCCESS);
    assert_int_equal(munmap(pool.base, POOL_SIZE), 0);
}

static void test_hooks_that_have_nothing(void **state)
{
    struct memkind kind = {0};

    (void)state;
    pool_open();
    assert_int_equal(pool_create(&kind, &arena_ops, "pool"), MEMKIND_SUCCESS);
    pool.used = POOL_SIZE;
    errno = 0;
    assert_null(memkind_malloc(&kind, 100));
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_null(memkind_malloc(&kind, 100 * MIB));
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(memkind_arena_destroy(&kind), MEMKIND_SUCCESS);
    assert_int_equal(munmap(pool.base, POOL_SIZE), 0);
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

/* -- With the kind found from the block -------------------------------------------------------- */

static void test_calls_that_find_the_kind(void **state)
{
    memkind_t kind = *state;
    void *block = memkind_malloc(kind, 100);

    assert_non_null(block);
    fixture_fill(block, 100, 1);
    assert_ptr_equal(memkind_arena_detect_kind(block), kind);
    block = memkind_arena_realloc_with_kind_detect(block, 5 * MIB);
    assert_non_null(block);
    assert_ptr_equal(memkind_arena_detect_kind(block), kind);
    assert_true(fixture_is_filled(block, 100, 1));
    memkind_arena_free_with_kind_detect(block);
    block = memkind_malloc(kind, 100);
    assert_null(memkind_arena_realloc_with_kind_detect(block, 0));
}

static void test_calls_that_find_nothing(void **state)
{
    (void)state;
    assert_null(memkind_arena_detect_kind(NULL));
    assert_null(memkind_arena_detect_kind(state));
    memkind_arena_free_with_kind_detect(NULL);
    errno = 0;
    assert_null(memkind_arena_realloc_with_kind_detect(NULL, 100));
    assert_int_equal(errno, EINVAL);
}

/* -- For other allocators' interfaces ---------------------------------------------------------- */

static uint64_t number_of(memkind_t kind, const char *name)
{
    uint64_t value = 77;
    size_t size = 0;

    assert_int_equal(memkind_update_cached_stats(), MEMKIND_SUCCESS);
    assert_int_equal(memkind_arena_get_number(kind, name, &value, &size), MEMKIND_SUCCESS);
    assert_int_equal(size, sizeof(size_t));
    return value;
}

static unsigned refused_mallocs, refused_frees;

static memkind_t refused_kind;

static void *refused_malloc(size_t size)
{
    refused_mallocs++;
    return memkind_arena_malloc(refused_kind, size);
}

static void refused_free(void *ptr)
{
    refused_frees++;
    memkind_arena_free_with_kind_detect(ptr);
}

static unsigned foreign_frees;

static void count_foreign(void *ptr)
{
    (void)ptr;
    foreign_frees++;
}

static void test_fast_ways(void **state)
{
    memkind_t kind = fixture_pmem(0);
    int foreign;

    (void)state;
    refused_kind = kind;
    void *block = memkind_arena_malloc_or(100, refused_malloc, kind);
    assert_ptr_equal(memkind_detect_kind(block), kind);
    assert_int_equal(refused_mallocs, 1);
    /* The thread has cached blocks of the kind by now. */
    memkind_arena_free_or(block, refused_free);
    assert_int_equal(refused_frees, 0);
    assert_ptr_equal(memkind_arena_malloc_or(100, refused_malloc, kind), block);
    assert_int_equal(refused_mallocs, 1);
    memkind_arena_free_or(block, refused_free);
    assert_int_equal(refused_frees, 0);
    /* A block that no thread caches, NULL, and an address that is not the library's. */
    block = memkind_arena_malloc_or(MIB, refused_malloc, kind);
    assert_non_null(block);
    assert_int_equal(refused_mallocs, 2);
    memkind_arena_free_or(block, refused_free);
    assert_int_equal(refused_frees, 1);
    memkind_arena_free_or(NULL, refused_free);
    assert_int_equal(refused_frees, 2);
    memkind_arena_free_or(&foreign, count_foreign);
    assert_int_equal(foreign_frees, 1);
    fixture_destroy(kind);
}

/* A block from before, of 8 bytes, is never returned for a request of 16. */
static void test_least_block(void **state)
{
    enum { LEAST = 16 };
    memkind_t kind = fixture_pmem(0);
    void *blocks[BLOCKS];
    void *small = memkind_malloc(kind, 1);
    void *uncached = memkind_arena_malloc_uncached(kind, 1);

    (void)state;
    assert_int_equal(memkind_arena_set_least_block(0), MEMKIND_ERROR_INVALID);
    assert_int_equal(memkind_arena_set_least_block(65), MEMKIND_ERROR_INVALID);
    assert_int_equal(memkind_malloc_usable_size(kind, small), LEAST / 2);
    assert_int_equal(memkind_arena_set_least_block(LEAST), MEMKIND_SUCCESS);
    memkind_free(kind, small);
    memkind_free(kind, uncached);
    memkind_free(kind, memkind_arena_malloc_uncached(kind, 1));
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = memkind_malloc(kind, 1);
        assert_int_equal((uintptr_t)blocks[i] % LEAST, 0);
        assert_int_equal(memkind_malloc_usable_size(kind, blocks[i]), LEAST);
        memset(blocks[i], 1, LEAST);
    }
    for (size_t i = 0; i < BLOCKS; i++)
        memkind_free(kind, blocks[i]);
    assert_int_equal(memkind_arena_set_least_block(1), MEMKIND_SUCCESS);
    small = memkind_malloc(kind, 1);
    assert_int_equal(memkind_malloc_usable_size(kind, small), LEAST / 2);
    memkind_free(kind, small);
    fixture_destroy(kind);
}

/* The third size class, of 48 bytes. */
#define BIN_SIZE    "arenas.bin.3.size"
#define BIN_CURREGS "stats.arenas.0.bins.3.curregs"

static void test_blocks_past_the_caches(void **state)
{
    memkind_t kind = *state;
    void *blocks[BLOCKS];

    assert_int_equal(number_of(kind, BIN_SIZE), 48);
    assert_int_equal(number_of(kind, BIN_CURREGS), 0);
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = memkind_arena_malloc_uncached(kind, 48);
        assert_non_null(blocks[i]);
        memset(blocks[i], 1, 48);
        assert_ptr_equal(memkind_detect_kind(blocks[i]), kind);
        assert_int_equal(number_of(kind, BIN_CURREGS), i + 1);
    }
    /* Both ways of freeing accept both sorts of block. */
    memkind_free(kind, blocks[0]);
    for (size_t i = 1; i < BLOCKS; i++)
        memkind_arena_free_uncached(i % 2 == 0 ? kind : NULL, blocks[i]);
    assert_true(number_of(kind, BIN_CURREGS) <= 1);
    memkind_arena_free_uncached(kind, memkind_malloc(kind, 48));
    memkind_arena_free_uncached(kind, memkind_malloc(kind, MIB));
    memkind_arena_free_uncached(kind, NULL);
    char *large = memkind_arena_malloc_uncached(kind, MIB);
    assert_non_null(large);
    memset(large, 1, MIB);
    memkind_arena_free_uncached(kind, large);
    errno = 0;
    assert_null(memkind_arena_malloc_uncached(kind, 0));
    assert_null(memkind_arena_malloc_uncached(kind, SIZE_MAX));
    assert_int_equal(errno, ENOMEM);
}

/* Eventually a request finds a cached block of another size. */
static void test_kind_with_a_fallback(void **state)
{
    static void *blocks[2 * FULL / KIB];
    memkind_t kind = fixture_pmem(FULL);
    size_t count = 0;

    (void)state;
    assert_int_equal(memkind_arena_set_fallback(kind, true), MEMKIND_SUCCESS);
    while ((blocks[count] = memkind_malloc(kind, KIB)) != NULL)
        memset(blocks[count++], 1, KIB);
    assert_int_equal(errno, ENOMEM);
    assert_true(count * KIB >= FULL / 10 * 9);
    while (count > 0)
        memkind_free(kind, blocks[--count]);
    void *large;
    while ((large = memkind_malloc(kind, FULL / 2)) == NULL)
        sched_yield();
    memset(large, 1, FULL / 2);
    memkind_free(kind, large);
    assert_int_equal(memkind_arena_set_fallback(kind, false), MEMKIND_SUCCESS);
    fixture_destroy(kind);
}

static void test_slab_of_a_block(void **state)
{
    memkind_t kind = *state;
    struct memkind_arena_slab slab;
    struct memkind_arena_slab before;
    void *first = memkind_arena_malloc_uncached(kind, 100);
    void *second = memkind_arena_malloc_uncached(kind, 100);
    void *large = memkind_arena_malloc_uncached(kind, MIB);

    assert_int_equal(memkind_arena_get_slab(kind, first, &before), MEMKIND_SUCCESS);
    assert_true(before.blocks > 2 && before.free == before.blocks - 2);
    assert_int_equal(before.size, before.blocks * memkind_malloc_usable_size(kind, first));
    assert_int_equal(before.all_blocks, before.blocks);
    assert_non_null(before.being_filled);
    memkind_arena_free_uncached(kind, second);
    assert_int_equal(memkind_arena_get_slab(kind, first, &slab), MEMKIND_SUCCESS);
    assert_int_equal(slab.free, before.free + 1);
    assert_int_equal(slab.all_free, before.all_free + 1);
    assert_int_equal(memkind_arena_get_slab(kind, large, &slab), MEMKIND_SUCCESS);
    assert_int_equal(slab.blocks, 1);
    assert_int_equal(slab.free, 0);
    assert_int_equal(memkind_arena_get_slab(MEMKIND_REGULAR, first, &slab), MEMKIND_ERROR_INVALID);
    assert_int_equal(memkind_arena_get_slab(kind, &slab, &slab), MEMKIND_ERROR_INVALID);
    assert_int_equal(memkind_arena_get_slab(kind, NULL, &slab), MEMKIND_ERROR_INVALID);
    assert_int_equal(slab.blocks, 0);
    memkind_arena_free_uncached(kind, first);
    memkind_arena_free_uncached(kind, large);
}

static void test_names_of_no_number(void **state)
{
    static const char *const names[] = {"",
                                        "arenas.bin.1000.size",
                                        "arenas.create",
                                        "stats.arenas.0.none",
                                        "stats.arenas.x.pactive",
                                        "stats.arenas.0",
                                        "thread.allocated"};
    uint64_t value;
    size_t size;

    for (size_t i = 0; i < COUNT_OF(names); i++)
        assert_int_equal(memkind_arena_get_number(*state, names[i], &value, &size),
                         MEMKIND_ERROR_INVALID);
    assert_int_equal(memkind_arena_get_number(NULL, BIN_CURREGS, &value, &size), MEMKIND_SUCCESS);
    assert_int_equal(value, 0);
    assert_int_equal(memkind_arena_get_number(NULL, BIN_SIZE, &value, &size), MEMKIND_SUCCESS);
    assert_int_equal(value, 48);
}

/* The parent's blocks are unchanged. */
static void test_uncached_in_a_child(void **state)
{
    memkind_t kind = *state;
    char *block = memkind_arena_malloc_uncached(kind, 100);

    memset(block, 'x', 100);
    pid_t child = fixture_fork();
    if (child == 0) {
        memkind_arena_free_uncached(kind, block);
        char *own = memkind_arena_malloc_uncached(kind, 100);
        if (own == NULL || own == block)
            _exit(1);
        memset(own, 'y', 100);
        memkind_arena_free_uncached(kind, own);
        _exit(block[99] == 'x' ? 0 : 2);
    }
    assert_int_equal(fixture_wait(child), 0);
    assert_int_equal(block[0], 'x');
    memkind_arena_free_uncached(kind, block);
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
        FIXTURE_TEST(test_hooks_of_the_program),
        FIXTURE_TEST(test_two_kinds_over_the_same_hooks),
        FIXTURE_TEST(test_hooks_that_have_nothing),
        FIXTURE_TEST(test_threads_that_never_meet_share_an_arena),
        FIXTURE_TEST(test_one_arena_for_all),
        FIXTURE_TEST(test_arena_map_length),
        FIXTURE_TEST_ON_ALL(test_calls_that_find_the_kind),
        FIXTURE_TEST(test_calls_that_find_nothing),
        FIXTURE_TEST_ON_PMEM(test_blocks_past_the_caches),
        FIXTURE_TEST(test_kind_with_a_fallback),
        FIXTURE_TEST_ON_PMEM(test_slab_of_a_block),
        FIXTURE_TEST_ON_PMEM(test_names_of_no_number),
        FIXTURE_TEST_ON_PMEM(test_uncached_in_a_child),
        FIXTURE_TEST(test_fast_ways),
        FIXTURE_TEST(test_least_block),
        FIXTURE_TEST(test_one_kind_too_many),
        FIXTURE_TEST(test_own_malloc_and_free),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
