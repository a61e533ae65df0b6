/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MEMKIND_PRELOAD_STATS: numbers about the kinds and libc's heap, as JSON, when the process ends.
 */
#pragma once

#include <stdbool.h>

#include "preload/settings.h"

/*
 * Sees to it that the report will be written to the file that settings->stats names: when this
 * process exits, not when its children do. False where the file cannot be written, with a message
 * as of settings_read().
 */
bool report_at_exit(const struct settings *settings, char *message);
