/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions about policies, statistics and reports. */
#include "behaviour.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

/* -- Defragment, policy, statistics ------------------------------------------------------------ */

static void defragment(void)
{
    memkind_t kind = make_kind(0);
    char *block = memkind_malloc(kind, SMALL);

    strcpy(block, "text");
    char *moved = memkind_defrag_reallocate(kind, block);
    say("%s", strcmp(moved != NULL ? moved : block, "text") == 0 ? "text kept" : "text lost");
    say("%p", memkind_defrag_reallocate(kind, NULL));
}

static size_t allocated(memkind_t kind)
{
    size_t value = SIZE_MAX;

    memkind_update_cached_stats();
    memkind_get_stat(kind, MEMKIND_STAT_TYPE_ALLOCATED, &value);
    return value;
}

/* File space with four MiB in blocks of this size, and after they are freed. */
static void space_after_free(memkind_mem_usage_policy policy, size_t size)
{
    enum { BYTES = 4 << 20 };
    static void *blocks[BYTES / 64];
    int status;
    memkind_t kind = make_configured(0, policy, &status);

    for (size_t i = 0; i < BYTES / size; i++) {
        blocks[i] = memkind_malloc(kind, size);
        memset(blocks[i], 1, size);
    }
    size_t with = file_space();
    for (size_t i = 0; i < BYTES / size; i++)
        memkind_free(kind, blocks[i]);
    size_t without = file_space();
    say("%s", with >= BYTES ? "held" : "not held");
    say("%s", without + BYTES / 2 < with ? "back" : "kept");
}

static void default_policy(void)
{
    space_after_free(MEMKIND_MEM_USAGE_POLICY_DEFAULT, MIB);
}

static void conservative_policy(void)
{
    space_after_free(MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE, MIB);
}

static void conservative_policy_small_blocks(void)
{
    space_after_free(MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE, SMALL);
}

static void statistics(void)
{
    memkind_t kind = make_kind(0);
    size_t before = allocated(kind);
    void *block = memkind_malloc(kind, 5 * MIB);

    say("%s", allocated(kind) - before == memkind_malloc_usable_size(kind, block) ? "exact"
                                                                                  : "not exact");
    say("%s", allocated(NULL) >= 5 * MIB ? "whole library" : "no whole");
}

static void statistics_of_small_blocks(void)
{
    memkind_t kind = make_kind(0);
    void *block = memkind_malloc(kind, SMALL);

    say("%zu", allocated(kind));
    memkind_free(kind, block);
    say("%zu", allocated(kind));
}

static void statistic_of_young_kind(void)
{
    size_t value = SIZE_MAX;

    memkind_update_cached_stats();
    say_status(memkind_get_stat(make_kind(0), MEMKIND_STAT_TYPE_ALLOCATED, &value));
}

static void statistic_that_is_none(void)
{
    size_t value = 0;

    memkind_update_cached_stats();
    say_status(memkind_get_stat(NULL, MEMKIND_STAT_TYPE_MAX_VALUE, &value));
}

static char report[4 << 20];

static void keep(void *opaque, const char *text)
{
    size_t used = strlen(report);

    (void)opaque;
    snprintf(report + used, sizeof(report) - used, "%s", text);
}

static void report_wrong_option(void)
{
    say_status(memkind_stats_print(keep, NULL, (memkind_stat_print_opt)(1u << 20)));
    say("%s", report[0] == '\0' ? "nothing printed" : "printed");
}

static void report_in_json(void)
{
    say_status(memkind_stats_print(keep, NULL, MEMKIND_STAT_PRINT_JSON_FORMAT));
    say("%s", strstr(report, "\"jemalloc\"") != NULL ? "jemalloc" : "no jemalloc");
}

static void report_of_kinds(void)
{
    make_kind(0);
    memkind_stats_print(keep, NULL, MEMKIND_STAT_PRINT_ALL);
    say("%s", strstr(report, "memkind statistics") != NULL ? "a section" : "none");
}

static void capacity(void)
{
    say("%zd", memkind_get_capacity(make_kind(32 * MIB)));
}

static void capacity_rounded(void)
{
    say("%zd", memkind_get_capacity(make_kind(16 * MIB + 1)));
}

static void capacity_unlimited(void)
{
    struct statvfs fs;
    ssize_t bytes = memkind_get_capacity(make_kind(0));

    if (statvfs(dir, &fs) != 0)
        say("cannot be tried");
    say("%s", bytes == (ssize_t)(fs.f_blocks * fs.f_frsize) ? "file system's"
              : bytes < 0                                   ? "-1"
                                                            : "another");
}

static void available(void)
{
    say_status(memkind_check_available(make_kind(0)));
}

static void version(void)
{
    say("%d", memkind_get_version());
}

static void statistic_of_no_number(void)
{
    size_t value = 0;

    memkind_update_cached_stats();
    say_status(memkind_get_stat(MEMKIND_DEFAULT, (memkind_stat_type)-1, &value));
    say_status(memkind_get_stat(NULL, MEMKIND_STAT_TYPE_ALLOCATED, &value));
}

static void background_threads(void)
{
    say_status(memkind_set_bg_threads(true));
    say_status(memkind_set_bg_threads(true));
    say_status(memkind_set_bg_threads(false));
    say_status(memkind_set_bg_threads(false));
}

static void defragment_each(void)
{
    enum { BLOCKS = 1000 };
    memkind_t kind = make_kind(0);
    char *blocks[BLOCKS];
    int lost = 0;

    for (size_t i = 0; i < BLOCKS; i++)
        *(size_t *)(void *)(blocks[i] = memkind_malloc(kind, SMALL)) = i;
    for (size_t i = 1; i < BLOCKS; i += 2)
        memkind_free(kind, blocks[i]);
    for (size_t i = 0; i < BLOCKS; i += 2) {
        char *moved = memkind_defrag_reallocate(i % 4 == 0 ? kind : NULL, blocks[i]);

        lost += *(size_t *)(void *)(moved != NULL ? moved : blocks[i]) != i;
    }
    say("%d lost", lost);
}

static void error_message(void)
{
    char text[ANSWER_SIZE];

    memset(text, '#', sizeof(text));
    memkind_error_message(MEMKIND_ERROR_INVALID, text, 5);
    say("%s", text[4] == '\0' && text[5] == '#' ? "cut" : "not cut");
    memkind_error_message(INT_MIN, text, sizeof(text));
    say("%s", text);
    memkind_error_message(MEMKIND_ERROR_UNAVAILABLE, text, strlen("<memkind> ") + 1);
    say("%s", text);
}

/* Programs that parse the report check its last line. */
static void report_ends_with_jemalloc(void)
{
    static const char end[] = "--- End jemalloc statistics ---\n";

    make_kind(0);
    memkind_stats_print(keep, NULL, MEMKIND_STAT_PRINT_ALL);
    size_t length = strlen(report);
    say("%s",
        length > strlen(end) && strcmp(report + length - strlen(end), end) == 0 ? "yes" : "no");
}

const struct question report_questions[] = {
    {"defragment", defragment, "text kept, (nil)"},
    {"default-policy", default_policy, "held, kept"},
    {"conservative-policy", conservative_policy, "held, back"},
    {"conservative-policy-small-blocks", conservative_policy_small_blocks, "held, back"},
    {"statistics", statistics, "exact, whole library"},
    {"statistics-of-small-blocks", statistics_of_small_blocks, "64, 0"},
    {"statistic-of-young-kind", statistic_of_young_kind, "SUCCESS"},
    {"statistic-that-is-none", statistic_that_is_none, "INVALID"},
    {"report-wrong-option", report_wrong_option, "INVALID, nothing printed"},
    {"report-in-json", report_in_json, "SUCCESS, jemalloc"},
    {"report-of-kinds", report_of_kinds, "a section"},
    {"report-ends-with-jemalloc", report_ends_with_jemalloc, "yes"},
    {"capacity", capacity, "33554432"},
    {"capacity-rounded", capacity_rounded, "18874368"},
    {"capacity-unlimited", capacity_unlimited, "file system's"},
    {"available", available, "SUCCESS"},
    {"version", version, "1014000"},
    {"statistic-of-no-number", statistic_of_no_number, "INVALID, SUCCESS"},
    {"background-threads", background_threads, "SUCCESS, SUCCESS, SUCCESS, SUCCESS"},
    {"defragment-each", defragment_each, "0 lost"},
    {"error-message", error_message,
     "cut, <memkind> Undefined error number: -2147483648, <memkind> "},
    {NULL, NULL, NULL},
};
