/* SPDX-License-Identifier: BSD-2-Clause */
/* Debug messages on standard error, printed only with MEMKIND_DEBUG=1. */
#pragma once

#include <stdbool.h>

/*
 * Returns whether messages are printed. The first call of any function here reads the environment,
 * later calls use the result. Thread-safe.
 */
bool log_enabled(void);

/*
 * Print "memkind: error: ...\n" or "memkind: info: ...\n" with one write(2) to descriptor 2, so
 * that lines of several threads do not mix. Control characters in the text become '?'. A text that
 * is too long is truncated and ends in "...".
 *
 * Callable anywhere, below malloc included: no allocation, no lock, no failure reported, errno
 * kept. The format has plain conversions only (no wide strings, no floating point).
 */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
