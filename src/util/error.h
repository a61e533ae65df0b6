/* SPDX-License-Identifier: BSD-2-Clause */
/* Texts of the error codes that public functions return. */
#pragma once

#include <stddef.h>

/*
 * Returns the text of a MEMKIND_ERROR_* code, of MEMKIND_SUCCESS, or of EINVAL and ENOMEM, which
 * memkind_posix_memalign(3) returns. NULL: any other number. The text is static, and shorter than
 * MEMKIND_ERROR_MESSAGE_SIZE.
 */
const char *error_text(int error);

/*
 * Copies the text of the code into msg, truncated to size bytes and always terminated. A number
 * without a text gives "Undefined error number". Does nothing if msg is NULL or size is 0. errno is
 * kept.
 */
void error_message(int error, char *msg, size_t size);
