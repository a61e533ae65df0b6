/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a space's store holds beyond what is accounted for, and its way back.
 *
 * Others fill holes in a file behind the library's back: khugepaged, when it makes a large page;
 * mlockall(2), which touches all that is mapped; whoever has another descriptor. Then the file is
 * larger than the limit allows, and what it holds is missing in the file system.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct space;

/*
 * Bytes that the store holds beyond what is accounted for, less what surplus_release() has tried in
 * vain to give back; 0 where that is little or cannot be told. Thread-safe.
 */
size_t surplus_bytes(const struct space *space);

/*
 * Gives back the store of all that is empty, where there is a surplus. Takes a system call for each
 * run of empty pages then, else one. Thread-safe.
 */
void surplus_release(struct space *space);
