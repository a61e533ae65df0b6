/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of memkind_detect_kind() on blocks of every kind and on any other address. */
#include "api/fixture.h"

#include <link.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#define KINDS        20
#define RANDOM_TRIES 200000

static const size_t sizes[] = {1, 8, 100, 1000, 4096, 14336, 16 * KIB, MIB, 2 * MIB, 3 * MIB};

static void expect_none(const void *address)
{
    assert_null(memkind_detect_kind((void *)(uintptr_t)address));
}

static void test_blocks_of_the_kind(void **state)
{
    memkind_t kind = *state;
    char *blocks[COUNT_OF(sizes)];

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        blocks[i] = memkind_malloc(kind, sizes[i]);
        assert_non_null(blocks[i]);
    }
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        assert_ptr_equal(memkind_detect_kind(blocks[i]), kind);
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        memkind_free(kind, blocks[i]);
}

/* Blocks larger than the granule of any table of addresses (64 MiB). */
static void test_very_large_blocks(void **state)
{
    const memkind_t kinds[] = {fixture_pmem(0), MEMKIND_DEFAULT, MEMKIND_REGULAR};
    void *blocks[COUNT_OF(kinds)][2];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        blocks[i][0] = memkind_malloc(kinds[i], 200 * MIB);
        blocks[i][1] = memkind_malloc(kinds[i], 130 * MIB);
    }
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        for (size_t j = 0; j < 2; j++) {
            assert_non_null(blocks[i][j]);
            assert_ptr_equal(memkind_detect_kind(blocks[i][j]), kinds[i]);
            memkind_free(NULL, blocks[i][j]);
        }
    fixture_destroy(kinds[0]);
}

static void test_many_kinds_side_by_side(void **state)
{
    memkind_t kinds[KINDS];
    void *blocks[KINDS][COUNT_OF(sizes)];

    (void)state;
    for (size_t i = 0; i < KINDS; i++)
        kinds[i] = fixture_pmem(0);
    for (size_t j = 0; j < COUNT_OF(sizes); j++)
        for (size_t i = 0; i < KINDS; i++)
            blocks[i][j] = memkind_malloc(kinds[i], sizes[j]);
    for (size_t i = 0; i < KINDS; i++)
        for (size_t j = 0; j < COUNT_OF(sizes); j++) {
            assert_non_null(blocks[i][j]);
            assert_ptr_equal(memkind_detect_kind(blocks[i][j]), kinds[i]);
        }
    for (size_t i = 0; i < KINDS; i += 2)
        fixture_destroy(kinds[i]);
    for (size_t i = 0; i < KINDS; i++)
        for (size_t j = 0; j < COUNT_OF(sizes); j++)
            assert_ptr_equal(memkind_detect_kind(blocks[i][j]), i % 2 == 0 ? NULL : kinds[i]);
    for (size_t i = 1; i < KINDS; i += 2)
        fixture_destroy(kinds[i]);
}

static void test_kind_that_has_been_destroyed(void **state)
{
    memkind_t kind = fixture_pmem(0);
    void *block = memkind_malloc(kind, 1000);

    (void)state;
    assert_ptr_equal(memkind_detect_kind(block), kind);
    fixture_destroy(kind);
    expect_none(block);
}

static void test_null(void **state)
{
    (void)state;
    expect_none(NULL);
}

static int constant_data = 1;
static int zero_data;

static void test_addresses_of_the_program(void **state)
{
    int on_stack = 0;

    (void)state;
    expect_none(&on_stack);
    expect_none(&constant_data);
    expect_none(&zero_data);
    expect_none("text");
    expect_none((void *)(uintptr_t)test_addresses_of_the_program);
    expect_none((void *)(uintptr_t)memkind_malloc);
    expect_none((void *)(uintptr_t)printf);
    expect_none(&errno);
    expect_none(state);
}

/* Addresses between, before and after blocks of every kind. */
static void test_memory_of_other_allocators(void **state)
{
    void *ours[] = {memkind_malloc(MEMKIND_DEFAULT, 100), memkind_malloc(MEMKIND_DEFAULT, 3 * MIB),
                    memkind_malloc(MEMKIND_REGULAR, 100)};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        char *block = malloc(sizes[i]);

        assert_non_null(block);
        expect_none(block);
        expect_none(block + sizes[i] / 2);
        free(block);
    }
    for (size_t size = 4096; size <= GIB; size *= 4) {
        char *mapped =
            mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        assert_true(mapped != MAP_FAILED);
        for (size_t at = 0; at < size; at += size / 16)
            expect_none(mapped + at);
        munmap(mapped, size);
        expect_none(mapped);
    }
    for (size_t i = 0; i < COUNT_OF(ours); i++)
        memkind_free(NULL, ours[i]);
}

/* No address makes the call crash, whether it is mapped or cannot be. */
static void test_any_address(void **state)
{
    memkind_t kind = fixture_pmem(0);
    char *block = memkind_malloc(kind, MIB);
    char *block_of_default = memkind_malloc(MEMKIND_DEFAULT, MIB);
    char *block_of_regular = memkind_malloc(MEMKIND_REGULAR, MIB);
    uint64_t random = 88172645463325252u;

    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        const uintptr_t one = (uintptr_t)1 << bit;

        (void)memkind_detect_kind((void *)one);
        (void)memkind_detect_kind((void *)(one - 1));
        (void)memkind_detect_kind((void *)~one);
        (void)memkind_detect_kind((void *)((uintptr_t)block ^ one));
        (void)memkind_detect_kind((void *)((uintptr_t)block_of_default ^ one));
        (void)memkind_detect_kind((void *)((uintptr_t)block_of_regular ^ one));
    }
    for (size_t i = 0; i < RANDOM_TRIES; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (void)memkind_detect_kind((void *)random);
        (void)memkind_detect_kind((void *)(random >> 17));
        (void)memkind_detect_kind(block_of_default + (intptr_t)(random % (8 * GIB)) -
                                  (intptr_t)(4 * GIB));
    }
    expect_none((void *)UINTPTR_MAX);
    expect_none((void *)((uintptr_t)1 << 63));
    expect_none((void *)1);
    memkind_free(kind, block);
    memkind_free(NULL, block_of_default);
    memkind_free(NULL, block_of_regular);
    fixture_destroy(kind);
}

/* Checks every mapped address of the process outside its kinds. */
static int expect_none_in_object(struct dl_phdr_info *object, size_t size, void *opaque)
{
    (void)size;
    (void)opaque;
    for (unsigned i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];

        if (part->p_type == PT_LOAD)
            for (size_t at = 0; at < part->p_memsz; at += 4096)
                expect_none((char *)(object->dlpi_addr + part->p_vaddr) + at);
    }
    return 0;
}

static void test_every_page_of_every_library(void **state)
{
    void *block = memkind_malloc(MEMKIND_DEFAULT, 100);

    (void)state;
    dl_iterate_phdr(expect_none_in_object, NULL);
    memkind_free(MEMKIND_DEFAULT, block);
}

/* -- While kinds come and go ------------------------------------------------------------------- */

static atomic_bool stop;

static void *make_and_destroy(void *unused)
{
    (void)unused;
    while (!stop) {
        memkind_t kind = fixture_pmem(0);

        (void)memkind_malloc(kind, 1000);
        fixture_destroy(kind);
    }
    return NULL;
}

static void test_while_other_kinds_come_and_go(void **state)
{
    memkind_t kind = fixture_pmem(0);
    void *block = memkind_malloc(kind, 1000);
    void *block_of_default = memkind_malloc(MEMKIND_DEFAULT, 1000);
    pthread_t thread;

    (void)state;
    stop = false;
    assert_int_equal(pthread_create(&thread, NULL, make_and_destroy, NULL), 0);
    for (size_t i = 0; i < RANDOM_TRIES; i++) {
        if (memkind_detect_kind(block) != kind ||
            memkind_detect_kind(block_of_default) != MEMKIND_DEFAULT ||
            memkind_detect_kind(&stop) != NULL)
            break;
        if (i == RANDOM_TRIES - 1)
            stop = true;
    }
    bool finished = stop;
    stop = true;
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(finished);
    memkind_free(NULL, block);
    memkind_free(NULL, block_of_default);
    fixture_destroy(kind);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST_ON_ALL(test_blocks_of_the_kind),
        FIXTURE_TEST(test_very_large_blocks),
        FIXTURE_TEST(test_many_kinds_side_by_side),
        FIXTURE_TEST(test_kind_that_has_been_destroyed),
        FIXTURE_TEST(test_null),
        FIXTURE_TEST(test_addresses_of_the_program),
        FIXTURE_TEST(test_memory_of_other_allocators),
        FIXTURE_TEST(test_any_address),
        FIXTURE_TEST(test_every_page_of_every_library),
        FIXTURE_TEST(test_while_other_kinds_come_and_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
