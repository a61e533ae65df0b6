/* SPDX-License-Identifier: BSD-2-Clause */
/* The process environment: the only place that reads it, and strict parsers of what it says. */
#pragma once

#include <stdbool.h>

/*
 * The value of the variable, or NULL where it is unset or the program runs with more privileges
 * than its caller (secure_getenv(3)). The string belongs to the environment. Like getenv(3), not
 * safe against a setenv(3) in another thread. errno is left alone.
 */
const char *env_get(const char *name);

/*
 * Reads a switch. 0: *value is false for "0", true for "1". -ENOENT: unset. -EINVAL: any other
 * text. On error *value is untouched.
 */
int env_flag(const char *name, bool *value);

/*
 * Reads a decimal number between min and max, both included. Digits only: no sign, no white space,
 * nothing behind them. 0: *value is the number. -ENOENT: unset. -EINVAL: any other text, and
 * numbers out of range. On error *value is untouched.
 */
int env_uint(const char *name, unsigned min, unsigned max, unsigned *value);

/* Reads text as env_uint() does: 0, or -EINVAL, which leaves *value untouched. */
int env_parse_uint(const char *text, unsigned *value);
