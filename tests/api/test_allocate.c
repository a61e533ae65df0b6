/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of malloc, calloc, posix_memalign, free and malloc_usable_size on kinds of every sort. */
#include "api/fixture.h"

#include <pthread.h>

#define LARGEST  (8 * MIB)
#define BLOCKS   300
#define NO_ERRNO (-12345) /* a value that no call gives errno */

/* 0, and sizes at the edges of size classes, pages and chunks. */
static const size_t sizes[] = {
    1,           2,       7,           8,        9,           15,        16,      17,   31,
    64,          65,      100,         128,      1000,        1024,      4095,    4096, 4097,
    8192,        14336,   14337,       16 * KIB, 20 * KIB,    100 * KIB, MIB - 1, MIB,  MIB + 1,
    2 * MIB - 1, 2 * MIB, 2 * MIB + 1, 3 * MIB,  7 * MIB + 5, LARGEST};

static const size_t impossible[] = {
    SIZE_MAX,        SIZE_MAX - 1,     SIZE_MAX - 4095,  SIZE_MAX - 4096, SIZE_MAX - 2 * MIB,
    SIZE_MAX / 2,    SIZE_MAX / 2 + 1, SIZE_MAX / 2 + 2, SIZE_MAX / 4,    SIZE_MAX / 4 + 1,
    (size_t)7 << 60, (size_t)1 << 62,  (size_t)1 << 61,  (size_t)1 << 56, (size_t)1 << 48,
};

/* -- Requests of 0 bytes ----------------------------------------------------------------------- */

static void test_no_size_gives_null(void **state)
{
    memkind_t kind = *state;

    errno = NO_ERRNO;
    assert_null(memkind_malloc(kind, 0));
    assert_null(memkind_calloc(kind, 0, 8));
    assert_null(memkind_calloc(kind, 8, 0));
    assert_null(memkind_calloc(kind, 0, 0));
    assert_null(memkind_calloc(kind, 0, SIZE_MAX));
    assert_null(memkind_calloc(kind, SIZE_MAX, 0));
    assert_null(memkind_realloc(kind, NULL, 0));
    assert_int_equal(errno, NO_ERRNO);
}

static void test_posix_memalign_of_no_size(void **state)
{
    memkind_t kind = *state;
    void *block = &block;

    assert_int_equal(memkind_posix_memalign(kind, &block, 64, 0), 0);
    assert_null(block);
    block = &block;
    assert_int_equal(memkind_posix_memalign(kind, &block, 3, 0), EINVAL);
}

static void test_no_size_where_it_is_allowed(void **state)
{
    memkind_t kind = *state;
    void *blocks[6] = {NULL};

    memkind_set_allow_zero_allocs(kind, true);
    blocks[0] = memkind_malloc(kind, 0);
    blocks[1] = memkind_calloc(kind, 0, 8);
    blocks[2] = memkind_calloc(kind, 8, 0);
    blocks[3] = memkind_calloc(kind, SIZE_MAX, 0);
    blocks[4] = memkind_realloc(kind, NULL, 0);
    assert_int_equal(memkind_posix_memalign(kind, &blocks[5], 4096, 0), 0);
    assert_int_equal((uintptr_t)blocks[5] % 4096, 0);
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        assert_non_null(blocks[i]);
        for (size_t j = 0; j < i; j++)
            assert_ptr_not_equal(blocks[i], blocks[j]);
        assert_ptr_equal(memkind_detect_kind(blocks[i]), kind);
    }
    /* A size of 0 frees the block, whether zero allocations are allowed or not. */
    assert_null(memkind_realloc(kind, blocks[0], 0));
    for (size_t i = 1; i < COUNT_OF(blocks); i++)
        memkind_free(kind, blocks[i]);

    memkind_set_allow_zero_allocs(kind, false);
    assert_null(memkind_malloc(kind, 0));
}

/* The setting affects one kind only. */
static void test_no_size_is_a_matter_of_each_kind(void **state)
{
    memkind_t first = fixture_pmem(0);
    memkind_t second = fixture_pmem(0);

    (void)state;
    memkind_set_allow_zero_allocs(first, true);
    void *block = memkind_malloc(first, 0);
    assert_non_null(block);
    assert_null(memkind_malloc(second, 0));
    assert_null(memkind_malloc(MEMKIND_DEFAULT, 0));
    memkind_free(first, block);
    fixture_destroy(first);
    fixture_destroy(second);
}

/* -- Blocks ------------------------------------------------------------------------------------ */

static void test_malloc_of_every_size(void **state)
{
    memkind_t kind = *state;
    void *blocks[COUNT_OF(sizes)];

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        errno = NO_ERRNO;
        blocks[i] = memkind_malloc(kind, sizes[i]);
        assert_non_null(blocks[i]);
        assert_int_equal(errno, NO_ERRNO);
        size_t usable = memkind_malloc_usable_size(kind, blocks[i]);
        assert_true(usable >= sizes[i]);
        /* Aligned for any object that fits into the block. */
        assert_int_equal((uintptr_t)blocks[i] % (sizes[i] < 16 ? 8 : 16), 0);
        fixture_fill(blocks[i], usable, (unsigned)i);
    }
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        size_t usable = memkind_malloc_usable_size(kind, blocks[i]);

        assert_true(fixture_is_filled(blocks[i], usable, (unsigned)i));
        assert_int_equal(memkind_malloc_usable_size(NULL, blocks[i]), usable);
        memkind_free(kind, blocks[i]);
    }
}

static void test_calloc_of_every_size(void **state)
{
    memkind_t kind = *state;

    /* The second round finds the contents that the first has written. */
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            char *block = memkind_calloc(kind, 1, sizes[i]);

            assert_non_null(block);
            assert_true(fixture_is_zero(block, sizes[i]));
            memset(block, 0xee, memkind_malloc_usable_size(kind, block));
            memkind_free(kind, block);
        }
    char *table = memkind_calloc(kind, 1000, 1001);
    assert_non_null(table);
    assert_true(memkind_malloc_usable_size(kind, table) >= 1000 * 1001);
    assert_true(fixture_is_zero(table, 1000 * 1001));
    memkind_free(kind, table);
}

/* calloc after many small blocks that were written to and freed. */
static void test_calloc_of_used_memory(void **state)
{
    memkind_t kind = *state;
    char *blocks[BLOCKS];

    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = memkind_malloc(kind, 200);
        assert_non_null(blocks[i]);
        memset(blocks[i], 0xdd, 200);
    }
    for (size_t i = 0; i < BLOCKS; i += 2) {
        memkind_free(kind, blocks[i]);
        blocks[i] = NULL;
    }
    for (size_t i = 0; i < BLOCKS; i += 2) {
        blocks[i] = memkind_calloc(kind, 2, 100);
        assert_non_null(blocks[i]);
        assert_true(fixture_is_zero(blocks[i], 200));
    }
    for (size_t i = 0; i < BLOCKS; i++)
        memkind_free(kind, blocks[i]);
}

/* memkind 1.14 ignores the overflow and returns a block that is too short. */
static void test_calloc_overflows(void **state)
{
    static const size_t products[][2] = {
        {SIZE_MAX, SIZE_MAX},
        {SIZE_MAX, 2},
        {2, SIZE_MAX},
        {SIZE_MAX / 2 + 1, 2},
        {SIZE_MAX / 8 + 2, 8},
        {(size_t)1 << 32, (size_t)1 << 32},
        {((size_t)1 << 32) + 1, (size_t)1 << 32},
        {(size_t)1 << 33, ((size_t)1 << 31) + 1},
    };
    memkind_t kind = *state;

    for (size_t i = 0; i < COUNT_OF(products); i++) {
        errno = 0;
        assert_null(memkind_calloc(kind, products[i][0], products[i][1]));
        assert_int_equal(errno, ENOMEM);
    }
}

static void test_impossible_sizes(void **state)
{
    memkind_t kind = *state;
    char *block = memkind_malloc(kind, 1000);

    assert_non_null(block);
    fixture_fill(block, 1000, 3);
    for (size_t i = 0; i < COUNT_OF(impossible); i++) {
        void *aligned = &aligned;

        errno = 0;
        assert_null(memkind_malloc(kind, impossible[i]));
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_null(memkind_calloc(kind, impossible[i], 1));
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_null(memkind_realloc(kind, NULL, impossible[i]));
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_null(memkind_realloc(kind, block, impossible[i]));
        assert_int_equal(errno, ENOMEM);
        errno = NO_ERRNO;
        assert_int_equal(memkind_posix_memalign(kind, &aligned, 16, impossible[i]), ENOMEM);
        assert_int_equal(memkind_posix_memalign(kind, &aligned, 2 * MIB, impossible[i]), ENOMEM);
        assert_int_equal(memkind_posix_memalign(kind, &aligned, GIB, impossible[i]), ENOMEM);
        assert_int_equal(errno, NO_ERRNO);
    }
    assert_true(fixture_is_filled(block, 1000, 3));
    memkind_free(kind, block);
    block = memkind_malloc(kind, MIB);
    assert_non_null(block);
    memkind_free(kind, block);
}

/* -- Alignment --------------------------------------------------------------------------------- */

static void test_alignments_that_are_none(void **state)
{
    static const size_t alignments[] = {
        0, 1, 2, 3, 4, 5, 6, 7, 9, 12, 24, 48, 100, 513, MIB + 8, SIZE_MAX / 2, SIZE_MAX};
    memkind_t kind = *state;

    errno = NO_ERRNO;
    for (size_t i = 0; i < COUNT_OF(alignments); i++) {
        void *block = &block;

        assert_int_equal(memkind_posix_memalign(kind, &block, alignments[i], 100), EINVAL);
        assert_ptr_equal(block, kind == MEMKIND_DEFAULT ? &block : NULL);
    }
    assert_int_equal(errno, NO_ERRNO);
}

/* memkind 1.14 returns misaligned blocks for alignments from 16 MiB on. */
static void test_alignments(void **state)
{
    static const size_t lengths[] = {1, 8, 100, 4096, 5000, 70000};
    memkind_t kind = *state;

    errno = NO_ERRNO;
    for (size_t alignment = sizeof(void *); alignment <= GIB; alignment *= 2) {
        void *blocks[COUNT_OF(lengths)];

        for (size_t i = 0; i < COUNT_OF(lengths); i++) {
            assert_int_equal(memkind_posix_memalign(kind, &blocks[i], alignment, lengths[i]), 0);
            assert_non_null(blocks[i]);
            assert_int_equal((uintptr_t)blocks[i] % alignment, 0);
            assert_ptr_equal(memkind_detect_kind(blocks[i]), kind);
            assert_true(memkind_malloc_usable_size(kind, blocks[i]) >= lengths[i]);
            fixture_fill(blocks[i], lengths[i], (unsigned)i);
        }
        for (size_t i = 0; i < COUNT_OF(lengths); i++) {
            assert_true(fixture_is_filled(blocks[i], lengths[i], (unsigned)i));
            memkind_free(kind, blocks[i]);
        }
    }
    assert_int_equal(errno, NO_ERRNO);
}

static void test_alignments_of_large_blocks(void **state)
{
    static const size_t alignments[] = {2 * MIB, 4 * MIB, 16 * MIB, 32 * MIB, 64 * MIB};
    memkind_t kind = *state;

    for (size_t i = 0; i < COUNT_OF(alignments); i++) {
        void *first = NULL;
        void *second = NULL;

        assert_int_equal(memkind_posix_memalign(kind, &first, alignments[i], 5 * MIB), 0);
        assert_int_equal(memkind_posix_memalign(kind, &second, alignments[i], 9 * MIB), 0);
        assert_int_equal((uintptr_t)first % alignments[i], 0);
        assert_int_equal((uintptr_t)second % alignments[i], 0);
        fixture_fill(first, 5 * MIB, 1);
        fixture_fill(second, 9 * MIB, 2);
        assert_true(fixture_is_filled(first, 5 * MIB, 1));
        memkind_free(kind, first);
        memkind_free(kind, second);
    }
}

/* Alignments that are too large to be promised: honoured or refused, never ignored. */
static void test_alignments_beyond_all_measure(void **state)
{
    memkind_t kind = *state;

    for (size_t alignment = 2 * GIB; alignment != 0; alignment *= 2) {
        void *block = NULL;
        int result = memkind_posix_memalign(kind, &block, alignment, 100);

        if (result == 0) {
            assert_non_null(block);
            assert_int_equal((uintptr_t)block % alignment, 0);
            memset(block, 1, 100);
            memkind_free(kind, block);
        } else {
            assert_int_equal(result, ENOMEM);
        }
    }
}

/* -- Free -------------------------------------------------------------------------------------- */

static void test_free_of_null(void **state)
{
    memkind_t kind = *state;

    errno = NO_ERRNO;
    memkind_free(kind, NULL);
    memkind_free(NULL, NULL);
    assert_int_equal(memkind_malloc_usable_size(kind, NULL), 0);
    assert_int_equal(memkind_malloc_usable_size(NULL, NULL), 0);
    assert_int_equal(errno, NO_ERRNO);
}

static void test_free_without_a_kind(void **state)
{
    memkind_t kind = *state;
    size_t before;
    size_t after;

    assert_int_equal(memkind_update_cached_stats(), MEMKIND_SUCCESS);
    assert_int_equal(memkind_get_stat(kind, MEMKIND_STAT_TYPE_ALLOCATED, &before), MEMKIND_SUCCESS);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        void *block = memkind_malloc(kind, sizes[i]);

        assert_non_null(block);
        memset(block, 1, sizes[i]);
        memkind_free(NULL, block);
    }
    assert_int_equal(memkind_update_cached_stats(), MEMKIND_SUCCESS);
    assert_int_equal(memkind_get_stat(kind, MEMKIND_STAT_TYPE_ALLOCATED, &after), MEMKIND_SUCCESS);
    /* The default heap's thread cache counts as allocated. */
    assert_true(after <= before + (kind == MEMKIND_DEFAULT ? MIB : 0));
}

static void test_free_keeps_errno(void **state)
{
    memkind_t kind = *state;

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        void *block = memkind_malloc(kind, sizes[i]);

        errno = NO_ERRNO;
        memkind_free(i % 2 == 0 ? kind : NULL, block);
        assert_int_equal(errno, NO_ERRNO);
    }
}

struct handover {
    memkind_t kind;
    void *blocks[BLOCKS];
    bool without_kind;
};

static void *free_all(void *argument)
{
    struct handover *handover = argument;

    for (size_t i = 0; i < BLOCKS; i++)
        memkind_free(handover->without_kind ? NULL : handover->kind, handover->blocks[i]);
    return NULL;
}

static void *allocate_all(void *argument)
{
    struct handover *handover = argument;

    for (size_t i = 0; i < BLOCKS; i++) {
        handover->blocks[i] = memkind_malloc(handover->kind, 1 + i * 37);
        if (handover->blocks[i] != NULL)
            fixture_fill(handover->blocks[i], 1 + i * 37, (unsigned)i);
    }
    return NULL;
}

static void run_thread(void *(*work)(void *), void *argument)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, work, argument), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void test_free_by_another_thread(void **state)
{
    static struct handover handover;

    handover.kind = *state;
    for (int round = 0; round < 4; round++) {
        handover.without_kind = round % 2 == 1;
        run_thread(allocate_all, &handover);
        for (size_t i = 0; i < BLOCKS; i++) {
            assert_non_null(handover.blocks[i]);
            assert_true(fixture_is_filled(handover.blocks[i], 1 + i * 37, (unsigned)i));
        }
        if (round < 2)
            free_all(&handover);
        else
            run_thread(free_all, &handover);
        allocate_all(&handover);
        run_thread(free_all, &handover);
    }
}

/* Blocks of all sizes do not overlap, in whatever order they are allocated and freed. */
static void test_blocks_do_not_overlap(void **state)
{
    memkind_t kind = *state;
    static unsigned char *blocks[BLOCKS];
    static size_t lengths[BLOCKS];
    unsigned random = 1;

    memset(blocks, 0, sizeof(blocks));
    for (unsigned step = 0; step < 20 * BLOCKS; step++) {
        random = random * 1103515245 + 12345;
        size_t i = (random >> 16) % BLOCKS;

        if (blocks[i] != NULL) {
            assert_true(fixture_is_filled(blocks[i], lengths[i], (unsigned)i));
            memkind_free(kind, blocks[i]);
            blocks[i] = NULL;
        } else {
            lengths[i] = (random >> 8) % (step % 8 == 0 ? 60000 : 600) + 1;
            blocks[i] = memkind_malloc(kind, lengths[i]);
            assert_non_null(blocks[i]);
            fixture_fill(blocks[i], lengths[i], (unsigned)i);
        }
    }
    for (size_t i = 0; i < BLOCKS; i++)
        memkind_free(kind, blocks[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST_ON_ALL(test_no_size_gives_null),
        FIXTURE_TEST_ON_ALL(test_posix_memalign_of_no_size),
        FIXTURE_TEST_ON_ALL(test_no_size_where_it_is_allowed),
        FIXTURE_TEST(test_no_size_is_a_matter_of_each_kind),
        FIXTURE_TEST_ON_ALL(test_malloc_of_every_size),
        FIXTURE_TEST_ON_ALL(test_calloc_of_every_size),
        FIXTURE_TEST_ON_ALL(test_calloc_of_used_memory),
        FIXTURE_TEST_ON_ALL(test_calloc_overflows),
        FIXTURE_TEST_ON_ALL(test_impossible_sizes),
        FIXTURE_TEST_ON_ALL(test_alignments_that_are_none),
        FIXTURE_TEST_ON_ALL(test_alignments),
        FIXTURE_TEST_ON_ALL(test_alignments_of_large_blocks),
        FIXTURE_TEST_ON_ALL(test_alignments_beyond_all_measure),
        FIXTURE_TEST_ON_ALL(test_free_of_null),
        FIXTURE_TEST_ON_ALL(test_free_without_a_kind),
        FIXTURE_TEST_ON_ALL(test_free_keeps_errno),
        FIXTURE_TEST_ON_ALL(test_free_by_another_thread),
        FIXTURE_TEST_ON_ALL(test_blocks_do_not_overlap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
