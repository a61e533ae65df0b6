/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Spaces whose store is a range of a DAX device, mapped as a whole.
 *
 * A device has all of its memory from the beginning, so nothing is allocated or released later. The
 * kernel maps pages of the device's alignment, and one map covers terabytes. The memory has the
 * contents that its last user left.
 */
#pragma once

#include "space/space.h"

struct dax_device;

/* Creates a space without memory, for space_destroy(). NULL: no memory for the record. */
struct space *device_store_create(unsigned owner);

/*
 * Maps `size` bytes of the device at the path into the space, which has no memory yet. size: a
 * multiple of the device's alignment and of a chunk. Sets path, fd, offset and max_size. -errno of
 * dax_range_take() or mmap(2): the space can only be destroyed.
 */
int device_store_open(struct space *space, const char *path, const struct dax_device *device,
                      size_t size);
