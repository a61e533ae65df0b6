/* SPDX-License-Identifier: BSD-2-Clause */
/* Escapes any text for a JSON string (RFC 8259), without the quotation marks. */
#pragma once

#include <stddef.h>

#define JSON_LONGEST_CHARACTER 6 /* bytes of "\u0000" */

/*
 * Writes characters of text to `to`, as many as fit `size` bytes, and a NUL. size is more than
 * JSON_LONGEST_CHARACTER. Returns the rest of text, which is empty after the last piece.
 *
 * UTF-8 stays as it is, quotation marks, backslashes and control characters are escaped, and each
 * byte that is not part of a character in UTF-8 becomes "\ufffd". Thread-safe; errno is kept.
 */
const char *json_escape(char *to, size_t size, const char *text);
