/* SPDX-License-Identifier: BSD-2-Clause */
/* Tests of counters and reports: which counter, which option, and which error. */
/* WRAP: jemalloc_ctl_total_stats jemalloc_ctl_print_stats jemalloc_ctl_update_stats write */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "kinds/stats.h"
#include "memkind.h"
#include "support/faults.h"
#include "support/leftovers.h"

#define OPTIONS      9
#define BLOCKS       20
#define BLOCK_SIZE   64
#define LETTERS_SIZE 32
#define UNTOUCHED    77
#define WRITTEN_SIZE 1024
#define SHORT_WRITE  7

static int total_error;
static struct jemalloc_stats total;
static char letters[LETTERS_SIZE]; /* the options that jemalloc got */
static unsigned prints;
static int report_error;
static const char *report_of_jemalloc; /* NULL: jemalloc writes nothing */
static char written[WRITTEN_SIZE];
static void *opaque_seen;
static bool keeps_stderr; /* whether standard error is captured into `written`, in short pieces */
static struct fault write_fault; /* of those writes */

int __wrap_jemalloc_ctl_total_stats(struct jemalloc_stats *stats);
int __wrap_jemalloc_ctl_print_stats(void (*write_cb)(void *, const char *), void *opaque,
                                    const char *options);
ssize_t __real_write(int fd, const void *data, size_t size);
ssize_t __wrap_write(int fd, const void *data, size_t size);

int __wrap_jemalloc_ctl_total_stats(struct jemalloc_stats *stats)
{
    if (total_error == 0)
        *stats = total;
    return total_error;
}

int __wrap_jemalloc_ctl_print_stats(void (*write_cb)(void *, const char *), void *opaque,
                                    const char *options)
{
    prints++;
    if (report_of_jemalloc != NULL)
        write_cb(opaque, report_of_jemalloc);
    assert_in_range(strlen(options), 0, LETTERS_SIZE - 1);
    memcpy(letters, options, strlen(options) + 1);
    return report_error;
}

/* A kind whose caches another thread flushes just before jemalloc counts. */
static memkind_t purged;

int __real_jemalloc_ctl_update_stats(void);
int __wrap_jemalloc_ctl_update_stats(void);

int __wrap_jemalloc_ctl_update_stats(void)
{
    if (purged != NULL)
        memkind_purge(purged);
    return __real_jemalloc_ctl_update_stats();
}

ssize_t __wrap_write(int fd, const void *data, size_t size)
{
    size_t used = strlen(written);
    size_t piece = size < SHORT_WRITE ? size : SHORT_WRITE;

    if (!keeps_stderr || fd != STDERR_FILENO)
        return __real_write(fd, data, size);
    if (fault_hits(&write_fault))
        return -1;
    assert_true(used + piece < sizeof(written));
    memcpy(written + used, data, piece);
    written[used + piece] = '\0';
    return (ssize_t)piece;
}

static int setup(void **state)
{
    (void)state;
    total_error = 0;
    prints = 0;
    report_error = 0;
    report_of_jemalloc = NULL;
    total = (struct jemalloc_stats){.resident = 30, .active = 20, .allocated = 10};
    return 0;
}

static void counter_is_selected(void **state)
{
    size_t value = UNTOUCHED;

    (void)state;
    assert_int_equal(stats_select(&total, MEMKIND_STAT_TYPE_RESIDENT, &value), MEMKIND_SUCCESS);
    assert_int_equal(value, 30);
    assert_int_equal(stats_select(&total, MEMKIND_STAT_TYPE_ACTIVE, &value), MEMKIND_SUCCESS);
    assert_int_equal(value, 20);
    assert_int_equal(stats_select(&total, MEMKIND_STAT_TYPE_ALLOCATED, &value), MEMKIND_SUCCESS);
    assert_int_equal(value, 10);
}

static void unknown_counter_is_invalid(void **state)
{
    size_t value = UNTOUCHED;

    (void)state;
    assert_int_equal(stats_select(&total, MEMKIND_STAT_TYPE_MAX_VALUE, &value),
                     MEMKIND_ERROR_INVALID);
    assert_int_equal(stats_select(&total, (memkind_stat_type)-1, &value), MEMKIND_ERROR_INVALID);
    assert_int_equal(stats_of_library(MEMKIND_STAT_TYPE_MAX_VALUE, &value), MEMKIND_ERROR_INVALID);
    assert_int_equal(value, UNTOUCHED);
}

static void library_is_all_of_jemalloc(void **state)
{
    size_t value = UNTOUCHED;

    (void)state;
    assert_int_equal(stats_of_library(MEMKIND_STAT_TYPE_ACTIVE, &value), MEMKIND_SUCCESS);
    assert_int_equal(value, 20);
    total_error = -ENOENT;
    value = UNTOUCHED;
    assert_int_equal(stats_of_library(MEMKIND_STAT_TYPE_ACTIVE, &value), MEMKIND_ERROR_RUNTIME);
    assert_int_equal(value, UNTOUCHED);
}

/* Cached bytes are not subtracted twice: once as flushed, and once as cached. */
static void caches_may_be_emptied_meanwhile(void **state)
{
    void *blocks[BLOCKS];
    size_t allocated = 0;
    memkind_t kind;

    (void)state;
    assert_int_equal(memkind_create_pmem(test_dir(), 0, &kind), MEMKIND_SUCCESS);
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = memkind_malloc(kind, BLOCK_SIZE);
        assert_non_null(blocks[i]);
    }
    for (size_t i = 1; i < BLOCKS; i++)
        memkind_free(kind, blocks[i]);
    purged = kind;
    assert_int_equal(memkind_update_cached_stats(), MEMKIND_SUCCESS);
    purged = NULL;
    assert_int_equal(memkind_get_stat(kind, MEMKIND_STAT_TYPE_ALLOCATED, &allocated),
                     MEMKIND_SUCCESS);
    assert_int_equal(allocated, BLOCK_SIZE);
    assert_int_equal(memkind_destroy_kind(kind), MEMKIND_SUCCESS);
}

static void keep(void *opaque, const char *text)
{
    size_t used = strlen(written);

    opaque_seen = opaque;
    assert_true(used + strlen(text) < sizeof(written));
    memcpy(written + used, text, strlen(text) + 1);
}

/* Returns what is written for this report of jemalloc. */
static const char *written_for(const char *report, unsigned options)
{
    written[0] = '\0';
    opaque_seen = NULL;
    report_of_jemalloc = report;
    assert_int_equal(stats_print(keep, &total, options), MEMKIND_SUCCESS);
    assert_ptr_equal(opaque_seen, &total);
    report_of_jemalloc = NULL;
    return written;
}

static void text_follows_our_section(void **state)
{
    (void)state;
    assert_string_equal(written_for("{ of jemalloc }\n", MEMKIND_STAT_PRINT_ALL),
                        "___ Begin memkind statistics ___\n"
                        "--- End memkind statistics ---\n{ of jemalloc }\n");
}

static void json_is_one_object(void **state)
{
    (void)state;
    assert_string_equal(written_for("\n{\"jemalloc\": {}}\n", MEMKIND_STAT_PRINT_JSON_FORMAT),
                        "{\n\t\"memkind\": {\n\t\t\"kinds\": [\n\n\t\t]\n\t},\"jemalloc\": {}}\n");
    /* jemalloc had no memory for its report. */
    assert_string_equal(written_for("no memory", MEMKIND_STAT_PRINT_JSON_FORMAT),
                        "{\n\t\"memkind\": {\n\t\t\"kinds\": [\n\n\t\t]\n\t}\n}\n");
}

static void report_without_memory_is_an_error(void **state)
{
    (void)state;
    written[0] = '\0';
    report_error = -ENOMEM;
    assert_int_equal(stats_print(keep, NULL, MEMKIND_STAT_PRINT_ALL), MEMKIND_ERROR_MALLOC);
    assert_string_equal(written, "");
}

/* Returns what reaches standard error if the second call of write(2) and all later ones fail. */
static const char *reaches_stderr(int error, unsigned times)
{
    write_fault = (struct fault){.error = error, .skip = 1, .times = times};
    written[0] = '\0';
    keeps_stderr = true;
    int status = stats_print(NULL, NULL, MEMKIND_STAT_PRINT_ALL);
    keeps_stderr = false;
    assert_int_equal(status, MEMKIND_SUCCESS);
    return written;
}

static void standard_error_fails(void **state)
{
    const char *all = "___ Begin memkind statistics ___\n"
                      "--- End memkind statistics ---\n{ of jemalloc }\n";

    (void)state;
    report_of_jemalloc = "{ of jemalloc }\n";
    assert_string_equal(reaches_stderr(0, 0), all);
    assert_string_equal(reaches_stderr(EINTR, 3), all);
    assert_memory_equal(reaches_stderr(EIO, FAULT_ALWAYS), all, SHORT_WRITE);
    assert_int_equal(strlen(written), SHORT_WRITE);
    report_of_jemalloc = NULL;
}

static void drop(void *opaque, const char *text)
{
    (void)opaque;
    (void)text;
}

static void each_option_is_a_letter(void **state)
{
    static const struct {
        unsigned option;
        const char *letter;
    } known[OPTIONS] = {
        {MEMKIND_STAT_PRINT_JSON_FORMAT, "J"},
        {MEMKIND_STAT_PRINT_OMIT_GENERAL, "g"},
        {MEMKIND_STAT_PRINT_OMIT_MERGED_ARENA, "m"},
        {MEMKIND_STAT_PRINT_OMIT_DESTROYED_MERGED_ARENA, "d"},
        {MEMKIND_STAT_PRINT_OMIT_PER_ARENA, "a"},
        {MEMKIND_STAT_PRINT_OMIT_PER_SIZE_CLASS_BINS, "b"},
        {MEMKIND_STAT_PRINT_OMIT_PER_SIZE_CLASS_LARGE, "l"},
        {MEMKIND_STAT_PRINT_OMIT_MUTEX, "x"},
        {MEMKIND_STAT_PRINT_OMIT_EXTENT, "e"},
    };
    unsigned all = 0;

    (void)state;
    for (size_t i = 0; i < OPTIONS; i++) {
        assert_int_equal(stats_print(drop, NULL, known[i].option), MEMKIND_SUCCESS);
        assert_string_equal(letters, known[i].letter);
        all |= known[i].option;
    }
    assert_int_equal(stats_print(drop, NULL, all), MEMKIND_SUCCESS);
    assert_int_equal(strlen(letters), OPTIONS);
    for (size_t i = 0; i < OPTIONS; i++)
        assert_non_null(strstr(letters, known[i].letter));
    assert_int_equal(stats_print(drop, NULL, MEMKIND_STAT_PRINT_ALL), MEMKIND_SUCCESS);
    assert_string_equal(letters, "");
    assert_int_equal(prints, OPTIONS + 2);
}

static void unknown_option_prints_nothing(void **state)
{
    (void)state;
    for (unsigned bit = OPTIONS; bit < 32; bit++)
        assert_int_equal(stats_print(drop, NULL, 1u << bit | MEMKIND_STAT_PRINT_JSON_FORMAT),
                         MEMKIND_ERROR_INVALID);
    assert_int_equal(prints, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(counter_is_selected, setup),
        cmocka_unit_test_setup(unknown_counter_is_invalid, setup),
        cmocka_unit_test_setup(library_is_all_of_jemalloc, setup),
        cmocka_unit_test_setup(caches_may_be_emptied_meanwhile, setup),
        cmocka_unit_test_setup(text_follows_our_section, setup),
        cmocka_unit_test_setup(json_is_one_object, setup),
        cmocka_unit_test_setup(report_without_memory_is_an_error, setup),
        cmocka_unit_test_setup(standard_error_fails, setup),
        cmocka_unit_test_setup(each_option_is_a_letter, setup),
        cmocka_unit_test_setup(unknown_option_prints_nothing, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
