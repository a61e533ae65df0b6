/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The surplus of a space: what its store holds beyond the bytes held by the space.
 *
 * Not only the library fills holes in a file: khugepaged does where it makes a large page,
 * mlockall(2) does in all maps, and so can a process with another descriptor. Then the file is
 * larger than the limit allows, and its surplus is missing in the file system.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct space;

/*
 * Returns the bytes of the surplus, less those that surplus_release() could not release; 0 where
 * there are few, or the store cannot tell. Thread-safe.
 */
size_t surplus_bytes(const struct space *space);

/*
 * Releases all empty pages, where there is a surplus. Makes a system call for each run of empty
 * pages then, else one. Thread-safe.
 */
void surplus_release(struct space *space);
