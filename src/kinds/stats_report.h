/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The section of the report on kinds whose memory lies in files.
 *
 * In text the section comes before jemalloc's report, whose last line ends the whole. In JSON the
 * section is the first member of jemalloc's object: it follows jemalloc's opening brace.
 */
#pragma once

#include <stdbool.h>

struct stats_report {
    void (*write)(void *opaque, const char *text);
    void *opaque;
    bool json;
    bool begun; /* the section is written */
};

/*
 * Receives each piece of jemalloc's report, and writes the piece after the section. report is a
 * struct stats_report.
 */
void stats_report_jemalloc(void *report, const char *text);

/* Writes the section where jemalloc has written nothing. */
void stats_report_end(struct stats_report *report);
