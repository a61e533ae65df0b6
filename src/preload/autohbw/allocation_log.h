/* SPDX-License-Identifier: BSD-2-Clause */
/* What libautohbw says of each allocation on standard error: autohbw(7). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "memkind.h"

enum { LOG_NOTHING = -1, LOG_INFO = 0, LOG_ALLOCATIONS = 1, LOG_CALLERS = 2 };

/* Sets the level. Of LOG_CALLERS on, the first call loads a library. */
void allocation_log_start(int level);

/* What is worth knowing once; a line without its end. */
__attribute__((format(printf, 1, 2))) void allocation_log_info(const char *format, ...);

/* The function has given a block of the kind, or, NULL, had no room. */
void allocation_log(const char *function, size_t size, const void *block, memkind_t kind);
