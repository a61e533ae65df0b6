/* SPDX-License-Identifier: BSD-2-Clause */
/* Small files of procfs and sysfs. */
#pragma once

#include <stddef.h>

/*
 * Reads the first size - 1 bytes of a file, without a newline at their end, and terminates the
 * text. Returns the length of the text: 0 and "" for a file that is empty or cannot be read. errno
 * may change. Allocates no memory, and is no cancellation point.
 */
size_t text_file_read(const char *path, char *text, size_t size);
