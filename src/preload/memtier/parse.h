/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of "NAME:value" with commas between them, and the values in them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Takes the next pair off the list at *rest, which is changed. False at its end. A value that is
 * missing is NULL.
 */
bool parse_pair(char **rest, char **name, char **value);

/* Items that a list with semicolons between them has, the empty ones too. */
size_t parse_count(const char *list);

/* Bytes: digits, and K, M or G. Says what is wrong; NULL is. */
bool parse_bytes(const char *text, size_t *bytes);

/* A part of a ratio: from 1 to UINT_MAX, as strtoul(3) reads it. Says what is wrong; NULL is. */
bool parse_ratio(const char *text, unsigned *ratio);
