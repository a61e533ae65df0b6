/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tests of large pages on tmpfs: blocks lie in such pages, under CONSERVATIVE also where the mount
 * has none of its own (huge=never, the default). With that and with huge=advise, the account of
 * file space stays exact. With the other two options, the kernel decides how much space a small
 * piece takes. Also tests of MADV_POPULATE_WRITE (prefault).
 */
#include "api/fixture.h"

#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "support/own_mounts.h"

#define LARGE_PAGE   (2 * MIB)
#define FS_OPTIONS   64
#define ROUNDS       4000
#define LIVE         400
#define ROUNDS_LARGE 5

#ifndef MADV_COLLAPSE
#    define MADV_COLLAPSE 25 /* since glibc 2.37 */
#endif

static bool mounted;
static bool kernel_adds_pages; /* the mount lets khugepaged fill holes of the file */

/*
 * Returns how many large pages the kernel has assembled from small ones, for any process. -1:
 * unknown.
 */
static long collapses(void)
{
    FILE *file = fopen("/proc/vmstat", "re");
    char line[256];
    long count = -1;

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "thp_collapse_alloc %ld", &count) == 1)
            break;
    fclose(file);
    return count;
}

static long collapses_before;

static int mount_setup(void **state)
{
    /* Before the fixture records anything, and for the whole process: see test_limits.c. */
    bool apart = geteuid() == 0 && own_mounts();
    const char *huge = *state;
    char options[FS_OPTIONS];

    snprintf(options, sizeof(options), "size=512m,huge=%s", huge);
    int result = fixture_setup(state);
    collapses_before = collapses();
    kernel_adds_pages = strcmp(huge, "never") != 0;
    mounted = apart && mount("none", fixture_dir, "tmpfs", 0, options) == 0;
    return result;
}

static int mount_teardown(void **state)
{
    if (mounted && umount2(fixture_dir, MNT_DETACH) != 0)
        return -1;
    return fixture_teardown(state);
}

/* Returns a sum over the process's mappings, in bytes. */
static size_t mapped(const char *field)
{
    FILE *file = fopen("/proc/self/smaps_rollup", "re");
    size_t length = strlen(field);
    char line[256];
    unsigned long kib = 0;

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, field, length) == 0 && line[length] == ':') {
            kib = strtoul(line + length + 1, NULL, 10);
            break;
        }
    fclose(file);
    return kib * KIB;
}

/* Returns how much of files in memory is mapped by large pages. */
static size_t mapped_large(void)
{
    return mapped("ShmemPmdMapped");
}

/*
 * Returns whether files in the directory can get large pages, by themselves or by collapsing: 64
 * MiB of them, more than by chance.
 */
static bool has_large_pages(bool collapse)
{
    const size_t size = 64 * MIB;
    int fd = open(fixture_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    char *reserved = mmap(NULL, size + LARGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t before = mapped_large();

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    assert_ptr_not_equal(reserved, MAP_FAILED);
    char *addr = reserved + (-(uintptr_t)reserved & (LARGE_PAGE - 1));
    assert_ptr_not_equal(mmap(addr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0),
                         MAP_FAILED);
    madvise(addr, size, MADV_HUGEPAGE);
    memset(addr, 1, size);
    if (collapse)
        madvise(addr, size, MADV_COLLAPSE);
    bool all = mapped_large() - before >= size;
    munmap(reserved, size + LARGE_PAGE);
    close(fd);
    return all;
}

/*
 * The kernel thread khugepaged fills the holes around pages in use, and the file then holds more.
 */
static void check_accounts(memkind_t kind)
{
    size_t held = fixture_file_space(kind);

    if (kernel_adds_pages && collapses() != collapses_before)
        assert_true(held >= fixture_current_size(kind));
    else
        assert_int_equal(held, fixture_current_size(kind));
}

static void test_blocks_lie_in_large_pages(void **state)
{
    (void)state;
    if (!mounted)
        skip();
    for (int conservative = 0; conservative <= 1; conservative++) {
        memkind_t kind = conservative ? fixture_conservative_pmem(0) : fixture_pmem(0);
        size_t before = mapped_large();
        size_t most = 0;

        /* Other processes may have taken the free large pages meanwhile. */
        for (int round = 0; round < ROUNDS_LARGE && most < 60 * MIB; round++) {
            if (!has_large_pages(false))
                continue;
            char *large = memkind_malloc(kind, 64 * MIB);
            assert_non_null(large);
            memset(large, 1, 64 * MIB);
            if (mapped_large() - before > most)
                most = mapped_large() - before;
            memkind_free(kind, large);
            if (!conservative) {
                fixture_destroy(kind);
                kind = fixture_pmem(0);
            }
        }
        if (most == 0)
            print_message("no large pages are free on this machine\n");
        else
            assert_true(most >= 60 * MIB);
        fixture_destroy(kind);
    }
}

/* Nothing is resident before the first use, and all space goes back at once. */
static void check_collapsed(memkind_t kind)
{
    size_t before = mapped_large();
    size_t earlier = mapped("Rss");
    char *block = memkind_malloc(kind, 32 * MIB);

    assert_non_null(block);
    assert_true(mapped("Rss") < earlier + 2 * MIB);
    memset(block, 1, 32 * MIB);
    size_t large = mapped_large() - before;
    assert_int_equal(fixture_file_space(kind), fixture_current_size(kind));
    memkind_free(kind, block);
    assert_int_equal(fixture_file_space(kind), fixture_current_size(kind));
    assert_true(fixture_file_space(kind) < 2 * MIB);
    if (has_large_pages(true))
        assert_true(large >= 28 * MIB);
    else
        print_message("this kernel collapses nothing, or has no large pages free\n");
}

static void test_blocks_are_collapsed(void **state)
{
    (void)state;
    if (!mounted)
        skip();
    memkind_t kind = fixture_conservative_pmem(0);
    check_collapsed(kind);
    fixture_destroy(kind);
}

static size_t some_size(unsigned *seed)
{
    unsigned random = (unsigned)rand_r(seed);

    return ((size_t)8 << random % 18) + random % 8;
}

static void use_at_random(memkind_t kind, size_t max_size)
{
    static char *blocks[LIVE];
    unsigned seed = 1;

    memset(blocks, 0, sizeof(blocks));
    for (int i = 0; i < ROUNDS; i++) {
        char **block = &blocks[rand_r(&seed) % LIVE];

        memkind_free(kind, *block);
        *block = memkind_malloc(kind, some_size(&seed));
        if (*block != NULL)
            **block = 1;
        check_accounts(kind);
        assert_true(max_size == 0 || fixture_current_size(kind) <= max_size);
    }
    for (int i = 0; i < LIVE; i++)
        memkind_free(kind, blocks[i]);
    check_accounts(kind);
}

static void test_accounts_are_those_of_the_file(void **state)
{
    static const size_t sizes[] = {0, MEMKIND_PMEM_MIN_SIZE};

    (void)state;
    if (!mounted)
        skip();
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        memkind_t kind = fixture_pmem(sizes[i]);
        use_at_random(kind, sizes[i]);
        fixture_destroy(kind);
        kind = fixture_conservative_pmem(sizes[i]);
        use_at_random(kind, sizes[i]);
        fixture_destroy(kind);
    }
}

static long page_faults(void)
{
    struct rusage usage;

    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_minflt + usage.ru_majflt;
}

static void test_prefault(void **state)
{
    struct memkind_config *config = memkind_config_new();
    memkind_t kind;

    (void)state;
    memkind_config_set_path(config, fixture_dir);
    memkind_config_set_prefault(config, true);
    assert_int_equal(memkind_create_pmem_with_config(config, &kind), MEMKIND_SUCCESS);
    memkind_config_delete(config);
    char *large = memkind_malloc(kind, 8 * MIB);
    assert_non_null(large);
    long before = page_faults();
    memset(large, 1, 8 * MIB);
    /* Without: 2,048 faults, or 4 on large pages. Sanitizers add faults of their own. */
    assert_true(FIXTURE_TSAN || FIXTURE_ASAN || page_faults() - before < 3);
    fixture_destroy(kind);
}

#define MOUNT_TEST(function, huge)                                                           \
    {                                                                                        \
#        function " " huge, function, mount_setup, mount_teardown, (void *)(uintptr_t)(huge) \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        MOUNT_TEST(test_blocks_lie_in_large_pages, "advise"),
        MOUNT_TEST(test_blocks_lie_in_large_pages, "within_size"),
        MOUNT_TEST(test_blocks_lie_in_large_pages, "always"),
        MOUNT_TEST(test_blocks_are_collapsed, "never"),
        MOUNT_TEST(test_accounts_are_those_of_the_file, "never"),
        MOUNT_TEST(test_accounts_are_those_of_the_file, "advise"),
        FIXTURE_TEST(test_prefault),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
