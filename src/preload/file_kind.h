/* SPDX-License-Identifier: BSD-2-Clause */
/* Kinds in a file or on a device, as the process's malloc needs them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "memkind.h"

/*
 * Makes a kind in the directory, or on the device, that may take `size` bytes (0: no limit) and
 * gives blocks of size 0. A child goes on with what its parent had, as with any malloc: it gets a
 * copy of the heap, unless the environment says otherwise, or the heap lies on a device, of which
 * there are no copies. False: *reason says why, in words; it stays valid until the next call.
 */
bool file_kind_make(const char *dir, size_t size, memkind_t *kind, const char **reason);
