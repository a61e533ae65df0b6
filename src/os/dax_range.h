/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ranges of a DAX device, of which each belongs to one holder: a kind of this process or another's.
 *
 * The kernel keeps the list: a range is a write lock of fcntl(2), F_OFD_SETLK, on the open device.
 * Such a lock belongs to the open file, so it keeps other kinds of the same process out as well, it
 * stays as long as a descriptor or a mapping of that opening is left, in a child of a fork too, and
 * goes with the last of them, however the process ends. Only who locks is kept out: programs that
 * map the device without asking, or open it by another inode of the same number, are not.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "os/descriptor.h"

struct dax_device;

struct dax_range {
    int fd; /* the device, for reading and writing; by descriptor_raise(); the caller closes it */
    struct descriptor_file file; /* the device, for descriptor_close() */
    off_t offset;
};

/*
 * Opens the device that the path leads to and takes the first free range of size bytes, a multiple
 * of its alignment, as is *range's offset. 0, or, with *range untouched: -EBUSY where no such range
 * is free, or what open(2) and fcntl(2) say: -EACCES, -ENXIO (no driver, or in system-ram mode),
 * -EMFILE ... Safe from any thread, no cancellation point.
 */
int dax_range_take(const char *path, const struct dax_device *device, size_t size,
                   struct dax_range *range);
