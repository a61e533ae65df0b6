/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions that tmpfile.c, tmpfile_create.c and tmpfile_allocate.c share. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* From this size on, a query of the free space costs little beside an attempt. */
#define TMPFILE_LARGE ((size_t)64 << 20)

/* Names that are tried, where O_TMPFILE cannot be had, before the file cannot be made. */
#define TMPFILE_NAME_TRIES 16

/*
 * Whether an error means that the kernel, the file system or a filter of system calls does not
 * support the call.
 */
bool tmpfile_is_unsupported(int error);

/* Whether a file that ends at `end` may be too long for the file size limit of the process. */
bool tmpfile_may_exceed_limit(off_t end);

/* Whether the file system, and for a file in memory the machine, has so much, or does not tell. */
bool tmpfile_may_fit(int fd, size_t size);
