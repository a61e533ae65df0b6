/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of fixed kinds: the whole range is used and nothing outside, freed memory is reused, and
 * where a range may lie.
 */
#include "api/fixture.h"

#include <pthread.h>

#include "memkind/internal/memkind_fixed.h"

#define GUARD      ((size_t)256 * KIB)
#define SMALL      ((size_t)64)
#define FILL       0xa5
#define KINDS      20
#define THREADS    8
#define ROUNDS     3
#define PAGE       FIXTURE_PAGE
#define MOST_WASTE (4 * PAGE) /* a run of pages for blocks, and the remainder of a page */

/* -- A range with a guard at each end ---------------------------------------------------------- */

struct guarded {
    char *memory;
    char *range;
    size_t size; /* of the range */
    memkind_t kind;
};

/* Maps memory that is aligned to a page of jemalloc's. */
static char *map(size_t size)
{
    const size_t least = 4096; /* the smallest page at which a mapping may end */
    size = (size + least - 1) & ~(least - 1);
    char *memory = mmap(NULL, size + PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    size_t head = -(uintptr_t)memory & (PAGE - 1);

    assert_ptr_not_equal(memory, MAP_FAILED);
    if (head != 0)
        munmap(memory, head);
    munmap(memory + head + size, PAGE - head);
    return memory + head;
}

/* Maps a range of dirty memory that begins `off` bytes after the start of a page. */
static struct guarded guarded_make(size_t size, size_t off)
{
    struct guarded guarded = {.memory = map(2 * GUARD + size), .size = size};

    memset(guarded.memory, FILL, 2 * GUARD + size);
    guarded.range = guarded.memory + GUARD + off;
    assert_int_equal(memkind_create_fixed(guarded.range, size, &guarded.kind), MEMKIND_SUCCESS);
    return guarded;
}

static bool is_filled(const char *memory, size_t size)
{
    return size == 0 ||
           ((unsigned char)memory[0] == FILL && memcmp(memory, memory + 1, size - 1) == 0);
}

/* Checks that the memory is mapped and that nothing around the range has changed, and unmaps it. */
static void guarded_end(struct guarded *guarded)
{
    size_t off = (size_t)(guarded->range - guarded->memory);

    if (guarded->kind != NULL)
        fixture_destroy(guarded->kind);
    memset(guarded->range, FILL, guarded->size);
    assert_true(is_filled(guarded->memory, off));
    assert_true(is_filled(guarded->range + guarded->size, 2 * GUARD - off));
    assert_int_equal(munmap(guarded->memory, 2 * GUARD + guarded->size), 0);
}

static bool lies_in(const struct guarded *guarded, const void *block, size_t size)
{
    return (const char *)block >= guarded->range &&
           (const char *)block + size <= guarded->range + guarded->size;
}

/* Fills the kind with small blocks, writes to all of them, and returns their list. */
static void **fill(const struct guarded *guarded, size_t size, size_t *count)
{
    void **list = NULL;
    void **block;

    *count = 0;
    errno = 0;
    while ((block = memkind_malloc(guarded->kind, size)) != NULL) {
        assert_true(lies_in(guarded, block, size));
        memset(block, 1, size);
        *block = list;
        list = block;
        ++*count;
        errno = 0;
    }
    assert_int_equal(errno, ENOMEM);
    return list;
}

static void free_all(memkind_t kind, void **list)
{
    while (list != NULL) {
        void **next = *list;

        memkind_free(kind, list);
        list = next;
    }
}

/* -- Use --------------------------------------------------------------------------------------- */

static void test_area_of_any_place_and_size(void **state)
{
    static const size_t sizes[] = {1, 100, PAGE, 3 * PAGE, 100 * KIB, MIB, 5 * MIB + 12345};
    static const size_t places[] = {0, 1, 8, 2047, PAGE - 1};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes) * COUNT_OF(places); i++) {
        struct guarded guarded =
            guarded_make(sizes[i / COUNT_OF(places)], places[i % COUNT_OF(places)]);
        size_t count;
        void **list = fill(&guarded, SMALL, &count);

        assert_int_equal(memkind_get_capacity(guarded.kind), guarded.size);
        assert_int_equal(memkind_check_available(guarded.kind), MEMKIND_SUCCESS);
        if (guarded.size >= 6 * PAGE)
            assert_true(count * SMALL >= guarded.size - MOST_WASTE - guarded.size / 50);
        free_all(guarded.kind, list);
        guarded_end(&guarded);
    }
}

static void test_arguments_that_are_none(void **state)
{
    memkind_t untouched = (memkind_t)(uintptr_t)8;
    memkind_t kind = untouched;
    char *memory = map(MIB);

    (void)state;
    errno = 0;
    assert_int_equal(memkind_create_fixed(NULL, MIB, &kind), MEMKIND_ERROR_INVALID);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(memkind_create_fixed(memory, SIZE_MAX, &kind), MEMKIND_ERROR_INVALID);
    assert_int_equal(memkind_create_fixed(memory, MIB, NULL), MEMKIND_ERROR_INVALID);
    /* No process has memory at this address. */
    assert_int_equal(memkind_create_fixed((void *)(uintptr_t)(SIZE_MAX - GIB), MIB, &kind),
                     MEMKIND_ERROR_INVALID);
    assert_ptr_equal(kind, untouched);
    assert_int_equal(munmap(memory, MIB), 0);
}

/* Whatever has been allocated before, a block of the whole range fits once all is freed. */
static void test_all_of_it_again_and_again(void **state)
{
    static const size_t sizes[] = {16, SMALL, 4000, 40 * KIB, 300 * KIB, 3 * MIB};
    struct guarded guarded = guarded_make(16 * MIB, 0);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        size_t count;
        void **list = fill(&guarded, sizes[i], &count);

        assert_true(count * sizes[i] >= guarded.size / 5 * 4);
        free_all(guarded.kind, list);
        void *all = memkind_malloc(guarded.kind, guarded.size);
        assert_ptr_equal(all, guarded.range);
        memkind_free(guarded.kind, all);
    }
    guarded_end(&guarded);
}

static void test_conservative_kind(void **state)
{
    struct guarded guarded = guarded_make(MIB, 0);
    size_t count;

    (void)state;
    assert_int_equal(guarded.kind->ops->update_memory_usage_policy(
                         guarded.kind, MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE),
                     MEMKIND_SUCCESS);
    free_all(guarded.kind, fill(&guarded, SMALL, &count));
    assert_true(count * SMALL >= MIB / 100 * 98);
    void *all = memkind_malloc(guarded.kind, MIB);
    assert_ptr_equal(all, guarded.range);
    memkind_free(NULL, all);
    guarded_end(&guarded);
}

static void test_calloc_of_dirty_memory(void **state)
{
    static const size_t sizes[] = {1, 100, 5000, 40 * KIB, MIB, 4 * MIB};
    struct guarded guarded = guarded_make(4 * MIB, 0);

    (void)state;
    for (size_t round = 0; round < 2; round++)
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            char *block = memkind_calloc(guarded.kind, 1, sizes[i]);

            assert_non_null(block);
            assert_true(fixture_is_zero(block, sizes[i]));
            memset(block, FILL, sizes[i]);
            memkind_free(guarded.kind, block);
        }
    guarded_end(&guarded);
}

static void *use(void *arg)
{
    struct guarded *guarded = arg;
    enum { BLOCKS = 500 };
    void *blocks[BLOCKS] = {NULL};

    for (unsigned i = 0; i < 40 * BLOCKS; i++) {
        unsigned at = i * 7 % BLOCKS;
        size_t size = 16 + (size_t)i * 131 % 5000;

        memkind_free(i % 2 != 0 ? guarded->kind : NULL, blocks[at]);
        blocks[at] = memkind_malloc(guarded->kind, size);
        if (blocks[at] != NULL) {
            assert_true(lies_in(guarded, blocks[at], size));
            memset(blocks[at], (int)i, size);
        }
    }
    for (unsigned i = 0; i < BLOCKS; i++)
        memkind_free(guarded->kind, blocks[i]);
    return NULL;
}

static void test_threads(void **state)
{
    struct guarded guarded = guarded_make(8 * MIB, 0);
    pthread_t threads[THREADS];

    (void)state;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use, &guarded), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    void *all = memkind_malloc(guarded.kind, guarded.size);
    assert_ptr_equal(all, guarded.range);
    guarded_end(&guarded);
}

/* -- Which kind -------------------------------------------------------------------------------- */

/* Many adjacent ranges in one mapping, not aligned to pages. */
static void test_neighbours(void **state)
{
    enum { SIZE = 25 * PAGE + 8 };
    char *memory = map((size_t)KINDS * SIZE);
    memkind_t kinds[KINDS];
    void *blocks[KINDS];

    (void)state;
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < KINDS; i++)
            assert_int_equal(memkind_create_fixed(memory + i * SIZE, SIZE, &kinds[i]),
                             MEMKIND_SUCCESS);
        for (size_t i = 0; i < KINDS; i++) {
            blocks[i] = memkind_malloc(kinds[i], 10 * KIB);
            assert_non_null(blocks[i]);
            assert_true((size_t)((char *)blocks[i] - memory) / SIZE == i);
        }
        for (size_t i = 0; i < KINDS; i++) {
            assert_ptr_equal(memkind_detect_kind(blocks[i]), kinds[i]);
            assert_true(memkind_malloc_usable_size(NULL, blocks[i]) >= 10 * KIB);
            memkind_free(NULL, blocks[i]);
        }
        for (size_t i = 0; i < KINDS; i++) {
            size_t other = (i * 7 + 3) % KINDS;

            fixture_destroy(kinds[other]);
            assert_null(memkind_detect_kind(memory + other * SIZE + SIZE / 2));
        }
    }
    assert_int_equal(munmap(memory, (size_t)KINDS * SIZE), 0);
}

/* Blocks of the default heap lie around the ranges, some of them allocated later. */
static void test_default_heap_beside_areas(void **state)
{
    struct guarded guarded = guarded_make(MIB, 0);
    void *blocks[100];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        blocks[i] = memkind_malloc(MEMKIND_DEFAULT, i * 5000 + 1);
        assert_ptr_equal(memkind_detect_kind(blocks[i]), MEMKIND_DEFAULT);
    }
    fixture_destroy(guarded.kind);
    guarded.kind = NULL;
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        assert_ptr_equal(memkind_detect_kind(blocks[i]), MEMKIND_DEFAULT);
        memkind_free(NULL, blocks[i]);
    }
    guarded_end(&guarded);
}

/* A range inside a block of another kind: both kinds go on working. */
static void test_area_in_a_block(void **state)
{
    memkind_t outer = *state;
    enum { SIZE = 10 * MIB, PIECES = 50 };
    char *block = memkind_malloc(outer, SIZE);
    void *others[PIECES];
    memkind_t inner;

    assert_non_null(block);
    for (size_t round = 0; round < ROUNDS; round++) {
        struct guarded guarded = {.range = block, .size = SIZE};
        size_t count;

        assert_int_equal(memkind_create_fixed(block, SIZE, &inner), MEMKIND_SUCCESS);
        guarded.kind = inner;
        void **list = fill(&guarded, 1000, &count);
        assert_true(count * 1000 >= SIZE / 100 * 95);
        assert_ptr_equal(memkind_detect_kind(list), inner);
        for (size_t i = 0; i < PIECES; i++) {
            others[i] = memkind_malloc(outer, 1000 * i + 1);
            assert_ptr_equal(memkind_detect_kind(others[i]), outer);
        }
        for (size_t i = 0; i < PIECES; i++)
            memkind_free(i % 2 == 0 ? NULL : outer, others[i]);
        free_all(NULL, list);
        fixture_destroy(inner);
        assert_ptr_equal(memkind_detect_kind(block), outer);
    }
    memset(block, 1, SIZE);
    block = memkind_realloc(outer, block, SIZE + MIB);
    assert_non_null(block);
    memkind_free(NULL, block);
}

/* The range shares its page with other blocks, and has no whole page. */
static void test_area_in_a_small_block(void **state)
{
    memkind_t outer = *state;
    memkind_t inner;
    char *block = memkind_malloc(outer, 10 * KIB);

    assert_int_equal(memkind_create_fixed(block, 10 * KIB, &inner), MEMKIND_SUCCESS);
    void *piece = memkind_malloc(inner, 100);
    if (piece != NULL) {
        assert_ptr_equal(memkind_detect_kind(piece), inner);
        memkind_free(NULL, piece);
    }
    fixture_destroy(inner);
    memkind_free(outer, block);
}

/* memkind 1.14 rejects any area that begins where that of another kind begins. */
static void test_area_of_another_kind(void **state)
{
    struct guarded guarded = guarded_make(MIB, 8);
    memkind_t untouched = (memkind_t)(uintptr_t)8;
    memkind_t kind = untouched;

    (void)state;
    for (size_t round = 0; round < 2; round++) {
        errno = 0;
        assert_int_equal(memkind_create_fixed(guarded.range, MIB, &kind), MEMKIND_ERROR_INVALID);
        assert_int_equal(errno, EINVAL);
        assert_int_equal(memkind_create_fixed(guarded.range, MIB + 1, &kind),
                         MEMKIND_ERROR_INVALID);
        assert_ptr_equal(kind, untouched);
        assert_non_null(memkind_malloc(guarded.kind, 100));
    }
    fixture_destroy(guarded.kind);
    assert_int_equal(memkind_create_fixed(guarded.range, MIB, &guarded.kind), MEMKIND_SUCCESS);
    guarded_end(&guarded);
}

/* A block, or mapped pages, at the begin of another area. */
static void test_area_at_the_begin_of_another(void **state)
{
    struct guarded guarded = guarded_make(MIB, 0);
    memkind_t inner;

    (void)state;
    void *pages = memkind_fixed_mmap(guarded.kind, NULL, MIB / 2);
    assert_int_equal(memkind_create_fixed(pages, MIB / 2, &inner), MEMKIND_SUCCESS);
    fixture_destroy(inner);
    fixture_destroy(guarded.kind);

    assert_int_equal(memkind_create_fixed(guarded.range, MIB, &guarded.kind), MEMKIND_SUCCESS);
    void *block = memkind_malloc(guarded.kind, MIB);
    assert_ptr_equal(block, guarded.range);
    assert_int_equal(memkind_create_fixed(block, MIB, &inner), MEMKIND_SUCCESS);
    void *piece = memkind_malloc(inner, 100);
    assert_ptr_equal(memkind_detect_kind(piece), inner);
    memkind_free(NULL, piece);
    fixture_destroy(inner);
    memkind_free(guarded.kind, block);
    guarded_end(&guarded);
}

/* The range lies in pages of a kind that has no block yet. */
static void test_area_in_mapped_pages(void **state)
{
    memkind_t outer = fixture_pmem(MEMKIND_PMEM_MIN_SIZE);
    char *pages = memkind_pmem_mmap(outer, NULL, MIB);
    memkind_t inner;

    (void)state;
    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(memkind_create_fixed(pages, MIB, &inner), MEMKIND_SUCCESS);
    void *block = memkind_malloc(inner, 100);
    assert_ptr_equal(memkind_detect_kind(block), inner);
    memkind_free(NULL, block);
    fixture_destroy(inner);
    fixture_destroy(outer);
}

/* -- Operations -------------------------------------------------------------------------------- */

static void test_kind_without_an_area(void **state)
{
    struct memkind kind = {0};
    void *block = NULL;

    (void)state;
    assert_int_equal(memkind_fixed_create(&kind, &MEMKIND_FIXED_OPS, "mine"), MEMKIND_SUCCESS);
    assert_string_equal(kind.name, "mine");
    assert_null(memkind_malloc(&kind, 10));
    assert_int_equal(errno, ENOMEM);
    assert_null(memkind_malloc(&kind, 2 * GIB));
    assert_int_equal(memkind_posix_memalign(&kind, &block, 64, 10), ENOMEM);
    assert_ptr_equal(memkind_fixed_mmap(&kind, NULL, PAGE), MAP_FAILED);
    assert_int_equal(errno, ENOMEM);
    assert_int_equal(memkind_get_capacity(&kind), 0);
    assert_int_equal(memkind_fixed_destroy(&kind), MEMKIND_SUCCESS);
    assert_int_equal(memkind_fixed_create(NULL, &MEMKIND_FIXED_OPS, "mine"), MEMKIND_ERROR_INVALID);
    assert_int_equal(memkind_fixed_create(&kind, NULL, "mine"), MEMKIND_ERROR_INVALID);
    assert_int_equal(memkind_fixed_create(&kind, &MEMKIND_FIXED_OPS, NULL), MEMKIND_ERROR_INVALID);
}

static void test_mmap(void **state)
{
    struct guarded guarded = guarded_make(MIB, 0);
    char *pages = memkind_fixed_mmap(guarded.kind, guarded.memory, PAGE + 1);

    (void)state;
    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_true(lies_in(&guarded, pages, 2 * PAGE));
    memset(pages, 1, 2 * PAGE);
    errno = 0;
    assert_ptr_equal(memkind_fixed_mmap(guarded.kind, NULL, 0), MAP_FAILED);
    assert_int_equal(errno, EINVAL);
    errno = 0;
    assert_ptr_equal(memkind_fixed_mmap(guarded.kind, NULL, MIB), MAP_FAILED);
    assert_int_equal(errno, ENOMEM);
    errno = 0;
    assert_ptr_equal(memkind_fixed_mmap(guarded.kind, NULL, SIZE_MAX), MAP_FAILED);
    assert_int_equal(errno, ENOMEM);
    void *rest = memkind_fixed_mmap(guarded.kind, NULL, MIB - 2 * PAGE);
    assert_ptr_not_equal(rest, MAP_FAILED);
    assert_null(memkind_malloc(guarded.kind, 1));
    guarded_end(&guarded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_area_of_any_place_and_size),
        FIXTURE_TEST(test_arguments_that_are_none),
        FIXTURE_TEST(test_all_of_it_again_and_again),
        FIXTURE_TEST(test_conservative_kind),
        FIXTURE_TEST(test_calloc_of_dirty_memory),
        FIXTURE_TEST(test_threads),
        FIXTURE_TEST(test_neighbours),
        FIXTURE_TEST(test_default_heap_beside_areas),
        FIXTURE_TEST_ON_ALL(test_area_in_a_block),
        FIXTURE_TEST_ON_ALL(test_area_in_a_small_block),
        FIXTURE_TEST(test_area_in_mapped_pages),
        FIXTURE_TEST(test_area_of_another_kind),
        FIXTURE_TEST(test_area_at_the_begin_of_another),
        FIXTURE_TEST(test_kind_without_an_area),
        FIXTURE_TEST(test_mmap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
