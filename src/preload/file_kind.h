/* SPDX-License-Identifier: BSD-2-Clause */
/* Kinds in a file or on a device, for the process's malloc. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "memkind.h"

/*
 * Creates a kind in the directory, or on the device, of at most `size` bytes (0: no limit), which
 * allows blocks of size 0. A child has what its parent had, as with any malloc: a copy of the heap,
 * unless the environment selects another mode, or the heap lies on a device, which does not support
 * copies. False: *reason is a text with the reason, valid until the next call.
 */
bool file_kind_make(const char *dir, size_t size, memkind_t *kind, const char **reason);
