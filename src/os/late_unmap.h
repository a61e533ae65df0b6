/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mappings that are unmapped later, a piece at a time.
 *
 * To map over a mapping, the kernel frees the page tables of that mapping: some 40 ms for a GiB of
 * pages of 4 KiB. mremap(2) moves the tables to other addresses in less than 1 ms, and there they
 * are freed when no thread waits. All functions are thread-safe and keep errno.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Moves the page tables of a shared mapping of a file to other addresses. The mapping stays valid:
 * threads that use the mapping meanwhile have page faults. Children of forks do not inherit the
 * moved tables. Has no effect on a small mapping, before Linux 5.13, and without free addresses.
 * addr and size: whole pages, in bytes.
 */
void late_unmap_move(void *addr, size_t size);

/* Unmap a piece of the moved tables, and all of them. One load where there are none. */
void late_unmap_some(void);
void late_unmap_all(void);

/* In the child of a fork: the parent's moved tables are not mapped here. */
void late_unmap_after_fork(void);
