/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of "NAME:value" separated by commas, and their values. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Takes the next pair off the list at *rest, which is modified. False: end of the list. NULL: a
 * missing value.
 */
bool parse_pair(char **rest, char **name, char **value);

/* Returns the number of items in a list separated by semicolons, including empty ones. */
size_t parse_count(const char *list);

/* Parses bytes: digits, and K, M or G. False, with a message: invalid or NULL. */
bool parse_bytes(const char *text, size_t *bytes);

/*
 * Parses a part of a ratio, from 1 to UINT_MAX, as strtoul(3) does. False, with a message: invalid
 * or NULL.
 */
bool parse_ratio(const char *text, unsigned *ratio);
