/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mappings that are unmapped later, a piece at a time.
 *
 * To map another file in the place of a mapping takes as long as its page tables are large: some 40
 * ms for a GiB of pages of 4 KiB. mremap(2) moves the tables elsewhere in less than one, and there
 * they can be given up when nobody waits. Thread-safe.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Moves the page tables of a shared mapping of a file away: the mapping stays, and other threads
 * that use it meanwhile have page faults. Children of forks do not get what was moved. Only where
 * that is worth while; otherwise, and where the kernel does not know how (before Linux 5.13), or
 * has no addresses, nothing happens.
 */
void late_unmap_move(void *addr, size_t size);

/* Unmaps a piece of what was moved, or all of it. Cheap where there is nothing. */
void late_unmap_some(void);
void late_unmap_all(void);

/* In the child of a fork. */
void late_unmap_after_fork(void);
