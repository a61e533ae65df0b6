/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of statistics, capacity, version, error texts and other queries. */
#include "api/fixture.h"

#include <dirent.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/statvfs.h>

#define GUARD       '#'
#define REPORT_SIZE (4 * MIB)

static const size_t sizes[] = {1, 8, 100, 1000, 4096, 14336, 16 * KIB, 100 * KIB, MIB, 3 * MIB};

static size_t statistic(memkind_t kind, memkind_stat_type stat)
{
    size_t value = SIZE_MAX;

    assert_int_equal(memkind_get_stat(kind, stat, &value), MEMKIND_SUCCESS);
    assert_int_not_equal(value, SIZE_MAX);
    return value;
}

static size_t statistic_now(memkind_t kind, memkind_stat_type stat)
{
    assert_int_equal(memkind_update_cached_stats(), MEMKIND_SUCCESS);
    return statistic(kind, stat);
}

/* -- Statistics -------------------------------------------------------------------------------- */

static void test_allocated_is_the_sum_of_blocks(void **state)
{
    memkind_t kind = *state;
    size_t before = statistic_now(kind, MEMKIND_STAT_TYPE_ALLOCATED);
    void *blocks[COUNT_OF(sizes)];
    size_t sum = 0;

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        blocks[i] = memkind_malloc(kind, sizes[i]);
        assert_non_null(blocks[i]);
        sum += memkind_malloc_usable_size(kind, blocks[i]);
    }
    assert_int_equal(statistic_now(kind, MEMKIND_STAT_TYPE_ALLOCATED) - before, sum);
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        memkind_free(kind, blocks[i]);
    assert_int_equal(statistic_now(kind, MEMKIND_STAT_TYPE_ALLOCATED), before);
}

/* The default heap has jemalloc's thread caches, whose blocks count as allocated. */
static void test_allocated_of_the_default_heap(void **state)
{
    size_t before = statistic_now(MEMKIND_DEFAULT, MEMKIND_STAT_TYPE_ALLOCATED);
    void *block = memkind_malloc(MEMKIND_DEFAULT, 32 * MIB);

    (void)state;
    assert_non_null(block);
    assert_true(statistic_now(MEMKIND_DEFAULT, MEMKIND_STAT_TYPE_ALLOCATED) >= before + 32 * MIB);
    memkind_free(MEMKIND_DEFAULT, block);
    assert_true(statistic_now(MEMKIND_DEFAULT, MEMKIND_STAT_TYPE_ALLOCATED) <= before + MIB);
}

static void test_active_is_pages_with_blocks(void **state)
{
    memkind_t kind = *state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t before = statistic_now(kind, MEMKIND_STAT_TYPE_ACTIVE);
    void *block = memkind_malloc(kind, 3 * MIB);

    assert_non_null(block);
    assert_int_equal(before % page, 0);
    assert_int_equal(statistic_now(kind, MEMKIND_STAT_TYPE_ACTIVE) - before,
                     memkind_malloc_usable_size(kind, block));
    memkind_free(kind, block);
    assert_int_equal(statistic_now(kind, MEMKIND_STAT_TYPE_ACTIVE), before);
}

static void *allocate_and_free(void *kind)
{
    static void *blocks[2000];

    for (size_t size = 16; size <= 12000; size *= 3) {
        for (size_t i = 0; i < COUNT_OF(blocks); i++) {
            blocks[i] = memkind_malloc(kind, size);
            assert_non_null(blocks[i]);
        }
        for (size_t i = 0; i < COUNT_OF(blocks); i++)
            memkind_free(kind, blocks[i]);
    }
    return NULL;
}

/* Free blocks in this thread's cache and in those of ended threads are in no active page. */
static void test_active_without_blocks(void **state)
{
    memkind_t kind = *state;
    pthread_t thread;

    allocate_and_free(kind);
    assert_int_equal(statistic_now(kind, MEMKIND_STAT_TYPE_ACTIVE), 0);
    assert_int_equal(pthread_create(&thread, NULL, allocate_and_free, kind), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(statistic_now(kind, MEMKIND_STAT_TYPE_ACTIVE), 0);
}

static void test_resident_active_allocated_are_in_order(void **state)
{
    memkind_t kind = *state;
    void *blocks[COUNT_OF(sizes)];

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        blocks[i] = memkind_malloc(kind, sizes[i]);
        size_t allocated = statistic_now(kind, MEMKIND_STAT_TYPE_ALLOCATED);
        size_t active = statistic(kind, MEMKIND_STAT_TYPE_ACTIVE);
        size_t resident = statistic(kind, MEMKIND_STAT_TYPE_RESIDENT);

        assert_true(allocated > 0);
        assert_true(allocated <= active);
        assert_true(active <= resident);
    }
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        memkind_free(kind, blocks[i]);
}

static void test_library_is_the_sum_of_kinds(void **state)
{
    static const memkind_stat_type stats[] = {MEMKIND_STAT_TYPE_ALLOCATED, MEMKIND_STAT_TYPE_ACTIVE,
                                              MEMKIND_STAT_TYPE_RESIDENT};
    const memkind_t kinds[] = {fixture_pmem(0), fixture_pmem(0), MEMKIND_DEFAULT, MEMKIND_REGULAR};
    void *blocks[COUNT_OF(kinds)];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        blocks[i] = memkind_malloc(kinds[i], (i + 1) * MIB);
    assert_int_equal(memkind_update_cached_stats(), MEMKIND_SUCCESS);
    for (size_t i = 0; i < COUNT_OF(stats); i++) {
        size_t sum = 0;

        for (size_t j = 0; j < COUNT_OF(kinds); j++)
            sum += statistic(kinds[j], stats[i]);
        assert_true(statistic(NULL, stats[i]) >= sum);
    }
    assert_int_equal(statistic(NULL, MEMKIND_STAT_TYPE_ALLOCATED),
                     statistic(kinds[0], MEMKIND_STAT_TYPE_ALLOCATED) +
                         statistic(kinds[1], MEMKIND_STAT_TYPE_ALLOCATED) +
                         statistic(MEMKIND_DEFAULT, MEMKIND_STAT_TYPE_ALLOCATED) +
                         statistic(MEMKIND_REGULAR, MEMKIND_STAT_TYPE_ALLOCATED));
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        memkind_free(kinds[i], blocks[i]);
    fixture_destroy(kinds[0]);
    fixture_destroy(kinds[1]);
}

static void test_kinds_are_counted_apart(void **state)
{
    memkind_t first = fixture_pmem(0);
    memkind_t second = fixture_pmem(0);
    void *block = memkind_malloc(first, 5 * MIB);

    (void)state;
    assert_int_equal(statistic_now(first, MEMKIND_STAT_TYPE_ALLOCATED), 5 * MIB);
    assert_int_equal(statistic_now(second, MEMKIND_STAT_TYPE_ALLOCATED), 0);
    assert_int_equal(statistic(second, MEMKIND_STAT_TYPE_ACTIVE), 0);
    memkind_free(first, block);
    fixture_destroy(first);
    /* The next kind, which may get the same arena, starts at 0. */
    first = fixture_pmem(0);
    assert_int_equal(statistic_now(first, MEMKIND_STAT_TYPE_ALLOCATED), 0);
    fixture_destroy(first);
    fixture_destroy(second);
}

static void test_statistics_change_when_they_are_updated(void **state)
{
    memkind_t kind = *state;
    size_t before = statistic_now(kind, MEMKIND_STAT_TYPE_ALLOCATED);
    void *block = memkind_malloc(kind, 3 * MIB);

    assert_non_null(block);
    assert_int_equal(statistic(kind, MEMKIND_STAT_TYPE_ALLOCATED), before);
    assert_true(statistic_now(kind, MEMKIND_STAT_TYPE_ALLOCATED) >= before + 3 * MIB);
    memkind_free(kind, block);
}

/* Updates the statistics until *stop. */
static void *update_statistics(void *stop)
{
    while (!atomic_load((atomic_bool *)stop))
        if (memkind_update_cached_stats() != MEMKIND_SUCCESS)
            return stop;
    return NULL;
}

/* Finds races only under the thread sanitizer. */
static void test_statistics_while_they_are_updated(void **state)
{
    enum { ROUNDS = 2000 };
    memkind_t kind = *state;
    atomic_bool stop = false;
    pthread_t thread;
    void *failed;

    assert_int_equal(pthread_create(&thread, NULL, update_statistics, &stop), 0);
    for (int i = 0; i < ROUNDS; i++) {
        void *block = memkind_malloc(kind, 100);

        assert_true(statistic(kind, MEMKIND_STAT_TYPE_ALLOCATED) <=
                    statistic(kind, MEMKIND_STAT_TYPE_RESIDENT) + MIB);
        memkind_free(kind, block);
    }
    atomic_store(&stop, true);
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
}

/*
 * A kind that is younger than the last update has statistics of 0. memkind 1.14 returns an error.
 */
static void test_statistics_before_the_first_update(void **state)
{
    static const memkind_stat_type stats[] = {MEMKIND_STAT_TYPE_ALLOCATED, MEMKIND_STAT_TYPE_ACTIVE,
                                              MEMKIND_STAT_TYPE_RESIDENT};
    memkind_t kind;

    (void)state;
    assert_int_equal(memkind_update_cached_stats(), MEMKIND_SUCCESS);
    kind = fixture_pmem(0);
    void *block = memkind_malloc(kind, MIB);
    for (size_t i = 0; i < COUNT_OF(stats); i++) {
        size_t value = SIZE_MAX;

        assert_int_equal(memkind_get_stat(kind, stats[i], &value), MEMKIND_SUCCESS);
        assert_int_equal(value, 0);
    }
    memkind_free(kind, block);
    fixture_destroy(kind);
}

static void test_statistics_that_are_none(void **state)
{
    static const int stats[] = {-1, MEMKIND_STAT_TYPE_MAX_VALUE, 4, 99, INT_MAX, INT_MIN};
    memkind_t kinds[] = {*state, NULL};
    size_t value = 77;

    /* Before and after an update that counts the new kind. */
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT_OF(stats); i++)
            for (size_t j = 0; j < COUNT_OF(kinds); j++)
                assert_int_equal(memkind_get_stat(kinds[j], (memkind_stat_type)stats[i], &value),
                                 MEMKIND_ERROR_INVALID);
        for (size_t j = 0; j < COUNT_OF(kinds); j++)
            assert_int_equal(memkind_get_stat(kinds[j], MEMKIND_STAT_TYPE_ACTIVE, NULL),
                             MEMKIND_ERROR_INVALID);
        assert_int_equal(memkind_update_cached_stats(), MEMKIND_SUCCESS);
    }
}

/* -- The report -------------------------------------------------------------------------------- */

struct report {
    char *text;
    size_t length;
    bool other_opaque;
};

static struct report report;

static void write_report(void *opaque, const char *piece)
{
    size_t length = strlen(piece);

    if (opaque != &report)
        report.other_opaque = true;
    if (report.length + length < REPORT_SIZE) {
        memcpy(report.text + report.length, piece, length + 1);
        report.length += length;
    }
}

/* Returns the length of the report with these options. */
static size_t print(unsigned options)
{
    if (report.text == NULL)
        report.text = malloc(REPORT_SIZE);
    assert_non_null(report.text);
    report.length = 0;
    report.text[0] = '\0';
    report.other_opaque = false;
    assert_int_equal(memkind_stats_print(write_report, &report, (memkind_stat_print_opt)options),
                     MEMKIND_SUCCESS);
    assert_false(report.other_opaque);
    return report.length;
}

static void test_report(void **state)
{
    memkind_t kind = fixture_pmem(0);
    void *block = memkind_malloc(kind, MIB);
    size_t whole = print(MEMKIND_STAT_PRINT_ALL);

    (void)state;
    assert_true(whole > 0);
    assert_non_null(strstr(report.text, "jemalloc"));
    assert_true(report.text[0] != '{');
    memkind_free(kind, block);
    fixture_destroy(kind);
    free(report.text);
    report.text = NULL;
}

static void test_report_in_json(void **state)
{
    long depth = 0;
    size_t length = print(MEMKIND_STAT_PRINT_JSON_FORMAT);

    (void)state;
    assert_true(length > 2);
    assert_int_equal(report.text[0], '{');
    for (size_t i = 0; i < length; i++) {
        depth += report.text[i] == '{' || report.text[i] == '[';
        depth -= report.text[i] == '}' || report.text[i] == ']';
        assert_true(depth >= 0);
    }
    assert_int_equal(depth, 0);
    free(report.text);
    report.text = NULL;
}

static void test_report_leaves_out(void **state)
{
    static const unsigned options[] = {
        MEMKIND_STAT_PRINT_OMIT_GENERAL,
        MEMKIND_STAT_PRINT_OMIT_MERGED_ARENA,
        MEMKIND_STAT_PRINT_OMIT_PER_ARENA,
        MEMKIND_STAT_PRINT_OMIT_PER_SIZE_CLASS_BINS,
        MEMKIND_STAT_PRINT_OMIT_PER_SIZE_CLASS_LARGE,
        MEMKIND_STAT_PRINT_OMIT_MUTEX,
        MEMKIND_STAT_PRINT_OMIT_EXTENT,
    };
    memkind_t kind = fixture_pmem(0);
    void *block = memkind_malloc(kind, 100);
    void *large = memkind_malloc(kind, MIB);
    unsigned all = MEMKIND_STAT_PRINT_OMIT_DESTROYED_MERGED_ARENA;
    size_t whole = print(MEMKIND_STAT_PRINT_ALL);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        assert_true(print(options[i]) < whole);
        assert_true(print(options[i] | MEMKIND_STAT_PRINT_JSON_FORMAT) > 0);
        assert_int_equal(report.text[0], '{');
        all |= options[i];
    }
    assert_true(print(MEMKIND_STAT_PRINT_OMIT_DESTROYED_MERGED_ARENA) <= whole);
    assert_true(print(all) < whole / 4);
    memkind_free(kind, block);
    memkind_free(kind, large);
    fixture_destroy(kind);
    free(report.text);
    report.text = NULL;
}

static void test_report_with_options_that_are_none(void **state)
{
    static const unsigned options[] = {1u << 9, 1u << 10, 1u << 31, UINT_MAX,
                                       MEMKIND_STAT_PRINT_JSON_FORMAT | 1u << 9};

    (void)state;
    print(MEMKIND_STAT_PRINT_ALL);
    report.length = 0;
    for (size_t i = 0; i < COUNT_OF(options); i++)
        assert_int_equal(
            memkind_stats_print(write_report, &report, (memkind_stat_print_opt)options[i]),
            MEMKIND_ERROR_INVALID);
    assert_int_equal(report.length, 0);
    free(report.text);
    report.text = NULL;
}

static void drop_report(void *opaque, const char *piece)
{
    (void)opaque;
    (void)piece;
}

/* Prints reports until *stop. */
static void *print_reports(void *stop)
{
    while (!atomic_load((atomic_bool *)stop))
        if (memkind_stats_print(drop_report, NULL, MEMKIND_STAT_PRINT_ALL) != MEMKIND_SUCCESS)
            return stop;
    return NULL;
}

/* jemalloc aborts if an arena is destroyed while jemalloc reports on it. */
static void test_report_while_kinds_end(void **state)
{
    enum { ROUNDS = 300 };
    atomic_bool stop = false;
    pthread_t thread;
    void *failed;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, print_reports, &stop), 0);
    for (int i = 0; i < ROUNDS; i++) {
        memkind_t kind = fixture_pmem(0);

        assert_non_null(memkind_malloc(kind, MIB));
        fixture_destroy(kind);
    }
    atomic_store(&stop, true);
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
}

/* Returns the length of what the function writes to standard error. */
static size_t printed_to_stderr(unsigned options, int *result)
{
    int file = memfd_create("stderr", MFD_CLOEXEC);
    int old = dup(STDERR_FILENO);
    struct stat status;

    assert_true(file >= 0);
    assert_true(old >= 0);
    assert_int_equal(dup2(file, STDERR_FILENO), STDERR_FILENO);
    *result = memkind_stats_print(NULL, NULL, (memkind_stat_print_opt)options);
    assert_int_equal(dup2(old, STDERR_FILENO), STDERR_FILENO);
    close(old);
    assert_int_equal(fstat(file, &status), 0);
    close(file);
    return (size_t)status.st_size;
}

static void test_report_to_stderr(void **state)
{
    int result;

    (void)state;
    assert_true(printed_to_stderr(MEMKIND_STAT_PRINT_ALL, &result) > 0);
    assert_int_equal(result, MEMKIND_SUCCESS);
    assert_int_equal(printed_to_stderr(1u << 20, &result), 0);
    assert_int_equal(result, MEMKIND_ERROR_INVALID);
}

/* -- Capacity, version and other queries ------------------------------------------------------- */

static void test_capacity(void **state)
{
    memkind_t kind = fixture_pmem(MEMKIND_PMEM_MIN_SIZE);
    memkind_t unlimited = fixture_pmem(0);
    struct statvfs fs;

    (void)state;
    assert_int_equal(memkind_get_capacity(kind), MEMKIND_PMEM_MIN_SIZE);
    assert_int_equal(statvfs(fixture_dir, &fs), 0);
    assert_int_equal(memkind_get_capacity(unlimited), fs.f_blocks * fs.f_frsize);
    void *block = memkind_malloc(unlimited, MIB);
    assert_int_equal(memkind_get_capacity(unlimited), fs.f_blocks * fs.f_frsize);
    memkind_free(unlimited, block);
    fixture_destroy(kind);
    fixture_destroy(unlimited);
    assert_int_equal(memkind_get_capacity(NULL), -1);
}

static void test_capacity_of_the_library_s_kinds(void **state)
{
    ssize_t memory = sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);

    (void)state;
    assert_true(memkind_get_capacity(MEMKIND_DEFAULT) > 0);
    assert_true(memkind_get_capacity(MEMKIND_REGULAR) > 0);
    /* A node's size includes memory that the kernel reserves. */
    assert_true(memkind_get_capacity(MEMKIND_REGULAR) <= 2 * memory);
}

static void test_availability(void **state)
{
    memkind_t kind = *state;

    assert_int_equal(memkind_check_available(kind), MEMKIND_SUCCESS);
    assert_int_equal(memkind_check_available(NULL), MEMKIND_ERROR_INVALID);
}

static void test_version(void **state)
{
    (void)state;
    assert_int_equal(memkind_get_version(), 1014000);
}

static void test_error_messages(void **state)
{
    static const int errors[] = {MEMKIND_SUCCESS,
                                 MEMKIND_ERROR_UNAVAILABLE,
                                 MEMKIND_ERROR_MBIND,
                                 MEMKIND_ERROR_MMAP,
                                 MEMKIND_ERROR_MALLOC,
                                 MEMKIND_ERROR_ENVIRON,
                                 MEMKIND_ERROR_INVALID,
                                 MEMKIND_ERROR_TOOMANY,
                                 MEMKIND_ERROR_BADOPS,
                                 MEMKIND_ERROR_HUGETLB,
                                 MEMKIND_ERROR_MEMTYPE_NOT_AVAILABLE,
                                 MEMKIND_ERROR_OPERATION_FAILED,
                                 MEMKIND_ERROR_ARENAS_CREATE,
                                 MEMKIND_ERROR_RUNTIME,
                                 EINVAL,
                                 ENOMEM,
                                 -4,
                                 -1000,
                                 12345,
                                 INT_MAX,
                                 INT_MIN};
    char whole[MEMKIND_ERROR_MESSAGE_SIZE + 1];
    char cut[MEMKIND_ERROR_MESSAGE_SIZE + 1];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        memset(whole, GUARD, sizeof(whole));
        memkind_error_message(errors[i], whole, MEMKIND_ERROR_MESSAGE_SIZE);
        assert_int_equal(whole[MEMKIND_ERROR_MESSAGE_SIZE], GUARD);
        size_t length = strnlen(whole, MEMKIND_ERROR_MESSAGE_SIZE);
        assert_in_range(length, 1, MEMKIND_ERROR_MESSAGE_SIZE - 1);
        for (size_t size = 0; size <= MEMKIND_ERROR_MESSAGE_SIZE; size++) {
            memset(cut, GUARD, sizeof(cut));
            memkind_error_message(errors[i], cut, size);
            assert_int_equal(cut[size], GUARD);
            if (size > 0) {
                size_t expected = length < size - 1 ? length : size - 1;

                assert_int_equal(strnlen(cut, size), expected);
                assert_memory_equal(cut, whole, expected);
            }
        }
    }
}

static void test_each_error_has_its_own_message(void **state)
{
    char first[MEMKIND_ERROR_MESSAGE_SIZE];
    char second[MEMKIND_ERROR_MESSAGE_SIZE];

    (void)state;
    memkind_error_message(MEMKIND_ERROR_TOOMANY, first, sizeof(first));
    memkind_error_message(MEMKIND_ERROR_INVALID, second, sizeof(second));
    assert_string_not_equal(first, second);
    memkind_error_message(0, NULL, 0);
}

/* -- Background threads ------------------------------------------------------------------------ */

static size_t threads(void)
{
    DIR *dir = opendir("/proc/self/task");
    size_t count = 0;
    struct dirent *entry;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static void test_background_threads(void **state)
{
    memkind_t kind = *state;
    size_t before = threads();

    if (FIXTURE_TSAN)
        return;
    for (int round = 0; round < 3; round++) {
        assert_int_equal(memkind_set_bg_threads(true), MEMKIND_SUCCESS);
        assert_true(threads() > before);
        void *block = memkind_malloc(kind, MIB);
        assert_non_null(block);
        memkind_free(kind, block);
        assert_int_equal(memkind_set_bg_threads(false), MEMKIND_SUCCESS);
        /* A thread may be listed for a moment after it has been joined. */
        while (threads() > before)
            usleep(1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST_ON_PMEM(test_allocated_is_the_sum_of_blocks),
        FIXTURE_TEST_ON(test_allocated_is_the_sum_of_blocks, FIXTURE_REGULAR),
        FIXTURE_TEST(test_allocated_of_the_default_heap),
        FIXTURE_TEST_ON_ALL(test_active_is_pages_with_blocks),
        FIXTURE_TEST_ON_PMEM(test_active_without_blocks),
        FIXTURE_TEST_ON_ALL(test_resident_active_allocated_are_in_order),
        FIXTURE_TEST(test_library_is_the_sum_of_kinds),
        FIXTURE_TEST(test_kinds_are_counted_apart),
        FIXTURE_TEST_ON_ALL(test_statistics_change_when_they_are_updated),
        FIXTURE_TEST_ON_ALL(test_statistics_while_they_are_updated),
        FIXTURE_TEST(test_statistics_before_the_first_update),
        FIXTURE_TEST_ON_ALL(test_statistics_that_are_none),
        FIXTURE_TEST(test_report),
        FIXTURE_TEST(test_report_in_json),
        FIXTURE_TEST(test_report_leaves_out),
        FIXTURE_TEST(test_report_with_options_that_are_none),
        FIXTURE_TEST(test_report_while_kinds_end),
        FIXTURE_TEST(test_report_to_stderr),
        FIXTURE_TEST(test_capacity),
        FIXTURE_TEST(test_capacity_of_the_library_s_kinds),
        FIXTURE_TEST_ON_ALL(test_availability),
        FIXTURE_TEST(test_version),
        FIXTURE_TEST(test_error_messages),
        FIXTURE_TEST(test_each_error_has_its_own_message),
        FIXTURE_TEST_ON_PMEM(test_background_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
