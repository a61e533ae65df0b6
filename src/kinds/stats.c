/* SPDX-License-Identifier: BSD-2-Clause */
/* Counters of kinds and of the library, and the report on them. */
#include "kinds/stats.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "kinds/stats_report.h"
#include "kinds/usage.h"

/* Options of memkind_stats_print() and the letters for malloc_stats_print() of jemalloc(3). */
static const struct {
    unsigned option;
    char letter;
} print_options[] = {
    {MEMKIND_STAT_PRINT_JSON_FORMAT, 'J'},
    {MEMKIND_STAT_PRINT_OMIT_GENERAL, 'g'},
    {MEMKIND_STAT_PRINT_OMIT_MERGED_ARENA, 'm'},
    {MEMKIND_STAT_PRINT_OMIT_DESTROYED_MERGED_ARENA, 'd'},
    {MEMKIND_STAT_PRINT_OMIT_PER_ARENA, 'a'},
    {MEMKIND_STAT_PRINT_OMIT_PER_SIZE_CLASS_BINS, 'b'},
    {MEMKIND_STAT_PRINT_OMIT_PER_SIZE_CLASS_LARGE, 'l'},
    {MEMKIND_STAT_PRINT_OMIT_MUTEX, 'x'},
    {MEMKIND_STAT_PRINT_OMIT_EXTENT, 'e'},
};

#define PRINT_OPTIONS (sizeof(print_options) / sizeof(print_options[0]))

int stats_select(const struct jemalloc_stats *stats, memkind_stat_type stat, size_t *value)
{
    switch (stat) {
    case MEMKIND_STAT_TYPE_RESIDENT:
        *value = stats->resident;
        return MEMKIND_SUCCESS;
    case MEMKIND_STAT_TYPE_ACTIVE:
        *value = stats->active;
        return MEMKIND_SUCCESS;
    case MEMKIND_STAT_TYPE_ALLOCATED:
        *value = stats->allocated;
        return MEMKIND_SUCCESS;
    default:
        return MEMKIND_ERROR_INVALID;
    }
}

int stats_of_library(memkind_stat_type stat, size_t *value)
{
    struct jemalloc_stats stats;

    if (jemalloc_ctl_total_stats(&stats) != 0)
        return MEMKIND_ERROR_RUNTIME;
    size_t cached = usage_cached_bytes();
    stats.allocated -= cached < stats.allocated ? cached : stats.allocated;
    return stats_select(&stats, stat, value);
}

static void print_to_stderr(void *opaque, const char *text)
{
    size_t left = strlen(text);

    (void)opaque;
    while (left > 0) {
        ssize_t written = write(STDERR_FILENO, text, left);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return;
        text += written;
        left -= (size_t)written;
    }
}

int stats_print(void (*write_cb)(void *, const char *), void *opaque, unsigned options)
{
    struct stats_report report = {
        .write = write_cb != NULL ? write_cb : print_to_stderr,
        .opaque = opaque,
        .json = (options & MEMKIND_STAT_PRINT_JSON_FORMAT) != 0,
    };
    char letters[PRINT_OPTIONS + 1];
    size_t used = 0;

    for (size_t i = 0; i < PRINT_OPTIONS; i++)
        if ((options & print_options[i].option) != 0) {
            letters[used++] = print_options[i].letter;
            options &= ~print_options[i].option;
        }
    letters[used] = '\0';
    if (options != 0)
        return MEMKIND_ERROR_INVALID;
    /* jemalloc refreshes its counters for the report. Also refresh the count of cached bytes. */
    usage_update();
    if (jemalloc_ctl_print_stats(stats_report_jemalloc, &report, letters) != 0)
        return MEMKIND_ERROR_MALLOC;
    stats_report_end(&report);
    return MEMKIND_SUCCESS;
}
