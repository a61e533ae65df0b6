/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Spaces whose store is a range of a DAX device: a range, mapped as a whole.
 *
 * The memory of a device is there from the beginning: nothing is taken or given back later, each
 * page is mapped in the size of the device's alignment, and one map covers terabytes. The memory
 * has the contents that its last user left.
 */
#pragma once

#include "space/space.h"

struct dax_device;

/* A space without memory; space_destroy() ends it. NULL where there is no memory for the record. */
struct space *device_store_create(unsigned owner);

/*
 * Gives the space, which has no memory yet, size bytes of the device that the path leads to: a
 * multiple of its alignment and of a chunk. Sets path, fd, offset and max_size. 0; or -errno as
 * from dax_range_take() and mmap(2): then the space can only be destroyed.
 */
int device_store_open(struct space *space, const char *path, const struct dax_device *device,
                      size_t size);
