/* SPDX-License-Identifier: BSD-2-Clause */
/* What the codes that the public functions return mean, in words. */
#pragma once

#include <stddef.h>

/*
 * The text of a MEMKIND_ERROR_* code, of MEMKIND_SUCCESS, or of EINVAL and ENOMEM, which
 * memkind_posix_memalign(3) returns: static, shorter than MEMKIND_ERROR_MESSAGE_SIZE. NULL for any
 * other number.
 */
const char *error_text(int error);

/*
 * Copies the text of the code into msg, or for any other number a text that says so, with the
 * number. The text is cut where size bytes do not hold it, and always terminated.
 * Nothing is done where msg is NULL or size is 0. errno is left alone.
 */
void error_message(int error, char *msg, size_t size);
