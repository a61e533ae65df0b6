/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MEMKIND_PRELOAD_STATS: statistics of the kinds and libc's heap, as JSON, at the end of the
 * process.
 */
#pragma once

#include <stdbool.h>

#include "preload/settings.h"

/*
 * Arranges that the report is written to the file settings->stats when this process exits, not when
 * its children do. False, with a message as of settings_read(): the file cannot be written.
 */
bool report_at_exit(const struct settings *settings, char *message);

/* Writes the report now. It is written again at exit, unless the kinds are withdrawn. */
void report_now(void);
