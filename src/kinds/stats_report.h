/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The section on kinds whose memory lies in files, beside jemalloc's report.
 *
 * In text it comes before jemalloc's, whose last line ends the report. In JSON both are members of
 * one object, ours first: jemalloc's opening brace is where that can be told.
 */
#pragma once

#include <stdbool.h>

struct stats_report {
    void (*write)(void *opaque, const char *text);
    void *opaque;
    bool json;
    bool begun; /* our section is written */
};

/* What jemalloc is to call with each piece of its report; report is a struct stats_report. */
void stats_report_jemalloc(void *report, const char *text);

/* Writes what is still missing. */
void stats_report_end(struct stats_report *report);
