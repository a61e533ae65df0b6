/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ranges of a DAX device, of which each belongs to one holder: a kind of this process or another's.
 *
 * The kernel keeps the list: a range is a write lock of fcntl(2), F_OFD_SETLK, on the open device.
 * Such a lock belongs to the open file description. So the lock keeps other kinds of the same
 * process out as well. The lock lasts until the last descriptor and the last mapping of that
 * description are gone, those of a child of a fork included, however the process ends. The lock
 * keeps out programs that lock. A program that maps the device without a lock, or opens the device
 * by another inode of the same number, can still use the range.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "os/descriptor.h"

struct dax_device;

struct dax_range {
    int fd; /* the device, for reading and writing, from descriptor_raise(); the caller closes */
    struct descriptor_file file; /* the device, for descriptor_close() */
    off_t offset;
};

/*
 * Opens the device that the path leads to and takes the first free range of size bytes. Size and
 * offset are multiples of the device's alignment. 0, or, with *range untouched: -EBUSY where no
 * such range is free, or an error of open(2) or fcntl(2): -EACCES, -ENXIO (no driver, or in
 * system-ram mode), -EMFILE ... Safe from any thread, no cancellation point.
 */
int dax_range_take(const char *path, const struct dax_device *device, size_t size,
                   struct dax_range *range);
