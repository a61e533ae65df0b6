/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Report: a program that requested 2 TiB waited 50 s for its NULL, and then had no addresses left.
 */
#include "api/fixture.h"

#include <pthread.h>
#include <sys/mount.h>

#include "support/own_mounts.h"

#define TIB     ((size_t)1 << 40)
#define THREADS 16
/* Addresses that all requests together may take. The first heap takes some. */
#define FEW (64 * GIB)

static size_t addresses(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long pages = 0;

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu", &pages), 1);
    fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void *use_arena(void *kind)
{
    void *block = memkind_malloc(kind, 100 * KIB);

    assert_non_null(block);
    memkind_free(kind, block);
    return NULL;
}

/* Makes the kind create as many arenas as it may have. */
static void use_all_arenas(memkind_t kind)
{
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_arena, kind), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void ask_in_vain(memkind_t kind, size_t size)
{
    void *aligned = &kind;

    errno = 0;
    assert_null(memkind_malloc(kind, size));
    assert_int_equal(errno, ENOMEM);
    assert_null(memkind_calloc(kind, size / 8, 8));
    assert_int_equal(memkind_posix_memalign(kind, &aligned, 4 * KIB, size), ENOMEM);
    assert_ptr_equal(kind->ops->mmap(kind, NULL, size), MAP_FAILED);
    char *block = memkind_malloc(kind, 100 * KIB);
    assert_non_null(block);
    memset(block, 1, 100 * KIB);
    assert_null(memkind_realloc(kind, block, size));
    memkind_free(kind, block);
}

static void ask_for_all_sizes(memkind_t kind)
{
    use_all_arenas(kind);
    size_t before = addresses();
    for (size_t size = TIB / 8; size < 128 * TIB; size += size / 5)
        ask_in_vain(kind, size);
    assert_true(addresses() - before < FEW);
    /* Memory that exists can still be allocated. */
    char *large = memkind_malloc(kind, 80 * MIB);
    assert_non_null(large);
    memset(large, 1, 80 * MIB);
    memkind_free(kind, large);
}

static void test_kind_larger_than_its_file_system(void **state)
{
    (void)state;
    memkind_t kind = fixture_pmem(200 * TIB);
    ask_for_all_sizes(kind);
    fixture_destroy(kind);
}

static void test_kind_without_limit(void **state)
{
    (void)state;
    memkind_t kind = fixture_pmem(0);
    ask_for_all_sizes(kind);
    fixture_destroy(kind);
}

/* A tmpfs that is mounted with size=0 reports no size. */
static void test_file_system_without_size(void **state)
{
    (void)state;
    if (geteuid() != 0 || !own_mounts() || mount("none", fixture_dir, "tmpfs", 0, "size=0") != 0)
        skip();
    memkind_t kind = fixture_pmem(0);
    ask_for_all_sizes(kind);
    fixture_destroy(kind);
    assert_int_equal(umount2(fixture_dir, MNT_DETACH), 0);
}

/* Addresses are cut off for an alignment. Neither they nor offsets of the file are kept. */
static void test_huge_alignment(void **state)
{
    (void)state;
    /* The sanitizer leaves a program few addresses. */
    if (FIXTURE_TSAN)
        skip();
    memkind_t kind = fixture_pmem(0);
    use_all_arenas(kind);
    size_t before = addresses();
    for (size_t alignment = GIB; alignment <= 128 * TIB; alignment *= 2) {
        void *block = NULL;
        int err = memkind_posix_memalign(kind, &block, alignment, 100);

        assert_true(err == 0 || (err == ENOMEM && alignment > TIB));
        if (err == 0) {
            assert_int_equal((uintptr_t)block % alignment, 0);
            memset(block, 1, 100);
        }
        memkind_free(kind, block);
    }
    assert_true(addresses() - before < FEW);
    fixture_destroy(kind);
}

/* Returns whether the kernel would refuse malloc(3) this size under its overcommit policy. */
static bool is_refused_by_kernel(size_t size)
{
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (map != MAP_FAILED)
        munmap(map, size);
    return map == MAP_FAILED;
}

/*
 * Kinds whose memory is not in a file: the kernel's overcommit policy decides. It refused 2 TiB to
 * malloc(3), and these kinds gave 64 threads 124 TiB of addresses, in 40 s and with 8 GB of DRAM.
 */
static void test_more_than_all_memory(void **state)
{
    static const memkind_t *kinds[] = {&MEMKIND_REGULAR, &MEMKIND_INTERLEAVE};
    size_t memory = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);

    (void)state;
    if (!is_refused_by_kernel(2 * TIB))
        skip();
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        memkind_t kind = *kinds[i];
        use_all_arenas(kind);
        size_t before = addresses();

        for (size_t size = 2 * TIB; size < 100 * TIB; size += size / 5) {
            void *aligned = NULL;
            errno = 0;
            assert_null(memkind_malloc(kind, size));
            assert_int_equal(errno, ENOMEM);
            assert_null(memkind_calloc(kind, size / 8, 8));
            assert_int_equal(memkind_posix_memalign(kind, &aligned, 4 * KIB, size), ENOMEM);
        }
        assert_true(addresses() - before < GIB);
        /* A possible size can be allocated, and errno is unchanged. */
        errno = 77;
        char *block = memkind_malloc(kind, memory / 4);
        assert_non_null(block);
        assert_int_equal(errno, 77);
        memset(block, 1, MIB);
        memkind_free(kind, block);
    }
}

static void test_kinds_in_memory(void **state)
{
    static const memkind_t *kinds[] = {&MEMKIND_REGULAR, &MEMKIND_INTERLEAVE, &MEMKIND_HUGETLB};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        memkind_t kind = *kinds[i];
        size_t before = addresses();

        for (size_t size = 100 * TIB; size < 1000 * TIB; size += size / 5) {
            assert_null(memkind_malloc(kind, size));
            if (kind == MEMKIND_HUGETLB)
                assert_null(memkind_malloc(kind, size / 1000));
        }
        assert_true(addresses() - before < FEW);
    }
}

int main(void)
{
    setenv("MEMKIND_ARENA_NUM_PER_KIND", "16", 1);
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_kind_larger_than_its_file_system),
        FIXTURE_TEST(test_kind_without_limit),
        FIXTURE_TEST(test_file_system_without_size),
        FIXTURE_TEST(test_huge_alignment),
        FIXTURE_TEST(test_more_than_all_memory),
        FIXTURE_TEST(test_kinds_in_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
