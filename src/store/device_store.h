/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Spaces whose store is a range of a DAX device: a range, mapped as a whole.
 *
 * The memory of a device is all there, so nothing is taken or given back later, no page is mapped
 * in a size other than the device's alignment, and one map is enough for terabytes. What stands in
 * it is what its last user left: whoever needs zeroes writes them.
 */
#pragma once

#include "space/space.h"

struct dax_device;

/* A space without memory; space_destroy() ends it. NULL where there is no memory for the record. */
struct space *device_store_create(unsigned owner);

/*
 * Gives the space, which has none yet, size bytes of the device that the path leads to: a multiple
 * of its alignment and of a chunk. Then path, fd, offset and max_size are set. 0, or -errno as
 * dax_range_take() and mmap(2): then the space can only be destroyed.
 */
int device_store_open(struct space *space, const char *path, const struct dax_device *device,
                      size_t size);
