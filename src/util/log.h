/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines on standard error for a person who debugs, printed only with MEMKIND_DEBUG=1. */
#pragma once

#include <stdbool.h>

/*
 * Whether lines are printed. The environment is read at the first call (of any function here) and
 * never again. Safe from any thread.
 */
bool log_enabled(void);

/*
 * Print "memkind: error: ...\n" or "memkind: info: ...\n" with one write(2) to descriptor 2, so
 * that lines of several threads do not mix. The text needs no newline; control characters in it
 * become
 * '?', and what is too long for a line is cut and ends in "...". Nothing is allocated, no lock is
 * taken, no failure is reported and errno is left alone, so both may be called anywhere, below
 * malloc included. The format uses plain conversions only (no wide strings, no floating point).
 */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
