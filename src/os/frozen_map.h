/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mappings of a nameless file that are private for a time: see space/freeze.h.
 *
 * All functions return 0 or -errno, keep errno, are thread-safe, and are no cancellation points.
 * Offsets and sizes are in bytes, and multiples of the page size. in_memory: the
 * result of tmpfile_in_memory().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Replaces the shared mapping of the file's range at addr by a private one with this protection of
 * mmap(2): from now on, the process's writes do not reach the file. Other threads may read and
 * write the range meanwhile. On error the range is unchanged.
 */
int frozen_map_private(int fd, void *addr, size_t size, off_t offset, int protection,
                       bool in_memory);

/*
 * Replaces the mapping at addr by a shared one, as of tmpfile_map(), with this protection. Pages
 * that the process has written in a private mapping there are lost.
 */
int frozen_map_shared(int fd, void *addr, size_t size, off_t offset, int protection,
                      bool in_memory);

/* Sets the protection of mmap(2) of a mapped range. */
int frozen_map_protect(void *addr, size_t size, int protection);

/*
 * Allocates file space for a range that other processes may be reading, by fallocate(2) alone,
 * which writes nothing. The file's length does not change. -EOPNOTSUPP: the file system, the kernel
 * or a filter of system calls does not permit the call.
 */
int frozen_map_reserve(int fd, off_t offset, size_t size);
