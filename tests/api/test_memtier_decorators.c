/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of libmemtier(3): functions of the program that are called at each operation, and may
 * change its result.
 */
#include "api/fixture.h"

#include "memkind_memtier.h"

#pragma GCC visibility push(default)
void memtier_kind_malloc_post(memkind_t kind, size_t size, void **result);
void memtier_kind_calloc_post(memkind_t kind, size_t num, size_t size, void **result);
void memtier_kind_posix_memalign_post(memkind_t kind, void **memptr, size_t alignment, size_t size,
                                      int *err);
void memtier_kind_realloc_post(memkind_t *kind, void *ptr, size_t size, void **result);
void memtier_kind_free_pre(void **ptr);
void memtier_kind_usable_size_post(void **ptr, size_t size);
#pragma GCC visibility pop

static unsigned mallocs, callocs, memaligns, reallocs, frees, sizes;
static memkind_t seen_kind;
static size_t seen_size;
static bool replace;

void memtier_kind_malloc_post(memkind_t kind, size_t size, void **result)
{
    mallocs++;
    seen_kind = kind;
    seen_size = size;
    if (replace) {
        memkind_free(kind, *result);
        *result = NULL;
    }
}

void memtier_kind_calloc_post(memkind_t kind, size_t num, size_t size, void **result)
{
    callocs++;
    seen_kind = kind;
    seen_size = num * size;
    assert_non_null(*result);
}

void memtier_kind_posix_memalign_post(memkind_t kind, void **memptr, size_t alignment, size_t size,
                                      int *err)
{
    memaligns++;
    seen_kind = kind;
    seen_size = size;
    assert_int_equal((uintptr_t)*memptr % alignment, 0);
    assert_int_equal(*err, 0);
}

void memtier_kind_realloc_post(memkind_t *kind, void *ptr, size_t size, void **result)
{
    reallocs++;
    seen_kind = *kind;
    seen_size = size;
    assert_non_null(ptr);
    assert_non_null(*result);
}

void memtier_kind_free_pre(void **ptr)
{
    frees++;
    if (replace)
        *ptr = NULL;
}

void memtier_kind_usable_size_post(void **ptr, size_t size)
{
    sizes++;
    assert_non_null(*ptr);
    seen_size = size;
}

static void test_each_call(void **state)
{
    memkind_t pmem = *state;
    struct memtier_builder *builder = memtier_builder_new(MEMTIER_POLICY_STATIC_RATIO);
    void *block;

    mallocs = callocs = memaligns = reallocs = frees = sizes = 0;
    assert_int_equal(memtier_builder_add_tier(builder, pmem, 1), 0);
    struct memtier_memory *memory = memtier_builder_construct_memtier_memory(builder);
    memtier_builder_delete(builder);
    for (unsigned i = 1; i <= 100; i++) {
        block = memtier_malloc(memory, i);
        assert_int_equal(mallocs, i);
        assert_int_equal(seen_size, i);
        assert_ptr_equal(seen_kind, pmem);
        memtier_free(block);
        assert_int_equal(frees, i);
    }
    block = memtier_calloc(memory, 3, 50);
    assert_int_equal(callocs, 1);
    assert_int_equal(seen_size, 150);
    block = memtier_realloc(memory, block, 5000);
    assert_int_equal(reallocs, 1);
    assert_int_equal(seen_size, 5000);
    assert_int_equal(memtier_usable_size(block), 5120);
    assert_int_equal(sizes, 1);
    assert_int_equal(seen_size, 5120);
    memtier_kind_free(pmem, block);
    assert_int_equal(frees, 101);
    assert_int_equal(memtier_posix_memalign(memory, &block, 256, 1000), 0);
    assert_int_equal(memaligns, 1);
    memtier_free(block);
    memtier_delete_memtier_memory(memory);
}

static void test_results_replaced(void **state)
{
    memkind_t pmem = *state;
    void *block = memtier_kind_malloc(pmem, 100);

    replace = true;
    memtier_kind_free(pmem, block);
    assert_null(memtier_kind_malloc(pmem, 100));
    replace = false;
    memset(block, 1, 100);
    memtier_kind_free(pmem, block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST_ON_PMEM(test_each_call),
        FIXTURE_TEST_ON_PMEM(test_results_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
