/* SPDX-License-Identifier: BSD-2-Clause */
/* Spaces whose store is a nameless file: space->fd, mapped shared. */
#pragma once

#include "space/space.h"

struct directory;

/* A space without a file; space_destroy() ends it. NULL where there is no memory for the record. */
struct space *file_store_create(unsigned owner);

/*
 * Makes the file of a space in the directory, and sets path and fd. The reference to the directory
 * is the space's then. On failure -errno, and nothing has changed.
 */
int file_store_open(struct space *space, struct directory *directory);

/* As tmpfile_capacity(), for the space's file. -EBADF: the space has no file. */
int file_store_file_system(const struct space *space, size_t *bytes);
