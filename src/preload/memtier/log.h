/* SPDX-License-Identifier: BSD-2-Clause */
/* libmemtier's messages, with memkind's prefixes: libmemtier(7). */
#pragma once

#include <stdbool.h>

/* Reads MEMKIND_MEM_TIERING_LOG_LEVEL. False, with a message: invalid. */
bool log_start(void);

/* Print one line each. Errors are always printed, the others from levels 1 and 2 on. */
__attribute__((format(printf, 1, 2))) void log_error(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_info(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_debug(const char *format, ...);
