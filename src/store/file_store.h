/* SPDX-License-Identifier: BSD-2-Clause */
/* Spaces whose store is a nameless file: space->fd, mapped shared. */
#pragma once

#include "space/space.h"

extern const struct store_ops file_store;

/*
 * Makes the file of a space in the directory, whose reference it takes over when it succeeds; then
 * path and fd are set. Returns 0 or -errno, and nothing has changed.
 */
int file_store_open(struct space *space, struct directory *directory);

/*
 * The descriptor of the space's file, as space->fd is from here on: where the program has closed
 * it, the file is opened again. -EBADF where that cannot be done, and where there is no file.
 * Thread-safe.
 */
int file_store_file(struct space *space);

/* As tmpfile_capacity(), of the file system that the space's file lies in. -EBADF: it has none. */
int file_store_file_system(const struct space *space, size_t *bytes);
