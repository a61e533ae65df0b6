/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The binary interface of memkind 1.14.0: offsets of members and values of constants, which
 * compiled programs contain. Nearly all checks are static assertions. The tests check what only the
 * library's data can show.
 */
#include "api/fixture.h"

#include "memkind/internal/memkind_arena.h"
#include "memkind/internal/memkind_default.h"

#if defined(__LP64__)

/* -- struct memkind_ops ------------------------------------------------------------------------ */

#    define OPERATION_AT(index, member)                                                          \
        _Static_assert(offsetof(struct memkind_ops, member) == (index) * sizeof(void (*)(void)), \
                       #member)
OPERATION_AT(0, create);
OPERATION_AT(1, destroy);
OPERATION_AT(2, malloc);
OPERATION_AT(3, calloc);
OPERATION_AT(4, posix_memalign);
OPERATION_AT(5, realloc);
OPERATION_AT(6, free);
OPERATION_AT(7, mmap);
OPERATION_AT(8, mbind);
OPERATION_AT(9, madvise);
OPERATION_AT(10, get_mmap_flags);
OPERATION_AT(11, get_mbind_mode);
OPERATION_AT(12, get_mbind_nodemask);
OPERATION_AT(13, get_arena);
OPERATION_AT(14, check_available);
OPERATION_AT(15, init_once);
OPERATION_AT(16, finalize);
OPERATION_AT(17, malloc_usable_size);
OPERATION_AT(18, update_memory_usage_policy);
OPERATION_AT(19, get_stat);
OPERATION_AT(20, defrag_reallocate);
_Static_assert(sizeof(struct memkind_ops) == 21 * sizeof(void (*)(void)), "struct memkind_ops");

/* -- struct memkind ---------------------------------------------------------------------------- */

#    define KIND_AT(offset, member) \
        _Static_assert(offsetof(struct memkind, member) == (offset), #member)
KIND_AT(0, ops);
KIND_AT(8, partition);
KIND_AT(12, name);
KIND_AT(76, init_once);
KIND_AT(80, arena_map_len);
KIND_AT(88, arena_map);
KIND_AT(96, arena_key);
KIND_AT(104, priv);
KIND_AT(112, arena_map_mask);
KIND_AT(116, arena_zero);
_Static_assert(sizeof(((struct memkind *)NULL)->name) == 64, "name");
_Static_assert(MEMKIND_NAME_LENGTH_PRIV == 64, "MEMKIND_NAME_LENGTH_PRIV");
_Static_assert(sizeof(struct memkind) >= 120, "struct memkind");

/* -- struct memkind_config, struct memkind_pmem ------------------------------------------------ */

#    define CONFIG_AT(offset, member) \
        _Static_assert(offsetof(struct memkind_config, member) == (offset), #member)
CONFIG_AT(0, pmem_dir);
CONFIG_AT(8, pmem_size);
CONFIG_AT(16, policy);

#    define PMEM_AT(offset, member) \
        _Static_assert(offsetof(struct memkind_pmem, member) == (offset), #member)
PMEM_AT(0, fd);
PMEM_AT(8, offset);
PMEM_AT(16, max_size);
PMEM_AT(24, pmem_lock);
PMEM_AT(24 + sizeof(pthread_mutex_t), current_size);
PMEM_AT(32 + sizeof(pthread_mutex_t), dir);

#endif

/* -- Constants --------------------------------------------------------------------------------- */

#define VALUE(name, value) _Static_assert((name) == (value), #name)

VALUE(MEMKIND_MAX_KIND, 512);
VALUE(MEMKIND_ERROR_MESSAGE_SIZE, 128);
VALUE(MEMKIND_PMEM_MIN_SIZE, 16777216);
VALUE(MEMKIND_PMEM_CHUNK_SIZE, 2097152);
_Static_assert(_Generic(MEMKIND_PMEM_CHUNK_SIZE, unsigned long long : 1, default : 0),
               "a chunk's type");

VALUE(MEMKIND_MEMTYPE_DEFAULT, 1);
VALUE(MEMKIND_MEMTYPE_HIGH_BANDWIDTH, 2);
VALUE(MEMKIND_POLICY_BIND_LOCAL, 0);
VALUE(MEMKIND_POLICY_BIND_ALL, 1);
VALUE(MEMKIND_POLICY_PREFERRED_LOCAL, 2);
VALUE(MEMKIND_POLICY_INTERLEAVE_LOCAL, 3);
VALUE(MEMKIND_POLICY_INTERLEAVE_ALL, 4);
VALUE(MEMKIND_POLICY_MAX_VALUE, 5);
VALUE(MEMKIND_MASK_PAGE_SIZE_2MB, 21);

VALUE(MEMKIND_SUCCESS, 0);
VALUE(MEMKIND_ERROR_UNAVAILABLE, -1);
VALUE(MEMKIND_ERROR_MBIND, -2);
VALUE(MEMKIND_ERROR_MMAP, -3);
VALUE(MEMKIND_ERROR_MALLOC, -6);
VALUE(MEMKIND_ERROR_ENVIRON, -12);
VALUE(MEMKIND_ERROR_INVALID, -13);
VALUE(MEMKIND_ERROR_TOOMANY, -15);
VALUE(MEMKIND_ERROR_BADOPS, -17);
VALUE(MEMKIND_ERROR_HUGETLB, -18);
VALUE(MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE, -20);
VALUE(MEMKIND_ERROR_OPERATION_FAILED, -21);
VALUE(MEMKIND_ERROR_ARENAS_CREATE, -22);
VALUE(MEMKIND_ERROR_RUNTIME, -255);

VALUE(MEMKIND_MEM_USAGE_POLICY_DEFAULT, 0);
VALUE(MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE, 1);
VALUE(MEMKIND_MEM_USAGE_POLICY_MAX_VALUE, 2);
VALUE(MEMKIND_STAT_TYPE_RESIDENT, 0);
VALUE(MEMKIND_STAT_TYPE_ACTIVE, 1);
VALUE(MEMKIND_STAT_TYPE_ALLOCATED, 2);
VALUE(MEMKIND_STAT_TYPE_MAX_VALUE, 3);

VALUE(MEMKIND_STAT_PRINT_ALL, 0);
VALUE(MEMKIND_STAT_PRINT_JSON_FORMAT, 1);
VALUE(MEMKIND_STAT_PRINT_OMIT_GENERAL, 2);
VALUE(MEMKIND_STAT_PRINT_OMIT_MERGED_ARENA, 4);
VALUE(MEMKIND_STAT_PRINT_OMIT_DESTROYED_MERGED_ARENA, 8);
VALUE(MEMKIND_STAT_PRINT_OMIT_PER_ARENA, 16);
VALUE(MEMKIND_STAT_PRINT_OMIT_PER_SIZE_CLASS_BINS, 32);
VALUE(MEMKIND_STAT_PRINT_OMIT_PER_SIZE_CLASS_LARGE, 64);
VALUE(MEMKIND_STAT_PRINT_OMIT_MUTEX, 128);
VALUE(MEMKIND_STAT_PRINT_OMIT_EXTENT, 256);

VALUE(MEMKIND_PARTITION_DEFAULT, 0);
VALUE(MEMKIND_PARTITION_HBW, 1);
VALUE(MEMKIND_PARTITION_REGULAR, 11);
VALUE(MEMKIND_PARTITION_DAX_KMEM, 14);
VALUE(MEMKIND_PARTITION_HIGHEST_CAPACITY, 18);
VALUE(MEMKIND_PARTITION_HIGHEST_BANDWIDTH_LOCAL_PREFERRED, 25);
VALUE(MEMKIND_NUM_BASE_KIND, 26);

/* -- What the library holds -------------------------------------------------------------------- */

static void test_kinds_of_the_library(void **state)
{
    (void)state;
    assert_ptr_equal(MEMKIND_DEFAULT->ops, &MEMKIND_DEFAULT_OPS);
    assert_int_equal(MEMKIND_DEFAULT->partition, MEMKIND_PARTITION_DEFAULT);
    assert_string_equal(MEMKIND_DEFAULT->name, "memkind_default");
    assert_ptr_equal(MEMKIND_REGULAR->ops, &MEMKIND_REGULAR_OPS);
    assert_int_equal(MEMKIND_REGULAR->partition, MEMKIND_PARTITION_REGULAR);
    assert_string_equal(MEMKIND_REGULAR->name, "memkind_regular");
}

static void test_a_pmem_kind(void **state)
{
    memkind_t kind = fixture_pmem(MEMKIND_PMEM_MIN_SIZE);
    struct memkind_pmem *pmem = kind->priv;

    (void)state;
    assert_ptr_equal(kind->ops, &MEMKIND_PMEM_OPS);
    assert_in_range(kind->partition, MEMKIND_NUM_BASE_KIND,
                    MEMKIND_NUM_BASE_KIND + MEMKIND_MAX_KIND - 1);
    assert_in_range(strnlen(kind->name, sizeof(kind->name)), 1, sizeof(kind->name) - 1);
    assert_int_equal(pmem->max_size, MEMKIND_PMEM_MIN_SIZE);
    assert_int_equal(pmem->current_size, 0);
    assert_string_equal(pmem->dir, fixture_dir);
    void *block = memkind_malloc(kind, 3 * MIB);
    assert_true(fixture_current_size(kind) >= 3 * MIB);
    assert_true(pmem->offset > 0);
    /* The arena map has the first arena, and an entry for each thread. */
    unsigned arena;
    assert_int_equal(memkind_thread_get_arena(kind, &arena, 0), MEMKIND_SUCCESS);
    size_t found = 0;
    for (size_t i = 0; i < kind->arena_map_len; i++)
        found += kind->arena_map[i] == arena;
    assert_true(found >= 1);
    assert_int_equal(kind->arena_zero, kind->arena_map[0]);
    memkind_free(kind, block);
    fixture_destroy(kind);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_kinds_of_the_library),
        FIXTURE_TEST(test_a_pmem_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
