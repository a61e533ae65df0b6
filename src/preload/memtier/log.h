/* SPDX-License-Identifier: BSD-2-Clause */
/* What libmemtier says on standard error, with memkind's own prefixes: libmemtier(7). */
#pragma once

#include <stdbool.h>

/* Reads MEMKIND_MEM_TIERING_LOG_LEVEL, and says so where it is wrong: false. */
bool log_start(void);

/* Each is one line. Errors are always said, the others from the levels 1 and 2 on. */
__attribute__((format(printf, 1, 2))) void log_error(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_info(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_debug(const char *format, ...);
