/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mappings of a nameless file that are private for a time: see space/freeze.h.
 *
 * All functions return 0 or -errno, keep errno, may be called from any thread and are no
 * cancellation points. Offsets and sizes are multiples of the page size.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Maps the range of the file, mapped shared at addr, anew with this protection of mmap(2): private,
 * so that what the process writes from now on is not in the file. Other threads may read and write
 * there meanwhile. On error the range is as it was.
 */
int frozen_map_private(int fd, void *addr, size_t size, off_t offset, int protection,
                       bool in_memory);

/*
 * Maps the range shared, as tmpfile_map() does, but with this protection at once. What the process
 * has written to a private mapping there is lost.
 */
int frozen_map_shared(int fd, void *addr, size_t size, off_t offset, int protection,
                      bool in_memory);

/*
 * Takes file space for a range whose pages others may read: by fallocate(2) alone, so that nothing
 * is written, and the file, which ends behind the range, does not become longer. -EOPNOTSUPP where
 * the file system or the kernel cannot or may not.
 */
int frozen_map_reserve(int fd, off_t offset, size_t size);
