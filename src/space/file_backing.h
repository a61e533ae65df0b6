/* SPDX-License-Identifier: BSD-2-Clause */
/* Spaces whose backing store is a nameless file: space->fd, mapped shared. */
#pragma once

#include "space/space.h"

extern const struct space_backing file_backing;

/*
 * Makes the file of a space in the directory, whose reference it takes over when it succeeds; then
 * path and fd are set. Returns 0 or -errno, and nothing has changed.
 */
int file_backing_open(struct space *space, struct directory *directory);
