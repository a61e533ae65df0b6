/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of memkind_arena(3): kinds over extent hooks and mmap operations of the program. */
#include "api/arena_fixture.h"

#include <pthread.h>
#include <sys/mman.h>

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

/* -- The program's mmap operation -------------------------------------------------------------- */

#define MAPS 64

/* Files of the program, mapped at odd pages; MAPS: mapping fails. */
static struct {
    char *base;
    size_t size;
} maps[MAPS];

static size_t map_count;
static size_t bind_count;

static void *map_file(struct memkind *kind, void *addr, size_t size)
{
    (void)kind;
    assert_null(addr);
    if (map_count == MAPS)
        return MAP_FAILED;
    int fd = memfd_create("program", MFD_CLOEXEC);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    char *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    assert_ptr_not_equal(mapped, MAP_FAILED);
    memset(mapped, 0xa5, size);
    maps[map_count].base = mapped;
    maps[map_count++].size = size;
    return mapped;
}

static int count_bind(struct memkind *kind, void *addr, size_t size)
{
    (void)kind;
    (void)addr;
    bind_count += size != 0;
    return MEMKIND_SUCCESS;
}

static int refuse_bind(struct memkind *kind, void *addr, size_t size)
{
    (void)kind;
    (void)addr;
    (void)size;
    return MEMKIND_ERROR_MBIND;
}

static bool maps_have(const char *block)
{
    for (size_t i = 0; i < map_count; i++)
        if (block >= maps[i].base && block < maps[i].base + maps[i].size)
            return true;
    return false;
}

static void expect_no_maps(void)
{
    for (size_t i = 0; i < map_count; i++)
        for (size_t at = 0; at < maps[i].size; at += 4 * KIB)
            assert_int_equal(msync(maps[i].base + at, 4 * KIB, MS_ASYNC), -1);
}

static void make_mapped_kind(struct memkind *kind, struct memkind_ops *ops)
{
    map_count = bind_count = 0;
    *ops = arena_ops;
    ops->mmap = map_file;
    ops->mbind = count_bind;
    assert_int_equal(memkind_arena_create(kind, ops, "mapped"), MEMKIND_SUCCESS);
}

static void test_map_of_the_program(void **state)
{
    struct memkind_ops ops;
    struct memkind kind = {0};

    (void)state;
    make_mapped_kind(&kind, &ops);
    for (size_t size = 8; size <= 8 * MIB; size *= 8) {
        char *block = memkind_calloc(&kind, 1, size);

        assert_non_null(block);
        assert_true(maps_have(block) && maps_have(block + size - 1));
        assert_true(fixture_is_zero(block, size));
        assert_ptr_equal(memkind_detect_kind(block), &kind);
        memkind_free(NULL, block);
    }
    use(&kind);
    assert_true(bind_count >= 1);
    for (size_t alignment = 8; alignment <= 16 * MIB; alignment *= 2) {
        void *block = NULL;

        assert_int_equal(memkind_posix_memalign(&kind, &block, alignment, 5000), 0);
        assert_int_equal((uintptr_t)block % alignment, 0);
        assert_true(maps_have(block));
        memset(block, 1, 5000);
    }
    assert_int_equal(memkind_arena_destroy(&kind), MEMKIND_SUCCESS);
    expect_no_maps();
}

static void test_map_that_fails(void **state)
{
    struct memkind_ops ops;
    struct memkind kind = {0};

    (void)state;
    make_mapped_kind(&kind, &ops);
    char *block = memkind_malloc(&kind, 100);
    assert_true(maps_have(block));
    ops.mbind = refuse_bind;
    errno = 0;
    assert_null(memkind_malloc(&kind, 20 * MIB));
    assert_int_equal(errno, ENOMEM);
    ops.mbind = count_bind;
    size_t before = map_count;
    map_count = MAPS;
    errno = 0;
    assert_null(memkind_malloc(&kind, 20 * MIB));
    assert_int_equal(errno, ENOMEM);
    void *aligned = NULL;
    assert_int_equal(memkind_posix_memalign(&kind, &aligned, GIB, 100), ENOMEM);
    map_count = before;
    char *large = memkind_malloc(&kind, 20 * MIB);
    assert_true(maps_have(large));
    memkind_free(&kind, block);
    memkind_free(&kind, large);
    assert_int_equal(memkind_arena_destroy(&kind), MEMKIND_SUCCESS);
    expect_no_maps();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_hooks_of_the_program),
        FIXTURE_TEST(test_two_kinds_over_the_same_hooks),
        FIXTURE_TEST(test_hooks_that_have_nothing),
        FIXTURE_TEST(test_map_of_the_program),
        FIXTURE_TEST(test_map_that_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
