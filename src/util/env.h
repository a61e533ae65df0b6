/* SPDX-License-Identifier: BSD-2-Clause */
/* The only reader of the process environment, with strict parsers. */
#pragma once

#include <stdbool.h>

/*
 * Returns the value of the variable. NULL: the variable is unset, or the program runs with more
 * privileges than its caller (secure_getenv(3)). The string belongs to the environment. Like
 * getenv(3), not safe against a concurrent setenv(3). errno is kept.
 */
const char *env_get(const char *name);

/*
 * Parses a switch. 0: *value is false for "0", true for "1". -ENOENT: unset. -EINVAL: any other
 * text. On error *value is unchanged.
 */
int env_flag(const char *name, bool *value);

/*
 * Parses a decimal number between min and max, both included. White space may stand around the
 * number, and a plus sign before its digits, as strtoul(3) allows; nothing else may follow. 0:
 * *value is the number. -ENOENT: unset. -EINVAL: any other text, or out of range. On error
 * *value is unchanged.
 */
int env_uint(const char *name, unsigned min, unsigned max, unsigned *value);

/* Parses text as env_uint() does. 0, or -EINVAL with *value unchanged. */
int env_parse_uint(const char *text, unsigned *value);
